// The data path: clips from files to log-mel on its threads, beside the training step that waits for them; and its two
// native parts alone.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mapInOrder } from '../data/ahead.js';
import { DecoderPool } from '../data/decode/pool.js';
import { loadSamples } from '../data/decode/samples.js';
import { WhisperError } from '../errors.js';
import { addon, type NativeDims } from '../native.js';
import {
  type Bench,
  type Benchmark,
  beside,
  checkWanted,
  interleave,
  type Result,
  wanted,
  withPeer,
} from './benchmark.js';
import { FORMATS, type Format, makeClips, RATE, SECONDS } from './clips.js';
import { type Spread, timed } from './measure.js';
import { uniform, windowSamples, windowSeconds } from './random.js';
import { measureStep } from './step.js';
import { measureStream, STREAM } from './stream.js';

/** Clips of a turn. */
const CLIPS = 32;

const FEATURES = [80, 128].map((mels) => ({ name: `log-mel, ${mels} bands`, mels }));

const RESAMPLING = [8000, 22050, 44100, 48000, 96000].map((rate) => ({
  name: `resampling from ${rate} Hz`,
  rate,
}));
/** Seconds of audio that is resampled alone. */
const MINUTE = 60;

export const data: Benchmark = {
  name: 'data',
  summary: 'decoding, resampling and log-mel of clips on threads, beside the training step',
  defaults: { model: 'tiny', device: 'cpu', precision: 'f32', batch: 4, labels: 448, only: '' },
  peer: 'data.py',
  async measure(bench) {
    checkWanted(bench, [...FORMATS, ...STREAM, ...FEATURES, ...RESAMPLING]);
    const step = { ...(await measureStep({ ...bench, peer: undefined })), name: 'training step' };
    const clips = await measureClips(bench, wanted(bench, FORMATS), step.samplesPerSecond!);
    const stream = await measureStream(bench, wanted(bench, STREAM));
    const features = await measureFeatures(bench, wanted(bench, FEATURES));
    return [
      step,
      ...clips,
      ...stream,
      ...features,
      ...(await measureResampling(bench, wanted(bench, RESAMPLING))),
    ];
  },
};

async function measureClips(bench: Bench, formats: readonly Format[], stepRate: number): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'whisper-tune-'));
  const pool = new DecoderPool();
  try {
    const made = await makeClips(folder, formats, bench);
    const turns = made.map(({ bytes }) => async () => [(await timeClips(bytes, pool, bench.dims)) / CLIPS]);
    const spreads = await interleave(bench, 'clips', turns, []);
    return made.map(({ name }, i) => {
      const msPerStep = spreads[i]!;
      const samplesPerSecond = 1000 / msPerStep.median;
      return {
        name: `${name}, ${SECONDS} s at ${RATE} Hz, ${pool.threads} decoding`,
        msPerStep,
        samplesPerSecond,
        realTimeFactor: SECONDS * samplesPerSecond,
        timesTrainingStep: samplesPerSecond / stepRate,
      };
    });
  } finally {
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The wall's milliseconds from the files' bytes to the features of padded windows, as training makes them. */
async function timeClips(bytes: Uint8Array, pool: DecoderPool, dims: NativeDims): Promise<number> {
  async function* files(): AsyncGenerator<Uint8Array, void, void> {
    for (let i = 0; i < CLIPS; i++) yield bytes;
  }
  const prepare = async (file: Uint8Array) => {
    const loaded = await loadSamples({ bytes: file }, { decoder: pool });
    if ('fault' in loaded || loaded.damage !== undefined) {
      throw new WhisperError('ERR_DATA', `a clip of the benchmark: ${JSON.stringify(loaded)}`);
    }
    const window = new Float32Array(windowSamples(dims));
    window.set(loaded.samples.subarray(0, window.length));
    return addon().logMel(window, dims.mels);
  };
  const started = performance.now();
  for await (const _ of mapInOrder(files(), 2 * pool.threads, prepare));
  return performance.now() - started;
}

/** Log-mel of a whole window, the copies to and from the engine included. */
async function measureFeatures(bench: Bench, features: typeof FEATURES): Promise<Result[]> {
  const window = uniform(windowSamples(bench.dims), 0.1);
  const rates = (msPerStep: Spread) => ({
    msPerStep,
    realTimeFactor: (1000 * windowSeconds(bench.dims)) / msPerStep.median,
  });
  return withPeer(bench, data.peer, { samples: window.length }, async (peer) => {
    const results: Result[] = [];
    for (const { name, mels } of features) {
      const turn = async () => repeated(bench, () => addon().logMel(window, mels));
      const theirs = peer ? [() => peer.turn(`${mels}`)] : [];
      const [ours, others] = await interleave(bench, 'log-mel', [turn], theirs);
      results.push(beside({ name, ...rates(ours!) }, peer && { name: peer.name, ...rates(others!) }));
    }
    return results;
  });
}

async function measureResampling(bench: Bench, resampling: typeof RESAMPLING): Promise<Result[]> {
  const turns = resampling.map(({ rate }) => {
    const channel = uniform(MINUTE * rate, 0.1);
    // In the thread that calls and without a copy, as the decoding threads do it.
    return async () => repeated(bench, async () => addon().resampleSync([channel], rate, 16000));
  });
  const spreads = await interleave(bench, 'resampling', turns, []);
  return resampling.map(({ name }, i) => ({
    name,
    msPerStep: spreads[i]!,
    realTimeFactor: (1000 * MINUTE) / spreads[i]!.median,
  }));
}

/** The milliseconds of five calls. */
async function repeated({ clock }: Bench, call: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) times.push(await timed(clock, call));
  return times;
}
