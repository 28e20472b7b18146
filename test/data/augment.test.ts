// Augmentation: speed and noise as the decoding threads make them, and that they follow from seed, pass and row alone.
import { afterAll, describe, expect, it } from 'vitest';
import { Augmentation } from '../../src/data/augment.js';
import type { Row } from '../../src/data/dataset.js';
import { addNoise } from '../../src/data/decode/change.js';
import { DecoderPool } from '../../src/data/decode/pool.js';
import { type Draws, RowDraws } from '../../src/data/draws.js';
import { loadNoise } from '../../src/data/noise.js';
import { type PrepareOptions, prepareRow, type Said } from '../../src/data/prepare.js';
import { folder, signal, snr, wav } from './signal.js';

const decoder = new DecoderPool({ threads: 2 });
afterAll(() => decoder.close());

const tone = signal(16000, 'left', 1);
const row = (more: Partial<Row> = {}): Row => ({
  id: 'a',
  text: 't',
  audio: { samples: tone, sampleRate: 16000 },
  ...more,
});

async function prepared(
  augmentation: Augmentation,
  given = row(),
  pass = 0,
  more: Partial<PrepareOptions> = {},
) {
  const options = { labels: () => [1, 2], startToken: 1, decoder, augmentation, ...more };
  const result = await prepareRow(given, options, { seed: 42, pass });
  if ('reason' in result) throw new Error(result.detail);
  return result.row;
}

/** The frequency of a tone by its zero crossings, without its ends. */
function frequency(samples: Float32Array): number {
  let [first, last, crossings] = [0, 0, 0];
  for (let i = 2000; i < samples.length - 2000; i++) {
    if (samples[i - 1]! >= 0 || samples[i]! < 0) continue;
    first ||= i;
    last = i;
    crossings++;
  }
  return (16000 * (crossings - 1)) / (last - first);
}

describe('speed', () => {
  it('changes length and pitch, of samples and of files', async () => {
    const slow = await prepared(new Augmentation({ speeds: [0.8] }));
    expect(slow.samples.length).toBe(20000);
    expect(frequency(slow.samples)).toBeCloseTo(440 * 0.8, 0);
    const bytes = wav([signal(44100), signal(44100)], { rate: 44100 });
    const fast = await prepared(new Augmentation({ speeds: [1.1] }), row({ audio: { bytes } }));
    expect(fast.samples.length).toBe(Math.ceil(16000 / 1.1));
    expect(frequency(fast.samples)).toBeCloseTo(440 * 1.1, 0);
  });

  it('moves the times of segments', async () => {
    const seen: Said[] = [];
    const labels = (given: Said) => {
      seen.push(given);
      return [1, 2];
    };
    const segments = [{ start: 0.2, end: 0.6, text: 'T' }];
    const options = { labels, startToken: 1, decoder, augmentation: new Augmentation({ speeds: [0.5] }) };
    await prepareRow(row({ segments }), { ...options, lowerCase: true }, { seed: 1, pass: 0 });
    expect(seen[0]!.segments).toEqual([{ start: 0.4, end: 1.2, text: 't' }]);
  });

  it('is left out where it would take the clip out of the limits', async () => {
    const half = new Augmentation({ speeds: [0.5] });
    expect((await prepared(half, row(), 0, { maxDuration: 1.9 })).samples).toEqual(tone);
    expect((await prepared(half, row(), 0, { maxDuration: 2.1 })).samples.length).toBe(32000);
    const double = new Augmentation({ speeds: [2] });
    expect((await prepared(double, row(), 0, { minDuration: 0.6 })).samples).toEqual(tone);
  });

  it('is one of those given, each as often', async () => {
    const augmentation = new Augmentation({ speeds: [0.9, 1, 1.1] });
    const counts = new Map<number, number>();
    for (let i = 0; i < 900; i++) {
      const { speed = 1 } = (await augmentation.change(new RowDraws(42, 0, `row ${i}`))) ?? {};
      counts.set(speed, (counts.get(speed) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([0.9, 1, 1.1]);
    // A deviation is 14 rows.
    for (const count of counts.values()) expect(Math.abs(count - 300)).toBeLessThan(60);
  });
});

describe('noise', () => {
  const white = new Augmentation({ noise: { probability: 1, snr: [12, 12] } });

  it('is as loud as asked for, and leaves the clip that was given as it is', async () => {
    const before = tone.slice();
    const { samples } = await prepared(white);
    // Of 16,000 random numbers; the noise is what is not the tone.
    expect(snr(samples, tone)).toBeCloseTo(12, 1);
    expect(tone).toEqual(before);
  });

  it('is white: of no frequency more than of another', () => {
    const noise = new Float32Array(40000).fill(1e-3);
    addNoise(noise, { snr: -40, place: new RowDraws(1, 0, 'a').place('noise samples') });
    const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
    const correlation = (lag: number) => {
      let sum = 0;
      for (let i = lag; i < noise.length; i++) sum += (noise[i]! - mean) * (noise[i - lag]! - mean);
      return sum / noise.length;
    };
    const power = correlation(0);
    expect(10 * Math.log10(power / 1e-6)).toBeCloseTo(40, 1);
    // A deviation is 1/200.
    for (const lag of [1, 2, 3, 4, 5, 8]) expect(Math.abs(correlation(lag) / power)).toBeLessThan(0.025);
    const fourth = noise.reduce((sum, value) => sum + (value - mean) ** 4, 0) / noise.length;
    // A normal number's fourth moment is 3.
    expect(Math.abs(fourth / power ** 2 - 3)).toBeLessThan(0.15);
  });

  it('is the same for a row in a pass, whatever thread adds it, and other in another', async () => {
    const one = new DecoderPool({ threads: 1 });
    const [first, again, alone, other, later] = await Promise.all([
      prepared(white),
      prepared(white),
      prepared(white, row(), 0, { decoder: one }),
      prepared(white, row({ id: 'b' })),
      prepared(white, row(), 1),
    ]);
    await one.close();
    expect(again.samples).toEqual(first.samples);
    expect(alone.samples).toEqual(first.samples);
    expect(other.samples).not.toEqual(first.samples);
    expect(later.samples).not.toEqual(first.samples);
  });

  it('is added to the share asked for, between the ratios asked for', async () => {
    const augmentation = new Augmentation({ noise: { probability: 0.25, snr: [5, 15] } });
    const ratios: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const change = await augmentation.change(new RowDraws(42, 0, `row ${i}`));
      if (change?.noise) ratios.push(change.noise.snr);
    }
    // A deviation is 13.7 rows.
    expect(Math.abs(ratios.length - 250)).toBeLessThan(55);
    expect(Math.min(...ratios)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...ratios)).toBeLessThan(15);
    expect(Math.max(...ratios) - Math.min(...ratios)).toBeGreaterThan(8);
  });

  it('does not touch silence', () => {
    const silence = new Float32Array(100);
    addNoise(silence, { snr: 0, place: new RowDraws(1, 0, 'a').place('noise samples') });
    expect(silence).toEqual(new Float32Array(100));
  });
});

describe('noise of a folder', () => {
  const root = folder({
    'b.wav': wav([signal(16000, 'right', 0.1)]),
    'deeper/a.wav': wav([signal(48000, 'left', 0.2)], { rate: 48000 }),
    'README.txt': 'no audio',
  });

  it('is read in the order of names, as far as there is room', async () => {
    const clips = await loadNoise(root, decoder);
    expect(clips.map(({ length }) => length)).toEqual([1600, 3200]);
    for (const clip of clips) expect(Math.max(...clip)).toBeGreaterThan(32000);
    expect((await loadNoise(root, decoder, 4000)).map(({ length }) => length)).toEqual([1600, 2000]);
  });

  it('is added from somewhere on, and again from its start', async () => {
    const recorded = { samples: Int16Array.of(3, -4, 5), offset: 1 };
    const clip = Float32Array.of(1, 1, 1, 1, 1);
    addNoise(clip, { snr: 0, recorded, place: new RowDraws(1, 0, 'a').place('noise samples') });
    const gain = (clip[0]! - 1) / -4;
    expect([...clip].map((value) => Math.round((value - 1) / gain))).toEqual([-4, 5, 3, -4, 5]);
    // The mean of squares: 1 of the clip.
    expect(gain ** 2 * ((16 + 25 + 9 + 16 + 25) / 5)).toBeCloseTo(1, 5);
    const augmentation = new Augmentation(
      { noise: { probability: 1, snr: [20, 20], folder: root } },
      decoder,
    );
    expect(snr((await prepared(augmentation)).samples, tone)).toBeCloseTo(20, 3);
  });

  it('is refused where it cannot be used, by name', async () => {
    await expect(loadNoise(`${root}/none`, decoder)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `cannot read the noise folder ${root}/none: no such file or folder`,
    });
    const empty = folder({ 'README.txt': 'no audio' });
    await expect(loadNoise(empty, decoder)).rejects.toThrow(`${empty} has no audio files to add as noise`);
    const silent = folder({ 'a.wav': wav([new Float32Array(100)]) });
    await expect(loadNoise(silent, decoder)).rejects.toThrow('a.wav cannot be added as noise: it is silent');
    const broken = folder({ 'a.wav': 'RIFF' });
    await expect(loadNoise(broken, decoder)).rejects.toThrow(/a\.wav cannot be added as noise: .*; take it/);
  });
});

describe('draws', () => {
  it('of one purpose say nothing of another', () => {
    const draws = new RowDraws(2 ** 40 + 3, 1, 'a');
    const of = (draws: Draws) => Array.from({ length: 4 }, () => draws.below(1000));
    expect(of(draws.for('speed'))).toEqual(of(draws.for('speed')));
    expect(of(draws.for('speed'))).not.toEqual(of(draws.for('noise')));
    expect(of(new RowDraws(3, 1, 'a').for('speed'))).not.toEqual(of(draws.for('speed')));
  });
});
