// Training the encoder's positions, as transformers did before it froze them: their gradient, their update, their state.
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { addon, type NativeBatch, type NativeModel, type NativeTrainingOptions } from '../../src/native.js';
import { temporaryFolder } from '../cli/fixtures.js';
import { modelDevice } from '../helpers/native.js';
import { numbers, readTensors, writeTensors } from '../helpers/safetensors.js';

const NAME = 'model.encoder.embed_positions.weight';
const dims = {
  ...{ mels: 80, source: 25, target: 16, width: 64, vocab: 100, padding: 98, start: 99 },
  ...{
    encoderLayers: 1,
    encoderHeads: 1,
    encoderFfn: 128,
    decoderLayers: 1,
    decoderHeads: 1,
    decoderFfn: 128,
  },
};
const clip = (pitch: number, length: number) =>
  Float32Array.from({ length }, (_, i) => 0.4 * Math.sin(pitch * i * (1 + i / 16000)));
const row = (pitch: number, length: number, labels: number[]): NativeBatch => ({
  samples: [clip(pitch, length)],
  labels: Int32Array.from(labels),
  time: labels.length,
});
const [first, second] = [row(0.03, 8000, [1, 2, 3, 98]), row(0.11, 5000, [7, 9, 98, -100])] as const;
const both: NativeBatch = {
  samples: [...first.samples, ...second.samples],
  labels: Int32Array.of(...first.labels, ...second.labels),
  time: 4,
};
const rates = { encoderRate: 1e-2, decoderRate: 0, maxGradNorm: 0 };

const folder = temporaryFolder();
const models: NativeModel[] = [];
afterAll(async () => {
  for (const model of models) await model.dispose();
  folder.remove();
});

async function open(training: NativeTrainingOptions, precision: 'f32' | 'f16' = 'f32'): Promise<NativeModel> {
  const model = await addon().openModel(modelDevice, dims, precision);
  models.push(model);
  await model.initialise('fan_in', 5);
  await model.prepareTraining(training);
  return model;
}

const trained = { trainEncoderPositions: true } as const;

describe('the positions of the encoder', () => {
  it('stay as they are unless their training is asked for, and with a frozen encoder', async () => {
    for (const options of [{}, { ...trained, freezeEncoder: true }]) {
      const model = await open(options);
      const before = (await model.read(NAME, 'value')).data;
      await model.step([both], { scales: Float32Array.of(1), ...rates, decoderRate: 1e-2 });
      expect((await model.read(NAME, 'value')).data).toEqual(before);
    }
  });

  it('have the gradient that differences of the loss have', async () => {
    const model = await open(trained);
    await model.accumulate(both, 1);
    const { data: gradient } = await model.read(NAME, 'grad');
    const norm = Math.hypot(...gradient);
    expect(norm).toBeGreaterThan(1e-3);

    const path = join(folder.path, 'weights.safetensors');
    await model.save(path, {});
    const file = readTensors(path);
    const { [NAME]: positions } = file.tensors;
    const values = numbers(positions!);
    const lossAt = async (distance: number): Promise<number> => {
      const moved = values.map((value, i) => value + (distance * gradient[i]!) / norm);
      const bytes = new Uint8Array(moved.buffer);
      writeTensors(path, { ...file, tensors: { ...file.tensors, [NAME]: { ...positions!, bytes } } });
      await model.load([path]);
      return (await model.loss(both)).sums.reduce((a, b) => a + b);
    };
    const slope = ((await lossAt(0.05)) - (await lossAt(-0.05))) / 0.1;
    expect(Math.abs(slope - norm) / norm).toBeLessThan(1e-2);
  });

  it('have the sum of the rows’ gradients', async () => {
    const gradient = async (...batches: NativeBatch[]) => {
      const model = await open(trained);
      for (const batch of batches) await model.accumulate(batch, 1);
      return (await model.read(NAME, 'grad')).data;
    };
    const [whole, rows] = [await gradient(both), await gradient(first, second)];
    const scale = Math.max(...whole.map(Math.abs));
    for (const [i, value] of whole.entries()) expect(Math.abs(value - rows[i]!) / scale).toBeLessThan(1e-5);
  });

  it.each(['f32', 'f16'] as const)('move by the encoder’s rate in %s, as far as Adam moves', async (type) => {
    const model = await open(trained, type);
    const before = (await model.read(NAME, 'value')).data;
    await model.step([both], { scales: Float32Array.of(1), ...rates });
    const after = (await model.read(NAME, 'value')).data;
    const moves = after.map((value, i) => Math.abs(value - before[i]!));
    expect(Math.max(...moves)).toBeCloseTo(1e-2, 4);
    expect(moves.filter((move) => move > 5e-3).length).toBeGreaterThan(0.9 * moves.length);
  });

  it('keep their state in the optimizer’s file, which other trainings refuse', async () => {
    const path = join(folder.path, 'optimizer.safetensors');
    const step = (model: NativeModel) => model.step([both], { scales: Float32Array.of(1), ...rates });
    const model = await open(trained);
    const plain = await open({});
    for (const each of [model, plain]) await step(each);
    await model.saveOptimizer(path);
    expect(Object.keys(readTensors(path).tensors)).toContain(`exp_avg.${NAME}`);
    await expect(plain.loadOptimizer(path)).rejects.toThrow(
      /trained was all and encoder positions and is all now: resume with --train_encoder_positions/,
    );
    await plain.saveOptimizer(path);
    await expect(model.loadOptimizer(path)).rejects.toThrow(
      /trained was all and is all and encoder positions/,
    );
  });
});
