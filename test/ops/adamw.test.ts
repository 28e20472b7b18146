// The operations adamw and adamw_hf of native/ops.def against their equations in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame, expectWithin, rounding } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, randn } from '../helpers/ops.js';
import { type AdamwStep, adamw, adamwHf } from '../reference/adamw.js';

const usual: AdamwStep = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.1, t: 1 };
const one = Float32Array.of(1);

describe.each([
  ['adamw', adamw],
  ['adamwHf', adamwHf],
] as const)('%s', (op, reference) => {
  it.each([1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 1000, 16385])('%i elements', (n) => {
    const inputs = {
      value: randn(n, 1),
      m: randn(n, 2, 0.1),
      v: randn(n, 3).map((x) => 0.01 * x * x + 1e-4),
      grad: randn(n, 4),
      scale: Float32Array.from([0.37]),
    };
    for (const step of [
      usual,
      { ...usual, t: 1000, decay: 0 },
      { ...usual, lr: 0.3, beta1: 0.5, eps: 0.1, t: 7 },
    ]) {
      const budget = budgetOf((i) => reference(i, step), inputs);
      let first: Float32Array | undefined;
      for (const { name, ops } of backends) {
        const [value, m, v] = [dense(inputs.value, n), dense(inputs.m, n), dense(inputs.v, n)];
        ops[op]!(value, m, v, dense(inputs.grad, n), dense(inputs.scale, 1), { ...step }, null);
        budget.check(name, { value, m, v });
        first ??= value.data as Float32Array;
        if (name.startsWith('cpu'))
          expectSame(`${name}: the same for every instruction set`, value.data, first);
      }
    }
  });

  // From zero moments a first step is lr·sign(g), however small the gradient: nothing may underflow on the way.
  it('moves by the learning rate in a first step, for gradients of every size', () => {
    const grad = Float32Array.from([1e-6, -1e-3, 1, -1e3, 1e6]);
    for (const { name, ops } of backends) {
      const zeros = () => dense(new Float32Array(5), 5);
      const value = zeros();
      ops[op]!(
        value,
        zeros(),
        zeros(),
        dense(grad, 5),
        dense(one, 1),
        { ...usual, decay: 0, eps: 1e-16 },
        null,
      );
      const expected = Array.from(grad, (g) => -1e-3 * Math.sign(g));
      expectWithin(name, value.data, expected, Array(5).fill(1e-3 * 16 * rounding));
    }
  });

  it('follows the reference over many steps', () => {
    const n = 19;
    const grads = Array.from({ length: 30 }, (_, t) => randn(n, 10 + t));
    for (const { name, ops } of backends) {
      const zeros = () => dense(new Float32Array(n), n);
      const [value, m, v] = [dense(randn(n, 1), n), zeros(), zeros()];
      const scale = Float64Array.of(1);
      let state = {
        value: Float64Array.from(value.data),
        m: new Float64Array(n),
        v: new Float64Array(n),
      };
      for (const [i, grad] of grads.entries()) {
        const step = { ...usual, t: i + 1 };
        ops[op]!(value, m, v, dense(grad, n), dense(one, 1), { ...step }, null);
        state = reference({ ...state, grad: Float64Array.from(grad), scale }, step);
      }
      // A rounding per step of numbers up to 4, and of moves of lr each.
      expectWithin(name, value.data, state.value, Array(n).fill(4 * 30 * rounding));
    }
  });

  it('counts steps from 1', () => {
    const x = () => dense(randn(1, 1), 1);
    expect(() => backends[0]!.ops[op]!(x(), x(), x(), x(), x(), { ...usual, t: 0 }, null)).toThrow(
      ': t is 0',
    );
  });
});

// What sets the two apart, by numbers worked out by hand: a first step with g = 1 from p = 1, where m / √v = √10⁻¹·√10.
describe('adamw and adamw_hf', () => {
  const update = (op: 'adamw' | 'adamwHf', step: AdamwStep) =>
    backends.map(({ ops }) => {
      const [value, m, v] = [dense(one, 1), dense(Float32Array.of(0), 1), dense(Float32Array.of(0), 1)];
      ops[op]!(value, m, v, dense(one, 1), dense(one, 1), { ...step }, null);
      return value.data[0]!;
    });

  it('decay the weight before the update, and after it', () => {
    const step = { ...usual, lr: 0.25, decay: 2, eps: 0 };
    for (const p of update('adamw', step)) expect(p).toBeCloseTo(1 * 0.5 - 0.25, 6);
    for (const p of update('adamwHf', step)) expect(p).toBeCloseTo((1 - 0.25) * 0.5, 6);
  });

  it('add eps to the corrected root of v, and to the root as it is', () => {
    const step = { ...usual, lr: 0.25, decay: 0, eps: 1 };
    for (const p of update('adamw', step)) expect(p).toBeCloseTo(1 - 0.25 / (1 + 1), 6);
    const root = Math.sqrt(0.001);
    for (const p of update('adamwHf', step)) expect(p).toBeCloseTo(1 - (0.25 * root) / (root + 1), 6);
  });
});
