// Resampling, measured: tones that must pass, tones that must vanish, lengths, delay, linearity.
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { noise, sine } from './signals.js';

const resample = (samples: Float32Array, from: number, to: number) => addon().resample([samples], from, to);
const decibels = (amplitude: number) => 20 * Math.log10(amplitude);
/** Without the ends, where the filter sees the silence outside. */
const middle = (y: Float32Array) => y.subarray(Math.floor(y.length / 5), Math.floor((y.length * 4) / 5));

/** Amplitude and phase of the tone that fits best, and the amplitude of what is left, in dB. */
function fit(y: Float32Array, hertz: number, rate: number) {
  const first = Math.floor(y.length / 5);
  let [cc, ss, cs, yc, ys] = [0, 0, 0, 0, 0];
  const angle = (i: number) => (2 * Math.PI * hertz * (first + i)) / rate;
  middle(y).forEach((x, i) => {
    const [c, s] = [Math.cos(angle(i)), Math.sin(angle(i))];
    cc += c * c;
    ss += s * s;
    cs += c * s;
    yc += x * c;
    ys += x * s;
  });
  const p = (yc * ss - ys * cs) / (cc * ss - cs * cs);
  const q = (ys * cc - yc * cs) / (cc * ss - cs * cs);
  const rest = middle(y).map((x, i) => x - p * Math.cos(angle(i)) - q * Math.sin(angle(i)));
  return { gain: decibels(Math.hypot(p, q)), phase: Math.atan2(p, q), residual: level(rest) };
}
const level = (y: Float32Array) => decibels(Math.sqrt((2 * y.reduce((sum, x) => sum + x * x, 0)) / y.length));

const pairs: [number, number][] = [
  [48000, 16000],
  [44100, 16000],
  [22050, 16000],
  [24000, 16000],
  [32000, 16000],
  [96000, 16000],
  [192000, 16000],
  [8000, 16000],
  [11025, 16000],
  [12345, 16000],
  [16001, 16000],
  [44056, 16000],
  [44101, 16000],
  [16000, 44100],
];

describe.each(pairs)('from %i Hz to %i Hz', (from, to) => {
  const highest = Math.min(from, to) / 2;
  const n = Math.ceil((from * 4000) / Math.min(from, to));

  it('tones below 0.9 of the band stay, where they were', async () => {
    for (const part of [0.02, 0.3, 0.6, 0.8, 0.9]) {
      const { gain, phase, residual } = fit(
        await resample(sine(n, part * highest, from), from, to),
        part * highest,
        to,
      );
      expect(Math.abs(gain)).toBeLessThan(0.001);
      expect(Math.abs(phase)).toBeLessThan(1e-5);
      expect(residual).toBeLessThan(-100);
    }
  });

  it('a constant stays what it is', async () => {
    const y = middle(await resample(new Float32Array(n).fill(0.5), from, to));
    expect(Math.max(...y.map((x) => Math.abs(x - 0.5)))).toBeLessThan(1e-6);
  });

  it('an output stands at every instant before the end', async () => {
    for (const length of [0, 1, 2, 7, 160, 999, 1000, 1001]) {
      expect((await resample(new Float32Array(length), from, to)).length).toBe(
        Math.ceil((length * to) / from),
      );
    }
  });
});

describe.each(pairs.filter(([from, to]) => from > to))('from %i Hz down to %i Hz', (from, to) => {
  it('tones beyond the band vanish', async () => {
    const n = Math.ceil((from * 4000) / to);
    for (let hertz = to / 2; hertz < from / 2; hertz *= hertz < 0.6 * to ? 1.03 : 1.31) {
      expect(level(middle(await resample(sine(n, hertz, from, 1, 0.3), from, to)))).toBeLessThan(-100);
    }
  });
});

describe('resampling', () => {
  it('gives 16000 samples for each second', async () => {
    for (const rate of [8000, 11025, 22050, 44100, 48000, 44101]) {
      expect((await resample(new Float32Array(rate * 3), rate, 16000)).length).toBe(48000);
    }
  });

  it('is symmetric in time', async () => {
    const x = new Float32Array(3001);
    x[1500] = 1;
    const y = await resample(x, 48000, 16000);
    expect(y.indexOf(Math.max(...y))).toBe(500);
    for (let i = 1; i <= 100; i++) expect(y[500 + i]).toBeCloseTo(y[500 - i]!, 8);
    expect(y.reduce((sum, v) => sum + v, 0)).toBeCloseTo(1 / 3, 5);
  });

  it('is linear', async () => {
    const [a, b] = [noise(2000, 1), noise(2000, 2)];
    const sum = await resample(
      a.map((x, i) => 0.5 * x - 0.25 * b[i]!),
      44100,
      16000,
    );
    const [ya, yb] = [await resample(a, 44100, 16000), await resample(b, 44100, 16000)];
    const errors = sum.map((x, i) => Math.abs(x - (0.5 * ya[i]! - 0.25 * yb[i]!)));
    expect(Math.max(...errors)).toBeLessThan(1e-6);
  });

  it('does not change what has the rate already', async () => {
    const x = noise(500);
    expect(await resample(x, 16000, 16000)).toEqual(x);
  });

  it('takes the mean of the channels', async () => {
    const channels = [noise(500, 1), noise(500, 2), noise(500, 3)];
    const mean = await addon().resample(channels, 16000, 16000);
    const expected = mean.map((_, i) => (channels[0]![i]! + channels[1]![i]! + channels[2]![i]!) / 3);
    expect(Math.max(...mean.map((x, i) => Math.abs(x - expected[i]!)))).toBeLessThan(1e-6);
    const [left, right] = [sine(4800, 440, 48000), sine(4800, 440, 48000, -1)];
    expect(await addon().resample([left, right], 48000, 16000)).toEqual(new Float32Array(1600));
  });

  it('gives the same in the thread that calls, which changes nothing of what it is given', async () => {
    const channels = [noise(30_001, 1), noise(30_001, 2).subarray(0)];
    const before = structuredClone(channels);
    for (const from of [8000, 16000, 44100, 48000, 44101]) {
      const expected = await addon().resample(channels, from, 16000);
      expect(addon().resampleSync(channels, from, 16000)).toEqual(expected);
    }
    expect(channels).toEqual(before);
  });

  it('gives the same wherever a clip is cut into pieces', async () => {
    // More than one piece of 4,096 outputs, and ends that leave a window half outside.
    for (const from of [48000, 44100, 8000]) {
      const x = noise(from);
      const whole = await resample(x, from, 16000);
      const reach = 600;
      for (const start of [0, from / 4, from / 2]) {
        // A quarter and a half of a second are whole numbers of samples at all rates.
        const part = await resample(x.subarray(start), from, 16000);
        const expected = whole.subarray(whole.length - part.length);
        expect(part.subarray(start ? reach : 0)).toEqual(expected.subarray(start ? reach : 0));
      }
    }
  });

  it('gives the same when several calls make the same filter at once', async () => {
    const x = noise(3000);
    const all = await Promise.all(Array.from({ length: 8 }, () => resample(x, 37800, 16000)));
    for (const y of all) expect(y).toEqual(all[0]);
  });

  it('refuses rates that no audio has', async () => {
    for (const [from, to] of [
      [0, 16000],
      [-48000, 16000],
      [999, 16000],
      [16000, 768001],
    ] as const) {
      await expect(resample(new Float32Array(10), from, to)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
    }
    await expect(addon().resample([], 48000, 16000)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});
