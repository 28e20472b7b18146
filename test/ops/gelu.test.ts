// The operation gelu of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, poisoned, randn, spaced } from '../helpers/ops.js';
import { gelu, geluBackward } from '../reference/gelu.js';

const widths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 97];

describe('gelu', () => {
  it.each(widths)('rows of %i, dense and spaced', (width) => {
    const inputs = { x: randn(2 * 3 * width, 1, 2) };
    const budget = budgetOf(({ x }) => ({ y: gelu(x) }), inputs, { width: { y: width } });
    for (const { name, ops } of backends) {
      for (const y of [poisoned(2, 3, width), spaced(null, 2, 3, width)]) {
        ops.gelu!(y, dense(inputs.x, 2, 3, width));
        budget.check(name, { y });
      }
    }
  });

  it.each(widths)('backward, rows of %i, dense and spaced', (width) => {
    const inputs = { dy: randn(2 * 3 * width, 1), x: randn(2 * 3 * width, 2, 2) };
    const budget = budgetOf(({ dy, x }) => ({ dx: geluBackward(dy, x) }), inputs, { width: { dx: width } });
    for (const { name, ops } of backends) {
      for (const dy of [dense(inputs.dy, 2, 3, width), spaced(inputs.dy, 2, 3, width)]) {
        const dx = poisoned(2, 3, width);
        ops.geluBackward!(dx, dy, dense(inputs.x, 2, 3, width));
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
