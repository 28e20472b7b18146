// A thread that decodes a long recording into a wav file of 16 kHz, mono, 16 bits, in which any part is found at once.
import { open } from 'node:fs/promises';
import type { MessagePort } from 'node:worker_threads';
import { UndecodableAudio } from './audio.js';
import { decodePieces } from './pieces.js';
import { resamplePieces } from './resample-pieces.js';
import { wavHeader } from './wav.js';

export interface LongJob {
  path: string;
  /** The wav file to write. */
  target: string;
  /** Is told how many seconds are done. */
  port: MessagePort;
}

const rate = 16000;
/** Bytes that the header of a wav file can say: 37 hours. */
const mostBytes = 2 ** 32 - 64;

// The wasm decoders print what they also return.
console.error = () => {};

function shorts(samples: Float32Array): Uint8Array {
  const bytes = Buffer.alloc(2 * samples.length);
  for (const [i, sample] of samples.entries()) {
    const value = Math.round(sample * 32768);
    bytes.writeInt16LE(value > 32767 ? 32767 : value < -32768 ? -32768 : value || 0, 2 * i);
  }
  return bytes;
}

/** The task piscina runs: undefined, or what is wrong with the file. */
export default async function task({ path, target, port }: LongJob): Promise<string | undefined> {
  const format = { encoding: 1, channels: 1, sampleRate: rate, bits: 16 };
  const file = await open(target, 'w');
  try {
    let dataBytes = 0;
    await file.write(wavHeader({ ...format, dataBytes }), 0, 44, 0);
    for await (const samples of resamplePieces(decodePieces(path), rate)) {
      const bytes = shorts(samples);
      if (dataBytes + bytes.length > mostBytes) throw new UndecodableAudio('it is longer than 37 hours');
      await file.write(bytes, 0, bytes.length, 44 + dataBytes);
      dataBytes += bytes.length;
      port.postMessage(dataBytes / (2 * rate));
    }
    if (dataBytes === 0) throw new UndecodableAudio('there is no audio in it');
    await file.write(wavHeader({ ...format, dataBytes }), 0, 44, 0);
    return undefined;
  } catch (error) {
    if (error instanceof UndecodableAudio) return error.message;
    throw error;
  } finally {
    await file.close();
    port.close();
  }
}
