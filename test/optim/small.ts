// A small model in training and its data: what the tests of optimizers, precisions and checkpointing share.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import {
  addon,
  type NativeBatch,
  type NativeDims,
  type NativeModel,
  type NativeStepOptions,
  type NativeStepResult,
  type NativeTrainingOptions,
  type Precision,
} from '../../src/native.js';
import { clip } from '../golden/model/clips.mjs';

/** Matrices of 4,096 elements (the fewest that have moments in 8 bits) and more, and blocks of 256 that are not full. */
export const dims: NativeDims = {
  mels: 80,
  source: 40,
  target: 10,
  width: 64,
  encoderLayers: 3,
  encoderHeads: 2,
  encoderFfn: 100,
  decoderLayers: 2,
  decoderHeads: 2,
  decoderFfn: 64,
  vocab: 73,
  padding: 70,
  start: 71,
};

export const optimizers = ['adamw_torch', 'adamw_hf', 'adamw_bnb_8bit', 'adafactor', 'sgd'] as const;
export const precisions: Precision[] = ['f32', 'f16', 'bf16'];

/** Two micro-batches, of three rows and of one. */
export const batches: NativeBatch[] = [
  [3, 9],
  [1, 4],
].map(([rows = 0, time = 0]) => ({
  samples: Array.from({ length: rows }, (_, row) => clip(row + time, 12800 - 1000 * row)),
  labels: Int32Array.from({ length: rows * time }, (_, i) => (i % time > 6 ? -100 : (i * 31) % 70)),
  time,
}));

/** Everything at random that there is. */
export const chance: NativeTrainingOptions = {
  dropout: 0.1,
  attentionDropout: 0.1,
  activationDropout: 0.1,
  encoderLayerdrop: 0.3,
  decoderLayerdrop: 0.3,
};

let opened: NativeModel[] = [];
/** For the files of the running test. */
export let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-'));
});
afterEach(async () => {
  await Promise.all(opened.map((model) => model.dispose()));
  opened = [];
  rmSync(folder, { recursive: true });
});

/** Always the same weights. The end of the test disposes of it. */
export async function inTraining(
  options: NativeTrainingOptions,
  precision: Precision = 'f32',
): Promise<NativeModel> {
  const model = await addon().openModel('cpu', dims, precision);
  opened.push(model);
  await model.initialise('fan_in', 5);
  await model.prepareTraining(options);
  return model;
}

/** One step over both micro-batches. */
export function step(
  model: NativeModel,
  options: Partial<NativeStepOptions> = {},
): Promise<NativeStepResult> {
  const scales = Float32Array.of(1 / 25, 1 / 25);
  return model.step(batches, { scales, encoderRate: 1e-3, decoderRate: 1e-3, ...options });
}

/** What the steps returned. */
export async function steps(model: NativeModel, count: number, options: Partial<NativeStepOptions> = {}) {
  const results: NativeStepResult[] = [];
  for (let i = 0; i < count; i++) results.push(await step(model, options));
  return results;
}

/** Of every parameter, by name: its value, or its gradient as far as it has one. */
export async function all(model: NativeModel, what: 'value' | 'grad' = 'value') {
  const data: Record<string, Float32Array> = {};
  for (const { name } of await model.parameters()) {
    if (what === 'grad' && name === 'model.encoder.embed_positions.weight') continue;
    data[name] = (await model.read(name, what)).data;
  }
  return data;
}

/** The same as one word for each parameter's bits: compared in no time. */
export async function bits(model: NativeModel, what: 'value' | 'grad' = 'value') {
  const data = Object.entries(await all(model, what));
  return Object.fromEntries(data.map(([name, values]) => [name, digest(values)]));
}

export const digest = (values: Float32Array) => createHash('md5').update(values).digest('hex');

/** The parts that a parameter's name can say it is of; the encoder's positions are sinusoids and never trained. */
export const partOf = (name: string) =>
  name === 'model.encoder.embed_positions.weight' ? 'fixed' : name.split('.')[1]!;
