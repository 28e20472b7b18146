// Samples as 16-bit integers: half the bytes of floats, and all that audio files of 16 bits have.
import { open } from 'node:fs/promises';
import { fileError, WhisperError } from '../../errors.js';

/** Where mono 16 kHz audio lies as 16-bit little-endian integers: `length` samples from byte `offset` of the file. */
export interface PcmReference {
  pcm: string;
  offset: number;
  length: number;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** -1 to 1 as -32768 to 32767, rounded; what is louder is cut off. */
export function toPcm(samples: Float32Array): Buffer {
  const pcm = new Int16Array(samples.length);
  for (let i = 0; i < pcm.length; i++) {
    pcm[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i]! * 32768)));
  }
  const bytes = Buffer.from(pcm.buffer);
  return littleEndian ? bytes : bytes.swap16();
}

function fromPcm(bytes: Buffer): Float32Array {
  const pcm = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  if (!littleEndian) bytes.swap16();
  const samples = new Float32Array(pcm.length);
  for (let i = 0; i < samples.length; i++) samples[i] = pcm[i]! / 32768;
  return samples;
}

/** @throws WhisperError ERR_FILE when the file cannot be read, or is shorter than the reference says */
export async function readPcm({ pcm: path, offset, length }: PcmReference): Promise<Float32Array> {
  const fail = (cause: unknown) => {
    throw fileError('read the prepared audio', path, cause);
  };
  const file = await open(path, 'r').catch(fail);
  try {
    const bytes = Buffer.from(new ArrayBuffer(2 * length));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset).catch(fail);
    if (bytesRead === bytes.length) return fromPcm(bytes);
  } finally {
    await file.close();
  }
  throw new WhisperError(
    'ERR_FILE',
    `${path} has become shorter: remove its folder to prepare the data anew`,
  );
}
