// The copies that optimizers make of updated values (native/ops.def): the values as they would be without, rounded once, on
// every instruction set.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, elements, halves, type Operand, poisoned, randn, rounded, stored } from '../helpers/ops.js';

const [height, width] = [41, 431]; // more than one thread's share, and a tail behind every vector
const n = height * width;
const adamw = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.1, t: 3 };
const codes = (): Operand => ({ data: new Uint8Array(n).fill(140), shape: [n] });
const absmax = () => dense(new Float32Array(Math.ceil(n / 256)).fill(0.5), Math.ceil(n / 256));
const positive = (count: number) =>
  dense(
    randn(count, 5).map((x) => x * x + 0.1),
    count,
  );
const grad = () => dense(randn(n, 2), height, width);
const one = () => dense(Float32Array.of(1), 1);

/** An update of a value, its copy last. */
const updates: Record<string, (ops: Ops, value: Operand, copy: Operand | null) => void> = {
  adamw: (ops, value, copy) =>
    ops.adamw!(value, dense(randn(n, 3), n), positive(n), grad(), one(), { ...adamw }, copy),
  adamw_hf: (ops, value, copy) =>
    ops.adamwHf!(value, dense(randn(n, 3), n), positive(n), grad(), one(), { ...adamw }, copy),
  adamw_8bit: (ops, value, copy) =>
    ops.adamw8bit!(
      value,
      codes(),
      codes(),
      absmax(),
      absmax(),
      grad(),
      one(),
      { ...adamw, eps: 1 },
      false,
      copy,
    ),
  adafactor: (ops, value, copy) =>
    ops.adafactor!(value, positive(height), positive(width), grad(), one(), { lr: 1e-2, t: 3 }, copy),
  sgd: (ops, value, copy) => ops.sgd!(value, grad(), one(), 0.1, 0.01, copy),
};

describe.each(Object.entries(updates))('%s', (_, update) => {
  it.each(halves)('leaves a copy in %s', (storage) => {
    for (const { name, ops } of backends) {
      const [value, alone] = [dense(randn(n, 1), height, width), dense(randn(n, 1), height, width)];
      const copy = stored(poisoned(height, width), storage);
      update(ops, value, copy);
      update(ops, alone, null);
      expectSame(`${name}: value`, value.data, alone.data);
      const expected = Float64Array.from(value.data as Float32Array, (x) => rounded(x, storage));
      expectSame(`${name}: copy`, elements(copy), expected);
    }
  });

  it('names a copy of another size', () => {
    const value = dense(randn(n, 1), height, width);
    expect(() => update(backends[0]!.ops, value, poisoned(3))).toThrow(
      new RegExp(`copy \\[3\\], expected ${n} elements`),
    );
  });
});
