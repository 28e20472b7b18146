// Parts of recordings, and long recordings decoded piece by piece: the samples that the whole would give.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seekableAudio } from '../../src/data/decode/long.js';
import { decodePieces } from '../../src/data/decode/pieces.js';
import { resamplePieces } from '../../src/data/decode/resample-pieces.js';
import { loadSamples, readAudio } from '../../src/data/decode/samples.js';
import { addon } from '../../src/native.js';
import { folder, golden, signal, wav } from './signal.js';

async function samplesOf(
  audio: Parameters<typeof loadSamples>[0],
  limits?: { minSeconds: number; maxSeconds: number },
) {
  return loadSamples(audio, limits && { limits });
}

async function pieced(path: string): Promise<Float32Array> {
  const parts: number[] = [];
  for await (const part of resamplePieces(decodePieces(path), 16000))
    for (const sample of part) parts.push(sample);
  return Float32Array.from(parts);
}

describe('a part of a recording', () => {
  const whole = signal(16000);
  const file = (options = {}) => {
    const path = join(folder(), 'x.wav');
    writeFileSync(path, wav([whole], options));
    return path;
  };

  it.each([
    {},
    { bits: 24 as const },
    { float: true, bits: 32 as const },
    { rf64: true },
    { extensible: true },
  ])('of a wav file is what the whole has there (%o)', async (options) => {
    const path = file(options);
    const all = await samplesOf({ path });
    const part = await samplesOf({ path, start: 0.25, end: 0.5 });
    if (!('samples' in all && 'samples' in part)) throw new Error(JSON.stringify(part));
    expect(part).toEqual({ samples: all.samples.slice(4000, 8000) });
  });

  it.each(['mono.mp3', 'mono.flac', 'mono.opus'])('of %s is what the whole has there', async (name) => {
    const path = golden(name);
    const rate = name === 'mono.opus' ? 48000 : 16000;
    const part = await samplesOf({ path, start: 0.2, end: 0.6 });
    if (!('samples' in part)) throw new Error(JSON.stringify(part));
    expect(Math.abs(part.samples.length - 6400)).toBeLessThanOrEqual(1);
    if (rate !== 16000) return;
    const all = (await readAudio(path)).samples;
    // Cut before it is resampled: the same but for the filter's reach at its ends.
    for (let i = 200; i < 6200; i += 100) expect(part.samples[i]).toBeCloseTo(all[3200 + i]!, 3);
  });

  it('goes to the end where it says no other, and no further', async () => {
    const path = file();
    const lengthOf = async (part: object) => {
      const loaded = await samplesOf({ path, ...part });
      return 'samples' in loaded ? loaded.samples.length : loaded;
    };
    expect(await lengthOf({ start: 0.75 })).toBe(4000);
    expect(await lengthOf({ end: 0.25 })).toBe(4000);
    expect(await lengthOf({ start: 0.9, end: 7 })).toBe(1600);
    for (const path of [file(), golden('mono.flac')])
      expect(await samplesOf({ path, start: 5, end: 6 })).toEqual({
        fault: 'undecodable',
        detail: 'the part from 5 s is not in it: it has 1.00 s',
      });
  });

  it('is measured by its own length, and is damaged only where the file is', async () => {
    const limits = { minSeconds: 0.1, maxSeconds: 0.5 };
    const path = file();
    expect(await samplesOf({ path }, limits)).toMatchObject({ fault: 'too-long' });
    expect(await samplesOf({ path, start: 0.2, end: 0.4 }, limits)).toHaveProperty('samples');
    expect(await samplesOf({ path, start: 0.2, end: 0.25 }, limits)).toMatchObject({ fault: 'too-short' });
    const flac = golden('mono.flac');
    expect(await samplesOf({ path: flac, start: 0.2, end: 0.9 }, limits)).toMatchObject({
      fault: 'too-long',
    });
    expect(await samplesOf({ path: flac, start: 0.2, end: 0.4 }, limits)).toHaveProperty('samples');
    writeFileSync(path, readFileSync(path).subarray(0, -16000));
    expect(await samplesOf({ path, start: 0, end: 0.4 })).not.toHaveProperty('damage');
    expect(await samplesOf({ path, start: 0.3, end: 0.7 })).toHaveProperty(
      'damage',
      expect.stringMatching(/cut off/),
    );
  });
});

describe('a long recording, piece by piece', () => {
  it.each([
    'mono.mp3',
    'stereo.mp3',
    'mono.flac',
    'stereo.flac',
    'mono.ogg',
    'stereo.ogg',
    'mono.opus',
    'stereo.opus',
    'mono.webm',
  ])('%s gives what it gives whole', async (name) => {
    const { samples } = await readAudio(golden(name));
    expect(await pieced(golden(name))).toEqual(samples);
  });

  it.each([44100, 48000, 8000, 22050])('resamples 45 s of %i Hz as it would in one go', async (rate) => {
    const channels = [signal(rate, 'left', 45), signal(rate, 'right', 45.001 - 0.001)];
    async function* pieces() {
      for (let at = 0; at < channels[0]!.length; at += 30011)
        yield { channels: channels.map((channel) => channel.subarray(at, at + 30011)), sampleRate: rate };
    }
    const whole = addon().resampleSync(channels, rate, 16000);
    let at = 0;
    for await (const piece of resamplePieces(pieces(), 16000)) {
      expect(Buffer.from(piece.buffer).equals(Buffer.from(whole.slice(at, at + piece.length).buffer))).toBe(
        true,
      );
      at += piece.length;
    }
    expect(at).toBe(whole.length);
  });

  it('is decoded once to a wav file, in which parts are found', async () => {
    const cacheDir = folder();
    const notices: string[] = [];
    const options = { cacheDir, notice: (line: string) => notices.push(line) };
    const path = await seekableAudio(golden('stereo.mp3'), options);
    expect(await seekableAudio(golden('stereo.mp3'), options)).toBe(path);
    expect(notices).toEqual([`decoding ${golden('stereo.mp3')} once, to ${path}`]);
    const { samples } = await readAudio(golden('stereo.mp3'));
    const loaded = await samplesOf({ path, start: 0.1, end: 0.3 });
    if (!('samples' in loaded)) throw new Error(JSON.stringify(loaded));
    for (const [i, sample] of loaded.samples.entries())
      expect(Math.abs(sample - samples[1600 + i]!)).toBeLessThan(2 ** -15);
    // A wav file is one already.
    const wavFile = join(folder({ 'x.wav': wav([signal(16000)]) }), 'x.wav');
    expect(await seekableAudio(wavFile, options)).toBe(wavFile);
  });

  it('that is none is named', async () => {
    const root = folder({ 'x.mp3': 'no audio at all', 'empty.mp3': '' });
    const options = { cacheDir: folder(), notice: () => {} };
    await expect(seekableAudio(join(root, 'x.mp3'), options)).rejects.toThrow(/^cannot decode .*x\.mp3: /);
    await expect(seekableAudio(join(root, 'empty.mp3'), options)).rejects.toThrow(
      /empty\.mp3: the file is empty/,
    );
    await expect(seekableAudio(join(root, 'none.mp3'), options)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});
