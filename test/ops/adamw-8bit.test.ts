// The operation adamw_8bit of native/ops.def: one update against its equation in float64 with exact codes, runs against
// AdamW in f32, and what gradients can do to a block. The code itself is tested in quantize.test.ts.
import { describe, expect, it } from 'vitest';
import { expectSame, expectWithin } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, type Operand, randint, randn } from '../helpers/ops.js';
import type { AdamwStep } from '../reference/adamw.js';
import {
  adamw8bit,
  block,
  decode,
  distanceToMiddle,
  type EightBitState,
  zeroCode,
} from '../reference/eight-bit.js';

const usual: AdamwStep = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.01, t: 1 };

interface State extends Omit<EightBitState, 'value'> {
  value: Float32Array;
}

/** Moments of zero, as they are before the first step. */
function fresh(value: Float32Array): State {
  const blocks = Math.ceil(value.length / block);
  const [m, v] = [true, false].map((isSigned) => new Uint8Array(value.length).fill(zeroCode(isSigned)));
  return { value, m: m!, v: v!, mAbsmax: new Float32Array(blocks), vAbsmax: new Float32Array(blocks) };
}

function update(
  ops: Ops,
  { value, m, v, mAbsmax, vAbsmax }: State,
  grad: Float32Array,
  { scale = 1, guard = false, ...step }: Partial<AdamwStep> & { scale?: number; guard?: boolean } = {},
): State {
  const n = value.length;
  const operands: Operand[] = [
    dense(value, n),
    { data: m.slice(), shape: [n] },
    { data: v.slice(), shape: [n] },
    dense(mAbsmax, mAbsmax.length),
    dense(vAbsmax, vAbsmax.length),
  ];
  ops.adamw8bit!(
    ...operands,
    dense(grad, grad.length),
    dense(Float32Array.of(scale), 1),
    { ...usual, ...step },
    guard,
    null,
  );
  const [p, newM, newV, newMAbsmax, newVAbsmax] = operands.map(({ data }) => data);
  return { value: p, m: newM, v: newV, mAbsmax: newMAbsmax, vAbsmax: newVAbsmax } as State;
}

const exactly = (state: State): EightBitState => ({ ...state, value: Float64Array.from(state.value) });

/**
 * One update of the engine against one of the reference: values to 1e-6 of themselves and of what they were, and the same
 * codes but where the fresh moment is within 1e-6 of a middle, so that f32 may be on its other side.
 */
function expectStep(
  name: string,
  actual: State,
  before: EightBitState,
  expected: ReturnType<typeof adamw8bit>,
): void {
  const allowed = (x: ArrayLike<number>, y = x) =>
    Array.from(x, (v, i) => 1e-6 * Math.max(Math.abs(v), Math.abs(y[i]!)));
  expectWithin(`${name}: value`, actual.value, expected.value, allowed(expected.value, before.value));
  expectWithin(`${name}: m_absmax`, actual.mAbsmax, expected.mAbsmax, allowed(expected.mAbsmax));
  expectWithin(`${name}: v_absmax`, actual.vAbsmax, expected.vAbsmax, allowed(expected.vAbsmax));
  for (const key of ['m', 'v'] as const)
    for (const [i, code] of actual[key].entries()) {
      if (code === expected[key][i]) continue;
      const y = expected.y[key][i]!;
      if (distanceToMiddle(y, key === 'm') > 1e-6)
        expect.fail(`${name}: ${key}[${i}] has code ${code}, expected ${expected[key][i]} for ${y}`);
    }
}

describe('adamw_8bit', () => {
  it.each([1, 2, 15, 16, 17, 31, 33, 255, 256, 257, 511, 512, 513, 1000, 16384 + 300])('%i elements', (n) => {
    const blocks = Math.ceil(n / block);
    const absmax = (seed: number, size: number) => randn(blocks, seed, size).map((x) => Math.abs(x) + size);
    const state: State = {
      value: randn(n, 1, 0.1),
      m: Uint8Array.from(randint(n, 2, 256)),
      // Where v is much less than g², the reference's roundings would be of no use.
      v: Uint8Array.from(randint(n, 3, 156), (code) => 100 + code),
      mAbsmax: absmax(4, 0.01),
      vAbsmax: absmax(5, 1e-4),
    };
    const grad = randn(n, 6, 0.02);
    for (const { scale, ...step } of [
      { ...usual, scale: 1 },
      { ...usual, scale: 0.37, t: 1000, lr: 1e-2, decay: 0 },
      { ...usual, scale: 2 ** -16, beta1: 0.5, beta2: 0.9, eps: 1e-3, t: 7 },
    ]) {
      const expected = adamw8bit(exactly(state), Float64Array.from(grad), scale, step);
      const first = update(backends[0]!.ops, state, grad, { scale, ...step });
      for (const { name, ops } of backends) {
        const actual = update(ops, state, grad, { scale, ...step });
        expectStep(name, actual, exactly(state), expected);
        if (name.startsWith('cpu'))
          for (const key of ['value', 'm', 'v', 'mAbsmax', 'vAbsmax'] as const)
            expectSame(`${name}: ${key}, the same for every instruction set`, actual[key], first[key]);
      }
    }
  });

  it('moves by the learning rate in a first step, from moments of zero', () => {
    const grad = Float32Array.of(1e-6, -1e-3, 1, -1e3, 1e6);
    for (const { name, ops } of backends) {
      // The file of a run before its first step may hold code 0 and an absmax of 0, as bitsandbytes' do.
      for (const code of [zeroCode(true), 0]) {
        const state = fresh(new Float32Array(5));
        const { value } = update(ops, { ...state, m: state.m.fill(code) }, grad, { decay: 0, eps: 1e-16 });
        expectWithin(
          name,
          value,
          Array.from(grad, (g) => -1e-3 * Math.sign(g)),
          Array(5).fill(1e-9),
        );
      }
    }
  });

  // 50 steps, as bitsandbytes' test_optimizer8bit has them, but on its own: there the moments are set back every step.
  it('stays near AdamW in f32, and near its own equation step by step', () => {
    const n = 2000;
    const start = randn(n, 1, 0.1);
    const grads = Array.from({ length: 50 }, (_, t) => randn(n, 100 + t, 0.01));
    const mean = (x: Float32Array) => x.reduce((sum, v) => sum + Math.abs(v), 0) / n;
    for (const { name, ops } of backends) {
      let state = fresh(start);
      const full = [start, new Float32Array(n), new Float32Array(n)].map((x) => dense(x, n));
      for (const [i, grad] of grads.entries()) {
        const step = { ...usual, t: i + 1 };
        const before = state;
        state = update(ops, before, grad, step);
        if (i % 7 === 0) {
          const expected = adamw8bit(exactly(before), Float64Array.from(grad), 1, step);
          expectStep(`${name}, step ${i + 1}`, state, exactly(before), expected);
        }
        ops.adamw!(...full, dense(grad, n), dense(Float32Array.of(1), 1), { ...step }, null);
      }
      const [value, m] = full.map(({ data }) => data as Float32Array);
      const moved = mean(value!.map((p, i) => p - start[i]!));
      const apart = mean(state.value.map((p, i) => p - value![i]!));
      // They are 2 % and 2.4 % apart: the relative error of a code is 1.5 % on average.
      expect(apart, `${name}: mean |Δp|, where the mean p has moved by ${moved}`).toBeLessThan(moved / 40);
      const decoded = decode(state.m, state.mAbsmax, true);
      expect(mean(decoded.map((x, i) => x - m![i]!)), `${name}: mean |Δm|`).toBeLessThan(mean(m!) / 30);
    }
  });

  it.each([Number.NaN, Infinity, -Infinity, 1e25, -1e25])(
    'leaves a value alone and forgets its moments where the gradient is %f',
    (wrong) => {
      const n = 300;
      for (const { name, ops } of backends) {
        const state = update(ops, fresh(randn(n, 1)), randn(n, 2));
        const grad = randn(n, 3);
        const clean = update(ops, state, grad, { t: 2 });
        grad[7] = wrong;
        const after = update(ops, state, grad, { t: 2 });
        expect(after.value[7], name).toBe(state.value[7]);
        expect([after.m[7], after.v[7]], name).toEqual([127, 0]);
        // The others, whose absmax is not element 7's, do not notice.
        const others = (x: ArrayLike<number>) => Array.from(x).filter((_, i) => i !== 7);
        for (const key of ['value', 'm', 'v'] as const)
          expect(others(after[key]), name).toEqual(others(clean[key]));
        expect([...after.mAbsmax, ...after.vAbsmax], name).toEqual([...clean.mAbsmax, ...clean.vAbsmax]);
      }
    },
  );

  it('keeps moments of zero where a whole block has no gradient', () => {
    const value = randn(600, 1);
    for (const { name, ops } of backends) {
      let state = fresh(value);
      for (let t = 1; t <= 3; t++) state = update(ops, state, new Float32Array(600), { decay: 0, t });
      expect(state.value, name).toEqual(value);
      expect([...new Set([...state.m]), ...new Set([...state.v])], name).toEqual([127, 0]);
      expect([...state.mAbsmax, ...state.vAbsmax], name).toEqual(Array(6).fill(0));
    }
  });

  // v has vanished beneath its code, m has not: with the next gradients zero the value runs away by m / eps, and the
  // code of m, nine tenths of which are coded as itself, does not let it stop.
  it('lets a value run away where v has vanished, unless it is guarded', () => {
    const n = block;
    const grad = (t: number) => Float32Array.from({ length: n }, (_, i) => (i ? 1e-2 : t <= 20 ? 3e-6 : 0));
    const move = (ops: Ops, guard: boolean) => {
      let state = fresh(new Float32Array(n));
      for (let t = 1; t <= 20; t++) state = update(ops, state, grad(t), { guard, decay: 0, t });
      expect(state.v[0]).toBe(0);
      expect(state.m[0] === 127).toBe(guard);
      const before = state.value[0]!;
      for (let t = 21; t <= 23; t++) state = update(ops, state, grad(t), { guard, decay: 0, t });
      return Math.abs(state.value[0]! - before) / usual.lr;
    };
    for (const { name, ops } of backends) {
      expect(move(ops, false), name).toBeGreaterThan(100);
      expect(move(ops, true), name).toBe(0);
    }
  });

  it('has the same guard as its equation', () => {
    const state = update(backends[0]!.ops, fresh(randn(700, 1)), randn(700, 2));
    const grad = randn(700, 3).map((x, i) => (i % 3 ? x : 1e-6 * x));
    state.v = state.v.map((code, i) => (i % 3 ? code : 0));
    const expected = adamw8bit(exactly(state), Float64Array.from(grad), 1, { ...usual, t: 2 }, true);
    expect(expected.m.filter((code) => code === 127).length).toBeGreaterThan(200);
    for (const { name, ops } of backends)
      expectStep(name, update(ops, state, grad, { t: 2, guard: true }), exactly(state), expected);
  });

  it('refuses operands that do not fit, and steps before the first', () => {
    const { ops } = backends[0]!;
    const state = fresh(new Float32Array(300));
    const one = new Float32Array(1);
    expect(() => update(ops, state, new Float32Array(300), { t: 0 })).toThrow('adamw_8bit: t is 0');
    expect(() => update(ops, { ...state, mAbsmax: one }, state.value)).toThrow('m_absmax [1]');
    expect(() => update(ops, state, one)).toThrow('adamw_8bit: grad [1], expected 300 elements');
  });
});
