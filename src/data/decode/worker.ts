// A decoding thread: reads one file, decodes it, mixes and resamples it, and hands its samples over without a copy.
import { open, realpath } from 'node:fs/promises';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { addon } from '../../native.js';
import { liesIn } from '../folder.js';
import { type DecodedAudio, UndecodableAudio } from './audio.js';
import { addNoise, playedAt } from './change.js';
import { decodeBytes } from './decode.js';
import { describeDecoded, secondsByHeader, shortDigest } from './examine.js';
import { type AudioPart, cutAudio, isPart, partLength, readWavPart } from './part.js';
import type { DecodeJob, DecodeReply, ExamineJob, ExamineReply } from './pool.js';
import { promisedLength, sniff } from './sniff.js';

// The wasm decoders print what they also return; a damaged file would print thousands of lines.
// mpg123 repeats some errors for ever: a throw out of its message is the way out of its loop.
let messages = 0;
console.error = (message: unknown) => {
  messages += 1;
  if (messages > 1000) throw new UndecodableAudio(`more than 1000 errors, the last: ${message}`);
};

const headBytes = 64 * 1024;
const rate = 16000;

/** A length that is surely outside the limits; at their edge the decoded audio decides. */
function outside(head: Uint8Array, job: DecodeJob, part: AudioPart = {}): DecodeReply | undefined {
  const { limits } = job;
  if (!limits) return undefined;
  let length: ReturnType<typeof promisedLength>;
  try {
    const whole = promisedLength(head, sniff(head).format);
    length = whole && partLength(whole, part);
  } catch (error) {
    if (!(error instanceof UndecodableAudio)) throw error;
  }
  if (!length) return undefined;
  const seconds = length.samples / length.sampleRate;
  const samples = seconds * rate;
  if (samples > limits.maxSeconds * rate + 1) return { outcome: 'too-long', seconds };
  if (samples < limits.minSeconds * rate - 1) return { outcome: 'too-short', seconds };
  return undefined;
}

/** What was read of a file, and the part of it that is wanted still. */
interface Content {
  bytes: Uint8Array;
  part: AudioPart;
}

async function readContent(job: DecodeJob): Promise<Content | DecodeReply> {
  const file = await open(job.path!, 'r');
  try {
    const { size } = await file.stat();
    if (isPart(job) || (job.limits && size > headBytes)) {
      const head = new Uint8Array(headBytes);
      const { bytesRead } = await file.read(head, 0, headBytes, 0);
      const read = head.subarray(0, bytesRead);
      const skipped = outside(read, job, job);
      if (skipped) return skipped;
      if (isPart(job) && sniff(read).format === 'wav')
        return { bytes: await readWavPart(file, read, size, job), part: {} };
    }
    if (size > 2 ** 31 - 1) throw new UndecodableAudio('the file is larger than 2 GiB');
    return { bytes: await file.readFile(), part: job };
  } finally {
    await file.close();
  }
}

async function readHead(job: DecodeJob): Promise<Content | DecodeReply> {
  const file = await open(job.path!, 'r');
  try {
    const head = new Uint8Array(headBytes);
    const { bytesRead } = await file.read(head, 0, headBytes, 0);
    return { bytes: head.subarray(0, bytesRead), part: job };
  } finally {
    await file.close();
  }
}

/** The same of a file that is not outside the data set's folder, through a link. */
async function readWithin(job: DecodeJob, read = readContent): Promise<Content | DecodeReply> {
  const { path, root } = job;
  try {
    if (root !== undefined) {
      const real = await realpath(path!);
      if (!liesIn(await realpath(root), real)) return { outcome: 'outside-folder', real };
    }
    return await read(job);
  } catch (error) {
    if (error instanceof UndecodableAudio) return { outcome: 'undecodable', detail: error.message };
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { outcome: 'missing', detail: 'no such file' };
    return { outcome: 'missing', detail: code === 'EISDIR' ? 'it is a folder' : message };
  }
}

/** One channel at another rate, where one is asked for: then less has to cross to the main thread. */
function brought(audio: DecodedAudio, sampleRate: number | undefined): DecodedAudio {
  const { channels, sampleRate: from } = audio;
  if (sampleRate === undefined || (channels.length === 1 && from === sampleRate)) return audio;
  return { ...audio, channels: [addon().resampleSync(channels, from, sampleRate)], sampleRate };
}

/** The speed asked for, unless it would take the clip out of the limits. */
function speedOf({ channels, sampleRate }: DecodedAudio, { change, limits }: DecodeJob): number {
  if (!change || change.speed === 1) return 1;
  const played = playedAt(sampleRate, change.speed);
  const seconds = (channels[0]?.length ?? 0) / played;
  const outside = limits && (seconds >= limits.maxSeconds || seconds <= limits.minSeconds);
  return outside ? 1 : played / sampleRate;
}

/** The audio as the job wants it: changed, of one channel and at its rate. */
function finished(audio: DecodedAudio, job: DecodeJob): DecodeReply {
  const speed = speedOf(audio, job);
  const heard = brought({ ...audio, sampleRate: Math.round(audio.sampleRate * speed) }, job.sampleRate);
  if (job.change?.noise) addNoise(heard.channels[0]!, job.change.noise);
  return { outcome: 'decoded', audio: heard, ...(speed !== 1 && { speed }) };
}

async function decode(job: DecodeJob): Promise<DecodeReply> {
  messages = 0;
  if (job.decoded) {
    const { samples, sampleRate } = job.decoded;
    return finished({ channels: [samples], sampleRate }, job);
  }
  const content = job.bytes ? { bytes: job.bytes, part: {} } : await readWithin(job);
  if ('outcome' in content) return content;
  const { bytes, part } = content;
  const skipped = outside(bytes, job, part);
  if (skipped) return skipped;
  try {
    return finished(cutAudio(await decodeBytes(bytes, job.path), part), job);
  } catch (error) {
    if (error instanceof UndecodableAudio) return { outcome: 'undecodable', detail: error.message };
    throw error;
  }
}

/** What a file is like, decoded where its header does not say how long it is. */
async function examine(job: ExamineJob): Promise<ExamineReply> {
  messages = 0;
  const { decode, digest } = job.examine;
  try {
    if (!decode && !digest && !job.bytes) {
      const head = await readWithin(job, readHead);
      if ('outcome' in head) return head as ExamineReply;
      const seconds = secondsByHeader(head.bytes, head.part);
      if (seconds !== undefined) return { outcome: 'examined', seconds };
    }
    const content = job.bytes ? { bytes: job.bytes, part: {} } : await readWithin(job);
    if ('outcome' in content) return content as ExamineReply;
    const { bytes, part } = content;
    const seconds = decode ? undefined : secondsByHeader(bytes.subarray(0, headBytes), part);
    const known =
      seconds === undefined
        ? describeDecoded(cutAudio(await decodeBytes(bytes, job.path), part))
        : { seconds };
    // Of a part that was not read alone the bytes are those of the whole file, which say nothing of it.
    return { outcome: 'examined', ...known, ...(digest && !isPart(part) && { digest: shortDigest(bytes) }) };
  } catch (error) {
    if (error instanceof UndecodableAudio) return { outcome: 'undecodable', detail: error.message };
    throw error;
  }
}

/** The task piscina runs: the reply with its samples' memory moved to the caller. */
export default async function task(job: DecodeJob | ExamineJob): Promise<unknown> {
  if ('examine' in job) return examine(job);
  const reply = await decode(job);
  if (reply.outcome !== 'decoded') return reply;
  const buffers = [...new Set(reply.audio.channels.map(({ buffer }) => buffer))];
  return move({ [transferableSymbol]: buffers, [valueSymbol]: reply } as never);
}
