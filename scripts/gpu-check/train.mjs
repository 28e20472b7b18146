// Part `train`: steps of tiny on sounds like speech, whose losses must follow those of the same steps on the CPU.
import { releasedDims } from '../../dist/model/released.js';
import { addon } from '../../dist/native.js';
import { device, emulated, part, toyDims } from './part.mjs';

const dims = emulated ? toyDims : releasedDims('tiny');
const STEPS = emulated ? 5 : 100;
const ROWS = 2;
const TOKENS = emulated ? 6 : 24;
/** Different batches, which come round again: what is learned shows. */
const BATCHES = emulated ? 2 : 8;

/**
 * How far a loss may be from the CPU's in f32, as a part of it. In f32 both compute the same but for the order of sums; in
 * 16 bits paths part by rounding, and part more with every step.
 */
const BUDGETS = { f32: 0.01, bf16: 0.05, f16: 0.05 };

/** A number from 0 to 1 of a seed. */
const chance = (seed) => {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x);
};

/** Syllables: harmonics of a gliding pitch, a few times a second, each token's at a pitch of its own. */
function speech(tokens) {
  const length = 320 * dims.source;
  const samples = new Float32Array(length);
  const syllable = Math.floor(length / tokens.length);
  let phase = 0;
  for (let i = 0; i < length; i++) {
    const at = Math.min(tokens.length - 1, Math.floor(i / syllable));
    const within = (i % syllable) / syllable;
    phase += (2 * Math.PI * (90 + 200 * chance(tokens[at]) + 30 * within)) / 16000;
    let sum = 0;
    for (let harmonic = 1; harmonic <= 8; harmonic++) sum += Math.sin(harmonic * phase) / harmonic;
    samples[i] = 0.2 * Math.sin(Math.PI * within) * sum + 0.01 * (chance(i + 0.5) - 0.5);
  }
  return samples;
}

const batches = Array.from({ length: BATCHES }, (_, b) => {
  const rows = Array.from({ length: ROWS }, (_, r) =>
    Array.from({ length: TOKENS }, (_, t) =>
      Math.floor(chance(1 + t + 100 * r + 1000 * b) * 0.9 * dims.vocab),
    ),
  );
  return { samples: rows.map(speech), labels: Int32Array.from(rows.flat()), time: TOKENS };
});

async function open(where, precision) {
  const model = await addon().openModel(where, dims, precision);
  await model.initialise('fan_in', 7);
  await model.prepareTraining({ lossScaler: precision === 'f16' ? 'torch' : 'none' });
  return model;
}

/** The loss per token of step i. */
async function lossOf(model, i) {
  const batch = batches[i % BATCHES];
  const rate = 1e-4 * Math.min(1, (i + 1) / 10);
  const options = {
    scales: Float32Array.of(1 / batch.labels.length),
    encoderRate: rate,
    decoderRate: rate,
    maxGradNorm: 1,
  };
  const { losses } = await model.step([batch], options);
  return losses[0].sums.reduce((a, b) => a + b, 0) / batch.labels.length;
}

await part('train', async ({ record, fail, skip, left }) => {
  const cpu = await open('cpu', 'f32');
  const models = {};
  for (const precision of Object.keys(BUDGETS)) models[precision] = await open(device, precision);
  const losses = { cpu: [], f32: [], bf16: [], f16: [] };
  let milliseconds = 0;
  for (let i = 0; i < STEPS; i++) {
    if (left() < 5) {
      skip(`steps ${i} to ${STEPS - 1}`, 'out of time, most of which the CPU takes');
      break;
    }
    const expected = lossOf(cpu, i); // on threads of its own
    for (const [precision, model] of Object.entries(models)) {
      const started = performance.now();
      losses[precision].push(await lossOf(model, i));
      if (precision === 'bf16' && i > 0) milliseconds += performance.now() - started;
    }
    losses.cpu.push(await expected);
    record('losses', losses);
  }
  const steps = losses.cpu.length;
  record('steps', steps);
  record('millisecondsPerStep', milliseconds / Math.max(1, steps - 1));
  const farthest = {};
  for (const [precision, budget] of Object.entries(BUDGETS)) {
    farthest[precision] = Math.max(
      ...losses[precision].map((x, i) => Math.abs(x - losses.cpu[i]) / losses.cpu[i]),
    );
    if (!(farthest[precision] <= budget))
      fail(
        `${precision}: a loss is ${farthest[precision]} of the CPU's away from it, at most ${budget} is allowed`,
      );
  }
  record('farthest', farthest);
  const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
  const [first, last] = [mean(losses.f32.slice(0, BATCHES)), mean(losses.f32.slice(-BATCHES))];
  record('meanLoss', { first, last });
  if (!(last < first)) fail(`nothing was learned: the loss went from ${first} to ${last}`);
  for (const model of [cpu, ...Object.values(models)]) await model.dispose();
});
