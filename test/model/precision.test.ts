// A small random Whisper in 16 bits: its loss and every gradient are as close to transformers in float64 as those of
// PyTorch's autocast (test/golden/model/autocast.py).
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { batch, dims, seed } from '../golden/model/clips.mjs';
import { modelDevice } from '../helpers/native.js';

interface Picked {
  at: number[];
}
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../golden/model/${name}`, import.meta.url), 'utf8'));
const golden: { loss: number; row_losses: number[]; grads: Record<string, Picked> } = read('golden.json');
const autocast: Record<'bf16' | 'f16', { loss: number; grads: Record<string, number> }> =
  read('autocast.json');
const tokens = batch.labels.filter((label) => label >= 0).length;

// An emulated GPU takes a minute for each.
const policies =
  modelDevice === 'cpu'
    ? (['none', 'encoder', 'all', 'every', 'selective'] as const)
    : (['none', 'selective'] as const);

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const meanSquare = (values: readonly number[]) => mean(values.map((value) => value * value));

describe.each([
  ['bf16', 1],
  ['f16', 65536],
] as const)('in %s', (precision, lossScale) => {
  it('has a loss and gradients as good as autocast’s, the same ones under every checkpointing policy', async () => {
    const model = await addon().openModel(modelDevice, dims, precision);
    await model.initialise('fan_in', seed);
    let first: Record<string, Float32Array> | undefined;
    for (const checkpointing of policies) {
      await model.prepareTraining({ checkpointing, checkpointEvery: 2 });
      const { sums } = await model.accumulate(batch, lossScale / tokens);
      const loss = sums.reduce((a, b) => a + b, 0) / tokens;
      expect(Math.abs(loss - golden.loss) / golden.loss).toBeLessThan(2 * autocast[precision].loss);

      const gradients: Record<string, Float32Array> = {};
      const errors: Record<string, number> = {};
      for (const [name, { at }] of Object.entries(golden.grads)) {
        const { data } = await model.read(name, 'grad');
        const difference = at.map(
          (value, i) => data[Math.floor((i * data.length) / at.length)]! / lossScale - value,
        );
        errors[name] = Math.sqrt(meanSquare(difference) / (meanSquare(at) + 1e-60));
        gradients[name] = data;
      }
      // Roundings differ, so one gradient may be better and another worse: half as much again, and not on average.
      for (const [name, error] of Object.entries(errors)) {
        expect(error, name).toBeLessThan(
          1.5 * autocast[precision].grads[name]! + mean(Object.values(autocast[precision].grads)),
        );
      }
      expect(mean(Object.values(errors))).toBeLessThan(mean(Object.values(autocast[precision].grads)));
      first ??= gradients;
      expect(gradients).toEqual(first);
    }
    await model.dispose();
  });

  it('runs without masters, and cannot be trained then', async () => {
    const [trainable, bare] = [true, false].map((masters) =>
      addon().openModel(modelDevice, dims, precision, masters),
    );
    const models = [await trainable!, await bare!];
    for (const model of models) await model.initialise('fan_in', seed);
    // Without masters tokens are looked up in 16 bits too.
    for (const model of models) {
      const { sums } = await model.loss(batch);
      golden.row_losses.forEach((expected, row) => {
        expect(Math.abs(sums[row]! - expected) / expected).toBeLessThan(precision === 'bf16' ? 5e-3 : 5e-4);
      });
    }
    // A GPU keeps some tables of its own.
    const tables = modelDevice === 'cpu' ? 0 : 2 ** 16;
    expect((await models[1]!.memory()).live - tables).toBeLessThan(0.5 * (await models[0]!.memory()).live);
    await expect(models[1]!.prepareTraining({})).rejects.toThrow('opened for inference');
    for (const model of models) await model.dispose();
  });
});
