// The data path: clips from files to log-mel on its threads, beside the training step that waits for them; and its two
// native parts alone.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mapInOrder } from '../data/ahead.js';
import { ffmpegVersion } from '../data/decode/ffmpeg.js';
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
import { type Spread, timed } from './measure.js';
import { uniform, windowSamples, windowSeconds } from './random.js';
import { measureStep } from './step.js';

/** Clips of a turn; rows of Common Voice are of about this length, at this rate. */
const CLIPS = 32;
const SECONDS = 5;
const RATE = 48000;

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
    checkWanted(bench, [...FORMATS, ...FEATURES, ...RESAMPLING]);
    const step = { ...(await measureStep({ ...bench, peer: undefined })), name: 'training step' };
    const clips = await measureClips(bench, wanted(bench, FORMATS), step.samplesPerSecond!);
    const features = await measureFeatures(bench, wanted(bench, FEATURES));
    return [step, ...clips, ...features, ...(await measureResampling(bench, wanted(bench, RESAMPLING)))];
  },
};

/** How a clip is stored, and what makes it of a wav file. */
interface Format {
  name: string;
  file: string;
  ffmpeg: readonly string[];
}

const FORMATS: readonly Format[] = [
  { name: 'wav', file: 'clip.wav', ffmpeg: [] },
  { name: 'flac', file: 'clip.flac', ffmpeg: ['-c:a', 'flac'] },
  { name: 'mp3', file: 'clip.mp3', ffmpeg: ['-c:a', 'libmp3lame', '-b:a', '64k'] },
  { name: 'ogg', file: 'clip.ogg', ffmpeg: ['-c:a', 'libvorbis', '-q:a', '3'] },
  { name: 'opus', file: 'clip.opus', ffmpeg: ['-c:a', 'libopus', '-b:a', '32k'] },
];

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

/** One clip in every format; in wav alone where there is no ffmpeg to make the others. */
async function makeClips(
  folder: string,
  formats: readonly Format[],
  bench: Bench,
): Promise<{ name: string; bytes: Uint8Array }[]> {
  const version = await ffmpegVersion();
  const possible = formats.filter(({ ffmpeg }) => ffmpeg.length === 0 || version !== undefined);
  if (possible.length < formats.length) {
    bench.notice('wav alone: the clips of other formats are made by ffmpeg, which is not on the PATH');
  }
  const source = join(folder, 'clip.wav');
  await writeFile(source, wav(voice(), RATE));
  const made: { name: string; bytes: Uint8Array }[] = [];
  for (const { name, file, ffmpeg } of possible) {
    const path = join(folder, file);
    if (ffmpeg.length > 0)
      await promisify(execFile)('ffmpeg', ['-v', 'error', '-i', source, ...ffmpeg, path]);
    made.push({ name, bytes: await readFile(path) });
  }
  return made;
}

/** Something like speech to a codec: harmonics of a gliding pitch, louder and softer four times a second, and noise. */
function voice(): Float32Array {
  const noise = uniform(SECONDS * RATE, 0.01);
  let phase = 0;
  return noise.map((x, i) => {
    const time = i / RATE;
    phase += (2 * Math.PI * (120 + 40 * Math.sin(3 * time))) / RATE;
    let sum = 0;
    for (let harmonic = 1; harmonic <= 20; harmonic++) sum += Math.sin(harmonic * phase) / harmonic;
    return x + 0.15 * sum * (1 + Math.sin(8 * Math.PI * time));
  });
}

/** A mono wav file of 16-bit samples. */
function wav(samples: Float32Array, rate: number): Uint8Array {
  const bytes = Buffer.alloc(44 + 2 * samples.length);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  for (const [at, value] of [
    [20, 1], // PCM
    [22, 1], // channels
    [32, 2], // bytes of a frame
    [34, 16], // bits of a sample
  ] as const) {
    bytes.writeUInt16LE(value, at);
  }
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * rate, 28);
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((x, i) => {
    bytes.writeInt16LE(Math.round(32767 * Math.max(-1, Math.min(1, x))), 44 + 2 * i);
  });
  return bytes;
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
