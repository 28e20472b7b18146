// Adafactor through whole steps: every parameter follows the reference in the checkpoint's layout, convolutions, which
// lie otherwise in memory, among them, and the file has torch's names and shapes.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectWithin } from '../helpers/compare.js';
import { numbers, readTensors } from '../helpers/safetensors.js';
import { adafactor } from '../reference/adafactor.js';
import { all, folder, inTraining, partOf, step } from './small.js';

it('follows the reference, parameter by parameter', async () => {
  const rate = 0.01;
  const weightDecay = 0.1;
  const model = await inTraining({ optimizer: 'adafactor' });
  const parameters = (await model.parameters()).filter(({ name }) => partOf(name) !== 'fixed');
  const path = join(folder, 'optimizer');
  const zeros = (shape: number[]) => new Float64Array(shape.reduce((a, b) => a * b, 1));
  const moments = new Map(
    parameters.map(({ name, shape }) => [
      name,
      {
        row: zeros(shape.slice(0, -1)),
        column: zeros(shape.length > 1 ? [...shape.slice(0, -2), shape.at(-1)!] : shape),
      },
    ]),
  );
  for (const t of [1, 2, 3]) {
    const before = await all(model);
    // No clipping of the norm, so that the gradient is the one that can be read.
    await step(model, { encoderRate: rate, decoderRate: rate, weightDecay, maxGradNorm: 0 });
    const [after, grads] = [await all(model), await all(model, 'grad')];
    await model.saveOptimizer(path);
    const { tensors } = readTensors(path);
    for (const { name, shape } of parameters) {
      const expected = adafactor(
        {
          value: Float64Array.from(before[name]!),
          grad: Float64Array.from(grads[name]!),
          scale: Float64Array.of(1),
          ...moments.get(name)!,
        },
        shape,
        {
          lr: rate,
          decay: shape.length > 1 ? weightDecay : 0,
          decayRate: -0.8,
          eps: 1e-30,
          clipThreshold: 1,
          t,
        },
      );
      moments.set(name, { row: expected.row, column: expected.column });
      const where = `${name}, update ${t}`;
      // Roundings of the weight before and after, and a share of the move that the moments' sums cost.
      const allowed = expected.value.map((x, i) => {
        const from = before[name]![i]!;
        return 2 ** -23 * (Math.abs(x) + Math.abs(from)) + 2e-6 * Math.abs(x - from) + 1e-9;
      });
      expectWithin(where, after[name]!, expected.value, allowed);
      const kinds = shape.length > 1 ? ['exp_avg_sq_row', 'exp_avg_sq_col'] : ['exp_avg_sq'];
      for (const kind of kinds) {
        const state = tensors[`${kind}.${name}`]!;
        const means = kind.endsWith('row') ? expected.row : expected.column;
        const sizes = {
          exp_avg_sq: shape,
          exp_avg_sq_row: shape.slice(0, -1),
          exp_avg_sq_col: [...shape.slice(0, -2), shape.at(-1)],
        }[kind];
        expect(state.shape, where).toEqual(sizes);
        expectWithin(
          `${kind} of ${where}`,
          numbers(state),
          means,
          means.map((x) => 1e-6 * x),
        );
      }
    }
  }
});
