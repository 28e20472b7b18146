// Decoding threads: every format against the signal it was made of, cut-off files, and what is no audio.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { pageChecksum } from '../../src/data/decode/ogg.js';
import { type DecodeJob, type DecodeReply, type Decoder, DecoderPool } from '../../src/data/decode/pool.js';
import { loadSamples, readAudio } from '../../src/data/decode/samples.js';
import { readFrames } from '../../src/data/decode/webm.js';
import { addon } from '../../src/native.js';
import { folder, golden, signal, snr, wav } from './signal.js';

const pool = new DecoderPool({ threads: 2 });
afterAll(() => pool.close());

function audio(reply: DecodeReply) {
  if (reply.outcome !== 'decoded') throw new Error(JSON.stringify(reply));
  return reply.audio;
}

const hasFfmpeg = (() => {
  try {
    execFileSync('ffmpeg', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

// Lossless formats lose 16-bit rounding; the others what their bit rate costs, measured and rounded down.
const files: [string, number, number, number][] = [
  ['mono.flac', 8000, 1, 80],
  ['stereo.flac', 8000, 2, 80],
  ['mono.mp3', 16000, 1, 25],
  ['stereo.mp3', 44100, 2, 25],
  ['mono.ogg', 16000, 1, 15],
  ['stereo.ogg', 44100, 2, 15],
  ['mono.opus', 48000, 1, 15],
  ['stereo.opus', 48000, 2, 15],
  ['mono.webm', 48000, 1, 15],
];

describe('a decoding thread', () => {
  it.each(files)('decodes %s to the sample', async (name, rate, channels, decibels) => {
    const decoded = audio(await pool.decode({ path: golden(name) }));
    expect(decoded.sampleRate).toBe(rate);
    expect(decoded.channels).toHaveLength(channels);
    expect(decoded.damage).toBeUndefined();
    expect(snr(decoded.channels[0]!, signal(rate))).toBeGreaterThan(decibels);
    if (channels === 2) expect(snr(decoded.channels[1]!, signal(rate, 'right'))).toBeGreaterThan(decibels);
    // The same from bytes, whatever the decoder did before.
    const again = audio(await pool.decode({ bytes: readFileSync(golden(name)) }));
    expect(again).toEqual(decoded);
  });

  it.each(files)('brings %s to one channel at another rate when asked to', async (name) => {
    const own = audio(await pool.decode({ path: golden(name) }));
    const brought = audio(await pool.decode({ path: golden(name), sampleRate: 16000 }));
    const samples = await addon().resample(own.channels, own.sampleRate, 16000);
    expect(brought).toEqual({ channels: [samples], sampleRate: 16000 });
  });

  it('decodes alike what comes after a damaged file', async () => {
    const one = new DecoderPool({ threads: 1 });
    try {
      for (const name of ['mono.flac', 'stereo.ogg', 'mono.mp3', 'mono.opus']) {
        const expected = await pool.decode({ path: golden(name) });
        const bytes = readFileSync(golden(name));
        for (const [from, to] of [
          [0, bytes.length >> 1],
          [bytes.length >> 2, bytes.length],
        ] as const) {
          const damaged = await one.decode({ bytes: Buffer.from(bytes).fill(0x55, from + 100, to) });
          expect(damaged).not.toEqual(expected);
          expect(await one.decode({ bytes })).toEqual(expected);
        }
      }
    } finally {
      await one.close();
    }
  });

  it('goes by the bytes, not by the name', async () => {
    const root = folder({ 'wrong.wav': readFileSync(golden('mono.mp3')) });
    expect(audio(await pool.decode({ path: join(root, 'wrong.wav') })).channels[0]).toHaveLength(16000);
  });

  it.each(['mono.mp3', 'stereo.opus', 'mono.webm'])(
    'says that %s is cut off, and gives what is there',
    async (name) => {
      const bytes = readFileSync(golden(name));
      const decoded = audio(await pool.decode({ bytes: bytes.subarray(0, bytes.length * 0.6) }));
      expect(decoded.damage).toMatch(/cut off/);
      const length = decoded.channels[0]!.length / decoded.sampleRate;
      expect(length).toBeGreaterThan(0.4);
      expect(length).toBeLessThan(0.7);
    },
  );

  it('notices one wrong bit in an Ogg page', async () => {
    const bytes = readFileSync(golden('mono.opus'));
    bytes[bytes.length - 100]! ^= 1;
    const reply = await pool.decode({ bytes });
    expect(reply.outcome === 'decoded' ? reply.audio.damage : 'detail' in reply && reply.detail).toMatch(
      /checksum/,
    );
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /the file is empty/],
    ['a wav file without samples', wav([new Float32Array(0)]), /wav: there is no audio in it/],
    [
      'a flac header alone',
      readFileSync(golden('mono.flac')).subarray(0, 60),
      /flac: there is no audio in it/,
    ],
    ...[Number.NaN, Infinity, -Infinity].map((value): [string, Uint8Array, RegExp] => [
      `a sample that is ${value}`,
      wav([Float32Array.of(0, 1), Float32Array.of(value, 1)], { bits: 32, float: true }),
      /no finite numbers/,
    ]),
  ])('refuses %s', async (_, bytes, message) => {
    expect(await pool.decode({ bytes })).toEqual({
      outcome: 'undecodable',
      detail: expect.stringMatching(message),
    });
  });

  it('tells a missing file and a folder from a bad one', async () => {
    const root = folder();
    expect(await pool.decode({ path: join(root, 'a.mp3') })).toEqual({
      outcome: 'missing',
      detail: 'no such file',
    });
    expect(await pool.decode({ path: root })).toEqual({ outcome: 'missing', detail: 'it is a folder' });
  });

  it('does not decode what the header puts outside the limits', async () => {
    const limits = { minSeconds: 1.5, maxSeconds: 2 };
    for (const name of ['mono.flac', 'mono.mp3']) {
      expect(await pool.decode({ path: golden(name), limits })).toEqual({ outcome: 'too-short', seconds: 1 });
    }
    const long = { minSeconds: 0, maxSeconds: 0.5 };
    expect(await pool.decode({ path: golden('mono.flac'), limits: long })).toEqual({
      outcome: 'too-long',
      seconds: 1,
    });
    // The edge is left to the decoded samples.
    const edge = { minSeconds: 0, maxSeconds: 1 };
    expect((await pool.decode({ path: golden('mono.flac'), limits: edge })).outcome).toBe('decoded');
  });

  it('follows no link out of the folder', async () => {
    const root = folder({ 'inner/real.flac': readFileSync(golden('mono.flac')) });
    const elsewhere = folder();
    copyFileSync(golden('mono.flac'), join(elsewhere, 'a.flac'));
    symlinkSync(join(elsewhere, 'a.flac'), join(root, 'out.flac'));
    symlinkSync(join(root, 'inner', 'real.flac'), join(root, 'in.flac'));
    expect((await pool.decode({ path: join(root, 'in.flac'), root })).outcome).toBe('decoded');
    expect((await pool.decode({ path: join(root, 'out.flac'), root })).outcome).toBe('outside-folder');
    await expect(loadSamples({ path: join(root, 'out.flac'), root }, { decoder: pool })).rejects.toThrow(
      /out\.flac is a link to .*, outside the data set's folder/,
    );
  });

  it.runIf(hasFfmpeg)('leaves other formats to ffmpeg', async () => {
    const m4a = audio(await pool.decode({ path: golden('mono.m4a') }));
    expect(m4a.sampleRate).toBe(16000);
    expect(snr(m4a.channels[0]!.slice(0, 16000), signal(16000))).toBeGreaterThan(15);
    const mulaw = audio(await pool.decode({ bytes: readFileSync(golden('mulaw.wav')) }));
    expect(snr(mulaw.channels[0]!, signal(8000))).toBeGreaterThan(30);
  });

  it.runIf(hasFfmpeg)('lets ffmpeg open no playlist', async () => {
    const root = folder({ 'list.ffconcat': `ffconcat version 1.0\nfile inner.flac\n` });
    copyFileSync(golden('mono.flac'), join(root, 'inner.flac'));
    expect((await pool.decode({ path: join(root, 'list.ffconcat') })).outcome).toBe('undecodable');
  });

  it('says when ffmpeg would be needed and is not there', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder();
    const without = new DecoderPool({ threads: 1 });
    try {
      expect(await without.decode({ path: golden('mono.m4a') })).toEqual({
        outcome: 'undecodable',
        detail: 'mp4/m4a: needs ffmpeg, which is not on the PATH (wav, mp3, flac, ogg, opus and webm do not)',
      });
    } finally {
      process.env.PATH = path;
      await without.close();
    }
  });
});

describe('readAudio', () => {
  it('names the file it cannot read', async () => {
    const root = folder({ 'page.html': '<!DOCTYPE html>' });
    await expect(readAudio(join(root, 'no.wav'), { decoder: pool })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `cannot read ${join(root, 'no.wav')}: no such file`,
    });
    await expect(readAudio(join(root, 'page.html'), { decoder: pool })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('no known audio format (it begins with "<!DOCTYPE ht")'),
    });
  });

  it('asks the thread for mono at 16 kHz, and leaves the rest of it as it is', async () => {
    const jobs: DecodeJob[] = [];
    const samples = Float32Array.of(7);
    const decoder: Decoder = {
      threads: 1,
      async decode(job) {
        jobs.push(job);
        return { outcome: 'decoded', audio: { channels: [samples], sampleRate: 16000 } };
      },
    };
    expect((await readAudio('a.mp3', { decoder })).samples).toBe(samples);
    expect(jobs).toEqual([{ path: 'a.mp3', sampleRate: 16000 }]);
  });

  it('resamples what a decoder has left at another rate', async () => {
    const calls: [number, number, number][] = [];
    const resample = async (channels: Float32Array[], from: number, to: number) => {
      calls.push([channels.length, from, to]);
      return Float32Array.of(7);
    };
    const mono = await readAudio(golden('mono.mp3'), { decoder: pool, resample });
    expect(mono.samples).toHaveLength(16000);
    expect(await readAudio(golden('stereo.flac'), { decoder: pool, resample })).toEqual({
      samples: Float32Array.of(7),
    });
    await readAudio(wav([signal(16000), signal(16000)]), { decoder: pool, resample });
    expect(calls).toEqual([
      [2, 8000, 16000],
      [2, 16000, 16000],
    ]);
  });
});

describe('the whole chain', () => {
  it('brings every format to mono 16 kHz', async () => {
    const left = signal(16000);
    const mean = signal(16000, 'right').map((value, i) => (value + left[i]!) / 2);
    for (const [name, , channels] of files) {
      const { samples, damage } = await readAudio(golden(name));
      expect(damage).toBeUndefined();
      expect(snr(samples, channels === 2 ? mean : left), name).toBeGreaterThan(15);
    }
  });
});

describe('containers', () => {
  it('computes the checksum of an Ogg page', () => {
    const bytes = readFileSync(golden('mono.ogg'));
    const size = 27 + 1 + bytes[27]!;
    expect(pageChecksum(bytes.subarray(0, size))).toBe(bytes.readUInt32LE(22));
  });

  it('takes laced Matroska blocks apart', () => {
    const head = (flags: number) => [0x81, 0, 0, flags];
    const frames = (block: number[]) => readFrames(Uint8Array.from(block))?.map((frame) => frame.length);
    const content = (n: number) => Array.from({ length: n }, () => 1);
    expect(frames([...head(0), ...content(5)])).toEqual([5]);
    expect(frames([...head(0x02), 2, 255, 2, 3, ...content(262)])).toEqual([257, 3, 2]);
    expect(frames([...head(0x04), 2, ...content(9)])).toEqual([3, 3, 3]);
    expect(frames([...head(0x06), 2, 0x84, 0xbe, ...content(9)])).toEqual([4, 3, 2]);
    expect(frames([...head(0x04), 2, ...content(8)])).toBeUndefined();
    expect(frames([...head(0x02), 1, 9, ...content(8)])).toBeUndefined();
  });

  it('reads Ogg packets over page ends and after a page that is lost', async () => {
    const whole = readFileSync(golden('stereo.opus'));
    const root = folder();
    writeFileSync(
      join(root, 'junk.opus'),
      Buffer.concat([whole.subarray(0, 5000), Buffer.from('junk'), whole.subarray(5000)]),
    );
    const decoded = audio(await pool.decode({ path: join(root, 'junk.opus') }));
    expect(decoded.damage).toMatch(/damaged|cut off/);
  });
});
