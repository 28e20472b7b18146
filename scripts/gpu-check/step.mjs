// Part `step`: a training step of the released sizes with random weights, beside transformers and PyTorch on the same card.
import { peerDevice } from '../../dist/bench/benchmark.js';
import { stepFlops } from '../../dist/bench/flops.js';
import { spreadOf } from '../../dist/bench/measure.js';
import { startPeer } from '../../dist/bench/peer.js';
import { measureStep } from '../../dist/bench/step.js';
import { releasedDims } from '../../dist/model/released.js';
import { benchOf } from './benches.mjs';
import { measuredRate, nominalRate } from './card.mjs';
import { emulated, firstLine, part, python, toyDims } from './part.mjs';

const LABELS = emulated ? 8 : 128;
const ROUNDS = emulated ? 1 : 4;

/** Rows at a time, and samples per second that are aimed at on an H200. */
const MODELS = emulated
  ? [{ model: 'toy', batch: 2 }]
  : [
      { model: 'tiny', batch: 128 },
      { model: 'small', batch: 64, target: 290 },
      { model: 'medium', batch: 64, target: 96 },
      { model: 'large-v3', batch: 32, target: 51 },
    ];

/** What has to fit into a card of so many bytes. */
const FITTING = emulated
  ? []
  : [
      { model: 'large-v3', batch: 8, bytes: 24e9 },
      { model: 'medium', batch: 16, bytes: 16e9 },
    ];

/** Not begun with fewer seconds left: of a model to be made, compiled and run. */
const ENOUGH = emulated ? 1 : 12;
const ENOUGH_TO_COMPILE = emulated ? 1 : 40;

const dimsOf = (model) => (emulated ? toyDims : releasedDims(model));
const isOutOfMemory = (error) =>
  error.code === 'ERR_OUT_OF_MEMORY' || /out of memory/i.test(firstLine(error));

/** The result of measure(batch), with fewer rows where so many do not fit. */
async function fitting(batch, measure) {
  for (let rows = batch; ; rows /= 2) {
    try {
      return { batch: rows, ...(await measure(rows)) };
    } catch (error) {
      if (rows <= 1 || !isOutOfMemory(error)) throw error;
    }
  }
}

/** Rates of a step, and its FLOP/s as parts of those that the card is known and seen to reach. */
function rates({ model, precision, batch }, { median }, name) {
  const gflops = (batch * stepFlops(dimsOf(model), LABELS)) / median / 1e6;
  const nominal = nominalRate(name);
  return {
    milliseconds: median,
    samplesPerSecond: (1000 * batch) / median,
    tflops: gflops / 1000,
    ofMeasured: gflops / measuredRate(precision),
    ...(nominal === undefined ? {} : { ofNominal: gflops / nominal }),
  };
}

async function measureOurs(settings) {
  const { model, precision, graphs = false } = settings;
  process.env.WHISPER_TUNE_CUDA_GRAPHS = graphs ? '1' : '0'; // read when a model is opened
  return fitting(settings.batch, async (batch) => {
    const bench = benchOf(dimsOf(model), {
      ...settings,
      batch,
      labels: LABELS,
      rounds: ROUNDS,
      peer: undefined,
    });
    const { msPerStep, peakBytes } = await measureStep(bench);
    return { ...rates({ model, precision, batch }, msPerStep, bench.deviceName), peakBytes };
  });
}

/** One Python for all of its measurements: loading torch takes as long as a measurement. */
async function openPeer() {
  if (python === undefined) return undefined;
  const bench = benchOf(dimsOf(MODELS[0].model), { precision: 'bf16' });
  const settings = { ...MODELS[0], dims: bench.dims, labels: LABELS, precision: 'bf16' };
  const more = { checkpointing: 'none', compile: false, threads: bench.threads, device: peerDevice(bench) };
  const peer = await startPeer(python, 'step.py', { ...settings, ...more });
  return {
    name: peer.name,
    close: () => peer.close(),
    measure: ({ model, precision, batch, checkpointing, compile = false }) =>
      fitting(batch, async (rows) => {
        const asked = { precision, checkpointing, compile, batch: rows, labels: LABELS, dims: dimsOf(model) };
        const times = [];
        for (let round = -1; round < ROUNDS; round++) {
          const [took] = await peer.turn(JSON.stringify(asked));
          if (round >= 0) times.push(took);
        }
        const measured = rates({ model, precision, batch: rows }, spreadOf(times), bench.deviceName);
        return { ...measured, peakBytes: await peer.bytes() };
      }),
  };
}

/** A measurement as its row says it, and in words. */
function describe(who, settings) {
  const { model, precision, checkpointing } = settings;
  const { optimizer = 'adamw_torch', compile = false, graphs = false } = settings;
  const row = { who, model, precision, checkpointing, optimizer, compile, graphs, labels: LABELS };
  const more = [
    checkpointing !== 'none' && `checkpointing ${checkpointing}`,
    compile && 'compiled',
    graphs && 'graphs',
  ];
  return { row, words: [who, model, precision, optimizer, ...more].filter(Boolean).join(', ') };
}

await part('step', async ({ record, add, skip, fail, left }) => {
  /** Measures and keeps one row, unless time is short. */
  const measured = async (who, settings, measure, enough = ENOUGH) => {
    const { row, words } = describe(who, settings);
    if (left() < enough) return skip(words, 'out of time');
    try {
      const found = await measure(settings);
      add('steps', { ...row, ...found });
      return found;
    } catch (error) {
      fail(`${words}: ${firstLine(error)}`);
    }
  };
  const ours = (settings) => measured('ours', settings, measureOurs);
  const peer = await openPeer().catch((error) => fail(`the peer: ${firstLine(error)}`));
  const theirs = (settings, enough) => peer && measured('PyTorch', settings, peer.measure, enough);
  if (peer) record('peer', peer.name);
  else skip('transformers and PyTorch', 'no Python with torch and transformers');
  record('targets', Object.fromEntries(MODELS.map(({ model, target }) => [model, target])));

  // What matters most comes first: what time runs out for is left out.
  const all = async (measure, settings, enough) => {
    for (const { model, batch } of MODELS) await measure({ model, batch, ...settings }, enough);
  };
  const plain = { precision: 'bf16', checkpointing: 'none' };
  await all(ours, plain);
  await all(theirs, plain);
  await all(ours, { ...plain, checkpointing: 'all' });
  for (const { model, batch, bytes } of FITTING) {
    const settings = { model, batch, precision: 'bf16', checkpointing: 'all', optimizer: 'adamw_bnb_8bit' };
    const found = await ours(settings);
    if (found && (found.batch < batch || found.peakBytes > bytes))
      fail(`${model} at batch ${batch} takes ${found.peakBytes} bytes at batch ${found.batch}, of ${bytes}`);
  }
  await all(ours, { ...plain, graphs: true });
  await all(ours, { ...plain, precision: 'f16' });
  await all(theirs, { ...plain, compile: true }, ENOUGH_TO_COMPILE);
  await all(theirs, { ...plain, checkpointing: 'all' });
  await all(theirs, { ...plain, precision: 'f16' });
  await peer?.close();
});
