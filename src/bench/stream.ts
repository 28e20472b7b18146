// The data path as training has it: clips in mp3 out of a parquet file through the shuffle buffer, decoded and put into
// batches; and beside it their decoding alone.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mapInOrder } from '../data/ahead.js';
import { batches } from '../data/batches.js';
import { DecoderPool } from '../data/decode/pool.js';
import { loadSamples } from '../data/decode/samples.js';
import { openDataset } from '../data/sources/index.js';
import { WhisperError } from '../errors.js';
import { type Bench, interleave, type Result } from './benchmark.js';
import { FORMATS, makeClips, RATE, SECONDS } from './clips.js';
import { spreadOf } from './measure.js';

/** Clips of a turn, and of a row group. */
const CLIPS = 192;
const GROUP = 64;

interface Part {
  name: string;
  /** Passes all clips through, of which the file is one and the parquet file has all. */
  pass(clip: Uint8Array, shard: string, pool: DecoderPool): Promise<number>;
}

export const STREAM: readonly Part[] = [
  { name: 'stream: mp3 to samples', pass: decodeAlone },
  { name: 'stream: mp3 in parquet to shuffled batches', pass: wholePath },
];

/** Per clip, the wall's time and the CPU's. */
export async function measureStream(bench: Bench, parts: readonly Part[]): Promise<Result[]> {
  if (parts.length === 0) return [];
  const folder = await mkdtemp(join(tmpdir(), 'whisper-tune-'));
  const pool = new DecoderPool();
  try {
    const clip = (await makeClips(folder, FORMATS, bench)).find(({ name }) => name === 'mp3')?.bytes;
    const shard = join(folder, 'train.parquet');
    if (!clip || !(await writeShard(shard, clip, bench))) return [];
    const used = parts.map((): number[] => []);
    const turns = parts.map(({ pass }, i) => async () => {
      const before = process.cpuUsage();
      const started = performance.now();
      const clips = await pass(clip, shard, pool);
      const took = performance.now() - started;
      const { user, system } = process.cpuUsage(before);
      if (clips !== CLIPS) throw new WhisperError('ERR_DATA', `${clips} of ${CLIPS} clips came through`);
      used[i]!.push((user + system) / 1000 / CLIPS);
      return [took / CLIPS];
    });
    const spreads = await interleave(bench, 'stream', turns, []);
    return parts.map(({ name }, i) => {
      const msPerStep = spreads[i]!;
      // The first turn warms up.
      const { median: cpuMs } = spreadOf(used[i]!.slice(1));
      const samplesPerSecond = 1000 / msPerStep.median;
      const described = `${name}, ${SECONDS} s at ${RATE} Hz, ${pool.threads} decoding`;
      return {
        name: described,
        msPerStep,
        cpuMs,
        samplesPerSecond,
        realTimeFactor: SECONDS * samplesPerSecond,
      };
    });
  } finally {
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** A data set of one file as the Hub has them; false, with a notice, where the package that writes it is not installed. */
async function writeShard(path: string, clip: Uint8Array, bench: Bench): Promise<boolean> {
  const writer = await import('hyparquet-writer').catch(() => undefined);
  if (!writer) {
    bench.notice('nothing is streamed: hyparquet-writer, which makes the data set, is not installed');
    return false;
  }
  const rows = Array.from({ length: CLIPS }, (_, i) => i);
  const content = writer.parquetWriteBuffer({
    columnData: [
      { name: 'audio', data: rows.map((i) => ({ bytes: clip, path: `${i}.mp3` })) },
      { name: 'sentence', data: rows.map((i) => `sentence ${i}`) },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'audio', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'sentence', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    codec: 'UNCOMPRESSED',
    rowGroupSize: GROUP,
  });
  await writeFile(path, new Uint8Array(content));
  return true;
}

/** Decoding and resampling on the threads. */
async function decodeAlone(clip: Uint8Array, _: string, pool: DecoderPool): Promise<number> {
  async function* files(): AsyncGenerator<Uint8Array, void, void> {
    for (let i = 0; i < CLIPS; i++) yield clip;
  }
  const decode = (bytes: Uint8Array) => loadSamples({ bytes }, { decoder: pool });
  let clips = 0;
  for await (const loaded of mapInOrder(files(), 2 * pool.threads, decode))
    if ('samples' in loaded) clips += 1;
  return clips;
}

/** All that lies between a file and the model, but for the tokenizer. */
async function wholePath(_: Uint8Array, shard: string, pool: DecoderPool): Promise<number> {
  const source = await openDataset(shard, { split: 'train' });
  const settings = { batchSize: 16, shuffleBuffer: GROUP, passes: 1, maxDuration: 30 };
  const labels = () => [1, 2];
  let clips = 0;
  for await (const batch of batches({ source, ...settings, labels, startToken: 1, decoder: pool }))
    clips += batch.samples.length;
  return clips;
}
