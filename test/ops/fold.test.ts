// The operation fold of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, poisoned, randn } from '../helpers/ops.js';
import { fold } from '../reference/linear.js';

describe('fold', () => {
  it.each([
    [1, 3, 1, 1],
    [2, 7, 5, 1],
    [2, 8, 16, 2], // the last row is in no window
    [2, 9, 17, 2],
    [3, 9, 33, 3],
    [1, 11, 4, 4],
    [2, 102, 80, 1],
  ])('batch %i, time %i, width %i, stride %i', (batch, time, width, stride) => {
    const windows = Math.floor((time - 3) / stride) + 1;
    const inputs = { dwindows: randn(batch * windows * 3 * width, 1) };
    const budget = budgetOf(({ dwindows }) => ({ dx: fold(dwindows, batch, time, width, stride) }), inputs, {
      width: { dx: width },
    });
    for (const { name, ops } of backends) {
      const dx = poisoned(batch, time, width);
      ops.fold!(dx, dense(inputs.dwindows, batch, windows, 3 * width), stride);
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
