// The signal of the audio files in test/golden/audio, wav files made of it, and folders for data sets made in a test.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

/** A file of test/golden/audio. */
export function golden(name: string): string {
  return fileURLToPath(new URL(`../golden/audio/${name}`, import.meta.url));
}

/** One second of the golden files' left (440 Hz) or right (1000 Hz) channel. */
export function signal(rate: number, channel: 'left' | 'right' = 'left', seconds = 1): Float32Array {
  const [gain, frequency] = channel === 'left' ? [0.4, 440] : [0.3, 1000];
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => {
    const t = i / rate;
    return gain * Math.sin(2 * Math.PI * frequency * t) * Math.min(1, t * 10);
  });
}

/** Signal to noise ratio in dB of `got` against `want`; lengths must agree. */
export function snr(got: Float32Array, want: Float32Array): number {
  if (got.length !== want.length) throw new Error(`${got.length} samples, expected ${want.length}`);
  let power = 0;
  let noise = 0;
  for (const [i, value] of want.entries()) {
    power += value * value;
    noise += (got[i]! - value) ** 2;
  }
  return 10 * Math.log10(power / noise);
}

export interface WavOptions {
  rate?: number;
  bits?: 8 | 16 | 24 | 32 | 64;
  float?: boolean;
  extensible?: boolean;
  /** Written instead of the real size of the data chunk. */
  dataBytes?: number;
  rf64?: boolean;
}

/** A wav file, written independently of the reader: sample by sample, from the format's description. */
export function wav(channels: readonly Float32Array[], options: WavOptions = {}): Buffer {
  const { rate = 16000, bits = 16, float = false, extensible = false, rf64 = false } = options;
  const samples = channels[0]!.length;
  const width = bits / 8;
  const data = Buffer.alloc(samples * channels.length * width);
  for (let i = 0, at = 0; i < samples; i++) {
    for (const channel of channels) {
      const value = channel[i]!;
      if (float && bits === 32) data.writeFloatLE(value, at);
      else if (float) data.writeDoubleLE(value, at);
      else if (bits === 8) data.writeUInt8(Math.round(value * 128) + 128, at);
      else data.writeIntLE(Math.round(value * (2 ** (bits - 1) - 1)), at, width);
      at += width;
    }
  }
  const format = Buffer.alloc(extensible ? 40 : 16);
  const encoding = float ? 3 : 1;
  format.writeUInt16LE(extensible ? 0xfffe : encoding, 0);
  format.writeUInt16LE(channels.length, 2);
  format.writeUInt32LE(rate, 4);
  format.writeUInt32LE(rate * channels.length * width, 8);
  format.writeUInt16LE(channels.length * width, 12);
  format.writeUInt16LE(bits, 14);
  if (extensible) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(bits, 18);
    format.writeUInt16LE(encoding, 24);
  }
  const size = options.dataBytes ?? data.length;
  const wide = Buffer.alloc(28);
  wide.writeBigUInt64LE(BigInt(data.length), 8);
  const chunks = [
    ...(rf64 ? [chunk('ds64', wide)] : []),
    // An odd chunk before the data: chunks are padded to even lengths.
    chunk('LIST', Buffer.from('odd')),
    chunk('fmt ', format),
    chunk('data', data, rf64 ? 0xffffffff : size),
  ];
  const body = Buffer.concat([Buffer.from('WAVE'), ...chunks]);
  return chunk(rf64 ? 'RF64' : 'RIFF', body, rf64 ? 0xffffffff : body.length);
}

function chunk(name: string, content: Buffer, size = content.length): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 0, 'latin1');
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
}

/** A folder with these files (paths with / make folders), removed after the test file. */
export function folder(files: Record<string, string | Uint8Array> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'whisper-tune-test-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}
