// Steps that are skipped (native/ops.def): where scale[0] is 0 the optimizers leave everything exactly as it is, whatever
// the gradients are, on every back end.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, type Operand, poisoned, randint, randn, stored } from '../helpers/ops.js';

const [height, width] = [41, 431];
const n = height * width;
const blocks = Math.ceil(n / 256);
const adamw = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.1, t: 3 };
const random = (seed: number, ...shape: number[]) =>
  dense(
    randn(
      shape.reduce((a, b) => a * b),
      seed,
    ),
    ...shape,
  );
const codes = (seed: number): Operand => ({ data: Uint8Array.from(randint(n, seed, 256)), shape: [n] });

type Update = (ops: Ops, state: Operand[], read: Operand[], copy: Operand) => void;

/** What a step changes beside the value and its copy, and the step: state is the value first, read are gradient and scale. */
const updates: Record<string, [states: () => Operand[], update: Update]> = {
  adamw: [
    () => [random(3, n), random(4, n)],
    (ops, state, read, copy) => ops.adamw!(...state, ...read, { ...adamw }, copy),
  ],
  adamw_hf: [
    () => [random(3, n), random(4, n)],
    (ops, state, read, copy) => ops.adamwHf!(...state, ...read, { ...adamw }, copy),
  ],
  adamw_8bit: [
    () => [codes(3), codes(4), random(5, blocks), random(6, blocks)],
    (ops, state, read, copy) => ops.adamw8bit!(...state, ...read, { ...adamw }, true, copy),
  ],
  adafactor: [
    () => [random(3, height), random(4, width)],
    (ops, state, read, copy) => ops.adafactor!(...state, ...read, { lr: 1e-2, decay: 0.1, t: 3 }, copy),
  ],
  sgd: [() => [], (ops, state, read, copy) => ops.sgd!(...state, ...read, 0.1, 0.01, copy)],
};

/** Gradients of which some are not finite. */
const gradients = () => {
  const grad = random(2, height, width);
  grad.data[7] = Number.NaN;
  grad.data[n - 1] = Infinity;
  return grad;
};

describe.each(Object.entries(updates))('%s', (_, [states, update]) => {
  it.each(['f32', 'f16', 'bf16'] as const)(
    'changes nothing when the scale is 0, with a copy in %s',
    (storage) => {
      for (const { name, ops } of backends) {
        const made = () => [random(1, height, width), ...states()];
        const [state, before] = [made(), made()];
        const copy = stored(random(5, height, width), storage);
        update(ops, state, [gradients(), dense(Float32Array.of(0), 1)], copy);
        for (const [i, { data }] of state.entries()) expectSame(`${name}: state ${i}`, data, before[i]!.data);
        expectSame(`${name}: copy`, copy.data, stored(random(5, height, width), storage).data);
      }
    },
  );

  it('changes nothing when clip_scale finds gradients or a loss that are not finite', () => {
    for (const { name, ops } of backends)
      for (const [grad, losses] of [
        [gradients(), [1, 2]],
        [random(2, height, width), [1, Number.NaN]],
      ] as const) {
        const made = () => [random(1, height, width), ...states()];
        const [state, before] = [made(), made()];
        const [norm, scale] = [poisoned(1), poisoned(1)];
        ops.norm!(norm, { ...grad, shape: [n] });
        ops.clipScale!(scale, norm, dense(Float32Array.from(losses), 2), 1, 1024);
        expect(scale.data[0], name).toBe(0);
        update(ops, state, [grad, scale], poisoned(height, width));
        for (const [i, { data }] of state.entries()) expectSame(`${name}: state ${i}`, data, before[i]!.data);
      }
  });
});
