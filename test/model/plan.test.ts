// The memory plan beside what a step really holds, by the memory pool's own count.
import { describe, expect, it } from 'vitest';
import { addon, type NativeTrainingOptions } from '../../src/native.js';
import { clip } from '../golden/model/clips.mjs';

const dims = {
  mels: 80,
  source: 500,
  target: 64,
  width: 128,
  encoderLayers: 3,
  encoderHeads: 2,
  encoderFfn: 512,
  decoderLayers: 2,
  decoderHeads: 2,
  decoderFfn: 512,
  vocab: 5000,
  padding: 4990,
  start: 4991,
};
const [rows, time] = [3, 40];
const batch = {
  samples: Array.from({ length: rows }, (_, row) => clip(row, 160000)),
  labels: Int32Array.from({ length: rows * time }, (_, i) => (i * 7919) % dims.vocab),
  time,
};

describe('the plan of a training step', () => {
  it.each<NativeTrainingOptions>([
    { checkpointing: 'none' },
    { checkpointing: 'all' },
    { freezeEncoder: true },
    { freezeDecoder: true },
  ])('is within two percent of what %o takes', async (options) => {
    const plan = await addon().plan(dims, { batch: rows, labels: time, training: true, options });
    const model = await addon().openModel('cpu', dims, 'f32');
    await model.initialise('fan_in', 1);
    await model.prepareTraining(options);
    await model.step([batch], {
      scales: Float32Array.of(1 / (rows * time)),
      encoderRate: 1e-4,
      decoderRate: 1e-4,
    });
    const { peak } = await model.memory();
    await model.dispose();
    expect(peak / plan.peak).toBeGreaterThan(0.98);
    expect(peak / plan.peak).toBeLessThan(1.02);
  });

  it('needs less with checkpointing, and with a frozen encoder', async () => {
    const peak = async (options: NativeTrainingOptions) =>
      (await addon().plan(dims, { batch: rows, labels: time, training: true, options })).peak;
    const whole = await peak({});
    expect(await peak({ checkpointing: 'all' })).toBeLessThan(whole);
    expect(await peak({ freezeEncoder: true })).toBeLessThan(whole);
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
