// Times a training step of a released size with random weights and random data, and beside it, turn by turn in the same run,
// the same step in PyTorch where a Python with torch and transformers is given.
//
//   node bench/step.mjs --model tiny --batch 4 --labels 448 --rounds 5 [--precision f32|f16|bf16] [--peer PYTHON]
//
// Forward, backward, clipping and AdamW; the peer runs under autocast in the same precision. Prints JSON: milliseconds per step (median, min, max), samples per second,
// the largest memory of the engine's tensors, and the ratio of the medians.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { releasedDims } from '../dist/model/released.js';
import { addon } from '../dist/native.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'tiny' },
    batch: { type: 'string', default: '4' },
    labels: { type: 'string', default: '448' },
    rounds: { type: 'string', default: '5' },
    precision: { type: 'string', default: 'f32' },
    peer: { type: 'string' },
  },
});
const [batch, labels, rounds] = [flags.batch, flags.labels, flags.rounds].map(Number);
const { precision } = flags;
const dims = releasedDims(flags.model);
if (!dims) throw new Error(`--model: no released size is called ${flags.model}`);

/** Random data, never zeros; the same on both sides does not matter, its size does. */
function randomBatch() {
  return {
    samples: Array.from({ length: batch }, () =>
      Float32Array.from({ length: 160 * 2 * dims.source }, () => 0.2 * Math.random() - 0.1),
    ),
    labels: Int32Array.from({ length: batch * labels }, () => Math.floor(Math.random() * dims.vocab)),
    time: labels,
  };
}

async function ours() {
  const model = await addon().openModel('cpu', dims, precision);
  await model.initialise('hf', 1);
  await model.prepareTraining({ lossScaler: precision === 'f16' ? 'torch' : 'none' });
  const data = randomBatch();
  const options = { scales: Float32Array.of(1 / (batch * labels)), encoderRate: 1e-5, decoderRate: 1e-5 };
  return {
    name: `whisper-tune, ${model.device}, ${precision}`,
    async step() {
      const started = performance.now();
      await model.step([data], options);
      return performance.now() - started;
    },
    memory: async () => (await model.memory()).peak,
    close: () => model.dispose(),
  };
}

/** A Python process that makes a step for each line it is sent and answers with its milliseconds. */
async function torch(python) {
  const script = fileURLToPath(new URL('peers/step.py', import.meta.url));
  const child = spawn(
    python,
    [script, JSON.stringify({ dims, batch, labels, precision, threads: addon().deviceInfo().threads })],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: name } = await lines.next();
  return {
    name,
    async step() {
      child.stdin.write('step\n');
      return Number((await lines.next()).value);
    },
    memory: async () => undefined,
    close: () => child.stdin.end(),
  };
}

const runners = [await ours()];
if (flags.peer) runners.push(await torch(flags.peer));
const times = runners.map(() => []);
for (let round = -1; round < rounds; round++) {
  for (const [i, runner] of runners.entries()) {
    const ms = await runner.step();
    if (round >= 0) times[i].push(ms); // the first round warms up
  }
}

const results = [];
for (const [i, runner] of runners.entries()) {
  const sorted = times[i].toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  results.push({
    name: runner.name,
    msPerStep: { median, min: sorted[0], max: sorted.at(-1) },
    samplesPerSecond: (1000 * batch) / median,
    peakBytes: await runner.memory(),
  });
  await runner.close();
}
const ratio = results[1] && results[1].msPerStep.median / results[0].msPerStep.median;
console.log(
  JSON.stringify({ model: flags.model, precision, batch, labels, rounds, results, ratio }, undefined, 2),
);
