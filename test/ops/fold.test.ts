// The operation fold of native/ops.def against its equation in float64, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { budgetOf } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, noise, poisoned, randn, storages, stored } from '../helpers/ops.js';
import { fold } from '../reference/linear.js';

describe('fold', () => {
  const shapes = [
    [1, 3, 1, 1],
    [2, 7, 5, 1],
    [2, 8, 16, 2], // the last row is in no window
    [2, 9, 17, 2],
    [3, 9, 33, 3],
    [1, 11, 4, 4],
    [2, 102, 80, 1],
  ].flatMap(([batch, time, width, stride]) =>
    storages.map((storage) => [batch!, time!, width!, stride!, storage] as const),
  );

  it.each(shapes)('batch %i, time %i, width %i, stride %i, %s', (batch, time, width, stride, storage) => {
    const windows = Math.floor((time - 3) / stride) + 1;
    const inputs = { dwindows: noise(batch * windows * 3 * width, 1, storage) };
    const budget = budgetOf(({ dwindows }) => ({ dx: fold(dwindows, batch, time, width, stride) }), inputs, {
      width: { dx: width },
      storage: { dx: storage },
    });
    for (const { name, ops } of backends) {
      const dx = stored(poisoned(batch, time, width), storage);
      ops.fold!(dx, stored(dense(inputs.dwindows, batch, windows, 3 * width), storage), stride);
      budget.check(name, { dx });
    }
  });

  it('refuses windows that end outside', () => {
    const dwindows = dense(randn(9, 1), 1, 3, 3);
    expect(() => backends[0]!.ops.fold!(poisoned(1, 4, 1), dwindows, 1)).toThrow(
      'fold: dwindows [1, 3, 3] at stride 1 do not fit into dx [1, 4, 1]',
    );
  });
});
