// A small model's training steps in every precision, with and without checkpointing and with each optimizer, and its
// decoding: every kernel of the product at toy sizes, for tools that make a program a hundred times slower.
import { trainingBatch } from '../../dist/bench/random.js';
import { addon } from '../../dist/native.js';
import { device, emulated, toyDims } from './part.mjs';

const RUNS = [
  { precision: 'bf16', checkpointing: 'selective', optimizer: 'adamw_torch' },
  { precision: 'f16', checkpointing: 'all', optimizer: 'adamw_bnb_8bit', lossScaler: 'torch' },
  { precision: 'f32', checkpointing: 'none', optimizer: 'adafactor', dropout: 0.1, attentionDropout: 0.1 },
];

for (const { precision, ...options } of emulated ? RUNS.slice(0, 1) : RUNS) {
  const model = await addon().openModel(device, toyDims, precision);
  await model.initialise('fan_in', 1);
  await model.prepareTraining(options);
  const batch = trainingBatch(toyDims, 2, 9);
  batch.labels[3] = -100;
  const step = { scales: Float32Array.of(1 / 17), encoderRate: 1e-4, decoderRate: 1e-4, maxGradNorm: 1 };
  const { gradNorm, finite } = await model.step([batch], step);
  const prompt = Int32Array.of(toyDims.start, 1);
  const [{ tokens }] = await model.generate(batch.samples, { prompt, maxLength: 8, end: toyDims.vocab - 1 });
  console.log(`${precision}: norm of the gradients ${gradNorm}, finite ${finite}, ${tokens.length} tokens`);
  await model.dispose();
}
