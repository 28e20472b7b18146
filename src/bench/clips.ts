// Clips for the benchmarks of the data path: something like speech, in files of several formats.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ffmpegVersion } from '../data/decode/ffmpeg.js';
import type { Bench } from './benchmark.js';
import { uniform } from './random.js';

/** Rows of Common Voice are of about this length, at this rate. */
export const SECONDS = 5;
export const RATE = 48000;

/** How a clip is stored, and what makes it of a wav file. */
export interface Format {
  name: string;
  file: string;
  ffmpeg: readonly string[];
}

export const FORMATS: readonly Format[] = [
  { name: 'wav', file: 'clip.wav', ffmpeg: [] },
  { name: 'flac', file: 'clip.flac', ffmpeg: ['-c:a', 'flac'] },
  { name: 'mp3', file: 'clip.mp3', ffmpeg: ['-c:a', 'libmp3lame', '-b:a', '64k'] },
  { name: 'ogg', file: 'clip.ogg', ffmpeg: ['-c:a', 'libvorbis', '-q:a', '3'] },
  { name: 'opus', file: 'clip.opus', ffmpeg: ['-c:a', 'libopus', '-b:a', '32k'] },
];

/** One clip in every format; in wav alone where there is no ffmpeg to make the others. */
export async function makeClips(
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
