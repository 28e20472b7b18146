// A decoding thread: reads one file, decodes it and hands its samples over without a copy.
import { open, realpath } from 'node:fs/promises';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { liesIn } from '../folder.js';
import { UndecodableAudio } from './audio.js';
import { decodeBytes } from './decode.js';
import type { DecodeJob, DecodeReply } from './pool.js';
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
function outside(head: Uint8Array, limits: DecodeJob['limits']): DecodeReply | undefined {
  if (!limits) return undefined;
  let length: ReturnType<typeof promisedLength>;
  try {
    length = promisedLength(head, sniff(head).format);
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

async function readWhole(path: string, limits: DecodeJob['limits']): Promise<Uint8Array | DecodeReply> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (limits && size > headBytes) {
      const head = new Uint8Array(headBytes);
      const { bytesRead } = await file.read(head, 0, headBytes, 0);
      const skipped = outside(head.subarray(0, bytesRead), limits);
      if (skipped) return skipped;
    }
    if (size > 2 ** 31 - 1) throw new UndecodableAudio('the file is larger than 2 GiB');
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function decode({ path, root, bytes, limits }: DecodeJob): Promise<DecodeReply> {
  messages = 0;
  let content = bytes;
  if (path !== undefined) {
    try {
      const real = await realpath(path);
      if (root !== undefined && !liesIn(await realpath(root), real))
        return { outcome: 'outside-folder', real };
      const read = await readWhole(path, limits);
      if (!(read instanceof Uint8Array)) return read;
      content = read;
    } catch (error) {
      if (error instanceof UndecodableAudio) return { outcome: 'undecodable', detail: error.message };
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return { outcome: 'missing', detail: 'no such file' };
      return { outcome: 'missing', detail: code === 'EISDIR' ? 'it is a folder' : message };
    }
  }
  const skipped = outside(content!, limits);
  if (skipped) return skipped;
  try {
    return { outcome: 'decoded', audio: await decodeBytes(content!, path) };
  } catch (error) {
    if (error instanceof UndecodableAudio) return { outcome: 'undecodable', detail: error.message };
    throw error;
  }
}

/** The task piscina runs: the reply with its samples' memory moved to the caller. */
export default async function task(job: DecodeJob): Promise<unknown> {
  const reply = await decode(job);
  if (reply.outcome !== 'decoded') return reply;
  const buffers = [...new Set(reply.audio.channels.map(({ buffer }) => buffer))];
  return move({ [transferableSymbol]: buffers, [valueSymbol]: reply } as never);
}
