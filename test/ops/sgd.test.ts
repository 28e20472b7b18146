// The operation sgd of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, randn } from '../helpers/ops.js';

const sgd = (
  { value, grad, scale }: Record<'value' | 'grad' | 'scale', Float64Array>,
  lr: number,
  decay: number,
) => ({ value: value.map((p, i) => p - lr * (scale[0]! * grad[i]! + decay * p)) });

describe('sgd', () => {
  it.each([1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 1000, 16385])('%i elements', (n) => {
    const inputs = { value: randn(n, 1), grad: randn(n, 2), scale: Float32Array.of(0.37) };
    for (const [lr, decay] of [
      [0.1, 0],
      [0.3, 0.5],
    ] as const) {
      const budget = budgetOf((i) => sgd(i, lr, decay), inputs);
      let first: Float32Array | undefined;
      for (const { name, ops } of backends) {
        const value = dense(inputs.value, n);
        ops.sgd!(value, dense(inputs.grad, n), dense(inputs.scale, 1), lr, decay, null);
        budget.check(name, { value });
        first ??= value.data as Float32Array;
        if (name.startsWith('cpu'))
          expectSame(`${name}: the same for every instruction set`, value.data, first);
      }
    }
  });

  it('refuses operands that do not fit', () => {
    const x = (n: number) => dense(new Float32Array(n), n);
    expect(() => backends[0]!.ops.sgd!(x(3), x(2), x(1), 1, 0, null)).toThrow(
      'sgd: grad [2], expected 3 elements',
    );
    expect(() => backends[0]!.ops.sgd!(x(3), x(3), x(2), 1, 0, null)).toThrow(
      'sgd: scale [2], expected 1 elements',
    );
  });
});
