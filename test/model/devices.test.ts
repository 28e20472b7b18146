// A small Whisper on every device that is no CPU beside the same on the CPU: one training step, its losses and every
// gradient; twenty steps; decoding.
import { describe, expect, it } from 'vitest';
import { addon, type NativeModel, type NativeTrainingOptions } from '../../src/native.js';
import { clip } from '../golden/model/clips.mjs';
import { gpus } from '../helpers/native.js';

// Heads of 64, as in every released model; nothing else is a multiple of a tile.
const dims = {
  mels: 80,
  source: 100,
  target: 40,
  width: 128,
  encoderLayers: 2,
  encoderHeads: 2,
  encoderFfn: 200,
  decoderLayers: 2,
  decoderHeads: 2,
  decoderFfn: 264,
  vocab: 333,
  padding: 290,
  start: 291,
};

const time = 13;
const rows = 3;
const batchOf = (first: number) => ({
  samples: Array.from({ length: rows }, (_, r) => clip(first + r, 9000 + 7000 * r)),
  time,
  labels: Int32Array.from({ length: rows * time }, (_, i) =>
    i % time > 5 + 3 * Math.floor(i / time) ? -100 : (37 * i + 11 * first) % dims.vocab,
  ),
});
const tokensOf = ({ labels }: { labels: Int32Array }) => labels.filter((label) => label >= 0).length;

type Precision = 'f32' | 'f16' | 'bf16';
const lossScale = (precision: Precision) => (precision === 'f16' ? 1024 : 1);

async function opened(
  device: string,
  precision: Precision,
  options: NativeTrainingOptions = {},
): Promise<NativeModel> {
  const model = await addon().openModel(device, dims, precision);
  await model.initialise('fan_in', 3);
  await model.prepareTraining(options);
  return model;
}

/** Loss per token and every gradient of a batch. */
async function gradients(model: NativeModel, precision: Precision) {
  const batch = batchOf(0);
  const { sums } = await model.accumulate(batch, lossScale(precision) / tokensOf(batch));
  const grads: Record<string, Float64Array> = {};
  for (const { name } of await model.parameters()) {
    if (name === 'model.encoder.embed_positions.weight') continue; // fixed
    grads[name] = Float64Array.from((await model.read(name, 'grad')).data, (x) => x / lossScale(precision));
  }
  return { loss: sums.reduce((a, b) => a + b, 0) / tokensOf(batch), grads };
}

/** The root mean square of a - b beside that of b. */
function distance(a: Float64Array, b: Float64Array): number {
  let off = 0;
  let all = 1e-60;
  for (let i = 0; i < b.length; i++) {
    off += (a[i]! - b[i]!) ** 2;
    all += b[i]! ** 2;
  }
  return Math.sqrt(off / all);
}

async function losses(
  device: string,
  precision: Precision,
  steps: number,
  options: NativeTrainingOptions = {},
): Promise<number[]> {
  const model = await opened(device, precision, {
    ...(precision === 'f16' ? { lossScaler: 'torch', initialLossScale: 1024 } : {}),
    ...options,
  });
  const list: number[] = [];
  for (let step = 0; step < steps; step++) {
    const batch = batchOf(step % 4);
    const result = await model.step([batch], {
      scales: Float32Array.of(1 / tokensOf(batch)),
      encoderRate: 1e-3,
      decoderRate: 1e-3,
      weightDecay: 0.01,
      maxGradNorm: 1,
    });
    expect(result.finite).toBe(true);
    list.push(result.losses[0]!.sums.reduce((a, b) => a + b, 0) / tokensOf(batch));
  }
  await model.dispose();
  return list;
}

describe.skipIf(gpus.length === 0).each(gpus.length ? gpus : ['no device'])('%s beside the CPU', (device) => {
  it('has the loss and every gradient of a step in f32 within 1e-5', async () => {
    const [cpu, gpu] = [await opened('cpu', 'f32'), await opened(device, 'f32')];
    const [expected, actual] = [await gradients(cpu, 'f32'), await gradients(gpu, 'f32')];
    expect(Math.abs(actual.loss - expected.loss) / expected.loss).toBeLessThan(1e-5);
    for (const [name, grad] of Object.entries(expected.grads))
      expect(distance(actual.grads[name]!, grad), name).toBeLessThan(1e-5);
    await Promise.all([cpu.dispose(), gpu.dispose()]);
  });

  it.each(['f16', 'bf16'] as const)('is as near to f32 in %s as the CPU is', async (precision) => {
    const models = [
      await opened('cpu', 'f32'),
      await opened('cpu', precision),
      await opened(device, precision),
    ];
    const [exact, cpu, gpu] = [
      await gradients(models[0]!, 'f32'),
      await gradients(models[1]!, precision),
      await gradients(models[2]!, precision),
    ];
    const unit = precision === 'f16' ? 2 ** -11 : 2 ** -8;
    expect(Math.abs(gpu.loss - exact.loss) / exact.loss).toBeLessThan(unit);
    for (const [name, grad] of Object.entries(exact.grads)) {
      const allowed = 1.5 * distance(cpu.grads[name]!, grad) + unit;
      expect(distance(gpu.grads[name]!, grad), name).toBeLessThan(allowed);
    }
    await Promise.all(models.map((model) => model.dispose()));
  });

  it.each(['all', 'selective'] as const)('has the same bits with checkpointing %s', async (checkpointing) => {
    const [plain, again] = [await opened(device, 'bf16'), await opened(device, 'bf16', { checkpointing })];
    expect(await gradients(again, 'bf16')).toEqual(await gradients(plain, 'bf16'));
    await Promise.all([plain.dispose(), again.dispose()]);
  });

  it('follows twenty steps of the CPU’s', async () => {
    const [expected, actual] = [await losses('cpu', 'f32', 20), await losses(device, 'f32', 20)];
    for (const [step, loss] of expected.entries())
      expect(Math.abs(actual[step]! - loss) / loss, `step ${step}`).toBeLessThan(1e-4);
    expect(actual.at(-1)).toBeLessThan(0.8 * actual[0]!);
  });

  it.each([
    ['bf16', { optimizer: 'adamw_bnb_8bit' }],
    ['f16', { optimizer: 'adafactor' }],
    ['f16', { dropout: 0.1, attentionDropout: 0.1, encoderLayerdrop: 0.2 }],
  ] as const)('follows the CPU’s steps in %s with %o', async (precision, options) => {
    const [expected, actual] = [
      await losses('cpu', precision, 6, options),
      await losses(device, precision, 6, options),
    ];
    for (const [step, loss] of expected.entries())
      expect(Math.abs(actual[step]! - loss) / loss, `step ${step}`).toBeLessThan(2e-2);
  });

  it('decodes the same tokens in f32', async () => {
    const models = [await opened('cpu', 'f32'), await opened(device, 'f32')];
    const [expected, actual] = await Promise.all(
      models.map((model) =>
        model.generate(batchOf(0).samples, {
          prompt: Int32Array.of(291, 5, 6),
          suppress: Int32Array.of(1, 2),
          beginSuppress: Int32Array.of(290),
          maxLength: 24,
          end: 290,
        }),
      ),
    );
    expect(actual!.map(({ tokens }) => [...tokens])).toEqual(expected!.map(({ tokens }) => [...tokens]));
    await Promise.all(models.map((model) => model.dispose()));
  });
});
