// The memory plan beside what a step really holds, by the memory pool's own count.
import { describe, expect, it } from 'vitest';
import { addon, type NativePlan, type NativeTrainingOptions, type Precision } from '../../src/native.js';
import { clip } from '../golden/model/clips.mjs';

const dims = {
  mels: 80,
  source: 250,
  target: 32,
  width: 64,
  encoderLayers: 3,
  encoderHeads: 1,
  encoderFfn: 256,
  decoderLayers: 2,
  decoderHeads: 1,
  decoderFfn: 256,
  vocab: 3000,
  padding: 2990,
  start: 2991,
};
const [rows, time] = [3, 20];
const batch = {
  samples: Array.from({ length: rows }, (_, row) => clip(row, 80000)),
  labels: Int32Array.from({ length: rows * time }, (_, i) => (i * 7919) % dims.vocab),
  time,
};

interface Case {
  precision: Precision;
  options: NativeTrainingOptions;
}

async function planned({ precision, options }: Case): Promise<NativePlan> {
  return addon().plan(dims, { batch: rows, labels: time, training: true, precision, options });
}

/** The most that the pool gave out at once in a step. */
async function measured({ precision, options }: Case): Promise<number> {
  const model = await addon().openModel('cpu', dims, precision);
  try {
    await model.initialise('fan_in', 1);
    await model.prepareTraining(options);
    const rate = 1e-4;
    await model.step([batch], {
      scales: Float32Array.of(1 / (rows * time)),
      encoderRate: rate,
      decoderRate: rate,
    });
    return (await model.memory()).peak;
  } finally {
    await model.dispose();
  }
}

async function expectExact(what: Case): Promise<void> {
  const ratio = (await measured(what)) / (await planned(what)).peak;
  expect(ratio, JSON.stringify(what)).toBeGreaterThan(0.98);
  expect(ratio, JSON.stringify(what)).toBeLessThan(1.02);
}

const precisions = ['f32', 'f16', 'bf16'] as const;
const optimizers = ['adamw_torch', 'adamw_hf', 'adamw_bnb_8bit', 'adafactor', 'sgd'] as const;
const policies: NativeTrainingOptions[] = [
  { checkpointing: 'none' },
  { checkpointing: 'encoder' },
  { checkpointing: 'all' },
  { checkpointing: 'every', checkpointEvery: 2 },
  { checkpointing: 'selective' },
];

describe('the plan of a training step is within two percent of what it takes', () => {
  const cases = precisions.flatMap((precision) => optimizers.map((optimizer) => ({ precision, optimizer })));
  it.each(cases)('in $precision with $optimizer, under every policy', async ({ precision, optimizer }) => {
    for (const policy of policies) await expectExact({ precision, options: { ...policy, optimizer } });
  });

  it.each<NativeTrainingOptions>([
    { freezeEncoder: true },
    { freezeDecoder: true },
    { optimizer: 'adamw_bnb_8bit', eightBitEmbeddings: true },
    { dropout: 0.1, attentionDropout: 0.1, activationDropout: 0.1 },
    { dropout: 0.1, activationDropout: 0.1, checkpointing: 'all' },
    { dropout: 0.1, activationDropout: 0.1, checkpointing: 'selective' },
  ])('with %o', async (options) => {
    for (const precision of ['f32', 'bf16'] as const) await expectExact({ precision, options });
  });
});

describe('the plan', () => {
  const f32 = (options: NativeTrainingOptions) => planned({ precision: 'f32', options });

  it('is smaller with checkpointing, with a frozen encoder, and with smaller states', async () => {
    const whole = await f32({});
    for (const policy of policies.slice(1)) expect((await f32(policy)).peak).toBeLessThan(whole.peak);
    expect((await f32({ freezeEncoder: true })).peak).toBeLessThan(whole.peak);
    expect((await f32({ optimizer: 'adafactor' })).optimizer).toBeLessThan(0.05 * whole.optimizer);
    expect((await f32({ optimizer: 'sgd' })).optimizer).toBe(0);
  });

  it('adds up, and names what operations take for themselves', async () => {
    const plan = await planned({ precision: 'f16', options: {} });
    const { weights, masters, gradients, optimizer, activations, workspace, peak } = plan;
    expect(weights + masters + gradients + optimizer + activations).toBe(peak);
    expect(optimizer).toBe(2 * gradients);
    // The classifier's chunk: logits of all rows in f32, and rows of x and dx in f16.
    expect(workspace).toBe(rows * time * (4 * dims.vocab + 2 * 2 * dims.width));
    expect(activations).toBeGreaterThan(workspace);
  });

  it('counts the parameters of a released size', async () => {
    const tiny = {
      ...dims,
      source: 1500,
      target: 448,
      width: 384,
      encoderLayers: 4,
      encoderHeads: 6,
      encoderFfn: 1536,
      decoderLayers: 4,
      decoderHeads: 6,
      decoderFfn: 1536,
      vocab: 51865,
    };
    const { parameters, trainable } = await addon().plan(tiny, { batch: 1, labels: 448, training: true });
    expect([parameters, trainable]).toEqual([37760640, 37184640]);
  });
});
