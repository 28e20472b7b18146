// The operation gelu of native/ops.def against its equation in float64, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { budgetOf } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, noise, poisoned, type Storage, spaced, storages, stored } from '../helpers/ops.js';
import { gelu, geluBackward } from '../reference/gelu.js';

// x, and what comes from or goes to a spaced operand: both of the compute dtype, or the latter in f32.
const pairs: [Storage, Storage][] = [
  ['f32', 'f32'],
  ...storages.slice(1).flatMap((storage): [Storage, Storage][] => [
    [storage, storage],
    [storage, 'f32'],
  ]),
];
const widths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 97].flatMap((width) =>
  pairs.map(([storage, other]) => [width, storage, other] as const),
);

describe('gelu', () => {
  it.each(widths)('rows of %i, dense and spaced, x in %s, y in %s', (width, storage, other) => {
    const inputs = { x: noise(2 * 3 * width, 1, storage, 2) };
    const budget = budgetOf(({ x }) => ({ y: gelu(x) }), inputs, {
      width: { y: width },
      storage: { y: other },
    });
    for (const { name, ops } of backends) {
      for (const place of [poisoned(2, 3, width), spaced(null, 2, 3, width)]) {
        const y = stored(place, other);
        ops.gelu!(y, stored(dense(inputs.x, 2, 3, width), storage));
        budget.check(name, { y });
      }
    }
  });

  it.each(widths)('backward, rows of %i, dense and spaced, x in %s, dy in %s', (width, storage, other) => {
    const inputs = { dy: noise(2 * 3 * width, 1, other), x: noise(2 * 3 * width, 2, storage, 2) };
    const budget = budgetOf(({ dy, x }) => ({ dx: geluBackward(dy, x) }), inputs, {
      width: { dx: width },
      storage: { dx: storage },
    });
    for (const { name, ops } of backends) {
      for (const dy of [dense(inputs.dy, 2, 3, width), spaced(inputs.dy, 2, 3, width)]) {
        const dx = stored(poisoned(2, 3, width), storage);
        ops.geluBackward!(dx, stored(dy, other), stored(dense(inputs.x, 2, 3, width), storage));
        budget.check(name, { dx });
      }
    }
  });

  // Neighbours share a scale, so a relative error in the tail shows.
  it('is accurate over the whole range, tails included', () => {
    const n = 32000;
    const inputs = { x: Float32Array.from({ length: n }, (_, i) => (i / n) * 28 - 12.8) };
    const budget = budgetOf(
      ({ x }) => ({
        y: gelu(x),
        dx: geluBackward(
          x.map(() => 1),
          x,
        ),
      }),
      inputs,
      { width: { y: 16, dx: 256 } },
    );
    for (const { name, ops } of backends) {
      const [y, dx] = [poisoned(n), poisoned(n)];
      ops.gelu!(y, dense(inputs.x, n));
      ops.geluBackward!(dx, dense(new Float32Array(n).fill(1), n), dense(inputs.x, n));
      budget.check(name, { y, dx });
    }
  });

  it('passes large values through, is zero far below, and keeps NaN', () => {
    const x = Float32Array.from([1e30, 3e38, -20, -100, -1e30, 0, -0, Number.NaN]);
    for (const { name, ops } of backends) {
      const y = poisoned(x.length);
      ops.gelu!(y, dense(x, x.length));
      const expected = [x[0], x[1], 0, 0, 0, 0, 0, Number.NaN];
      expect(
        Array.from(y.data, (v) => v + 0),
        name,
      ).toEqual(expected);
    }
  });
});
