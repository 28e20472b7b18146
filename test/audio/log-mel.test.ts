// Log-mel features against the definition in float64, on every back end, and against transformers' own.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { backends, type Ops } from '../helpers/native.js';
import { logMel as reference } from '../reference/log-mel.js';
import { bursts, chirp, clicks, noise, padded, sine } from './signals.js';

const RATE = 16000;

// A logarithm of up to 10 keeps a relative error of a few 2⁻²⁴, and is divided by 4.
const TOLERANCE = 5e-7;

const signals: Record<string, Float32Array> = {
  noise: noise(5000),
  bursts: bursts(8000),
  chirp: chirp(8000, 20, 7990, RATE),
  'a tone on a bin': sine(4000, 1000, RATE),
  'a tone between bins': sine(4000, 1234.5, RATE),
  'a tone that no band hears': Float32Array.from({ length: 3200 }, (_, i) => (i % 2 ? 1 : -1)),
  clicks: clicks(4000, 997),
  constant: new Float32Array(2000).fill(1),
  silence: new Float32Array(2000),
  'a short sound, then silence': padded(bursts(1500), 9000),
  'silence, then a click at the very end': clicks(3000, 3000),
  'faint noise': noise(3000).map((x) => x * 1e-6),
  'loud noise': noise(3000).map((x) => x * 1e4),
  'the shortest': noise(201),
  'one hop more': noise(320),
};

// Made once for all instruction sets.
const references = new Map<Float32Array, Map<number, Float64Array[]>>();
function expected(samples: Float32Array, mels: number): Float64Array[] {
  const known = references.get(samples) ?? new Map<number, Float64Array[]>();
  references.set(samples, known);
  const rows = known.get(mels) ?? reference(samples, mels);
  known.set(mels, rows);
  return rows;
}
const around = Array.from({ length: 18 }, (_, i) => noise((i + 2) * 160 + (((i + 2) * 37) % 160), i));

function largestDifference(features: Float32Array, expected: Float64Array[]): number {
  const flat = expected.flatMap((row) => [...row]);
  expect(features.length).toBe(flat.length);
  return flat.reduce((largest, x, i) => {
    const difference = Math.abs(features[i]! - x);
    return Math.max(difference, largest);
  }, 0);
}

/** One row through the operation, into poisoned memory. */
function run(ops: Ops, samples: Float32Array | Int16Array, mels: number): Float32Array {
  const frames = Math.floor(samples.length / 160);
  const features = new Float32Array(frames * mels).fill(Number.NaN);
  ops.logMel!({ data: features, shape: [1, frames, mels] }, { data: samples, shape: [1, samples.length] });
  return features;
}

describe.each(backends)('log-mel features on $name', ({ ops }) => {
  it.each(Object.keys(signals))('are right for %s', (signal) => {
    for (const mels of [80, 128]) {
      const samples = signals[signal]!;
      expect(largestDifference(run(ops, samples, mels), expected(samples, mels))).toBeLessThan(TOLERANCE);
    }
  });

  it('are right for every number of frames around the width of a vector', () => {
    for (const samples of around) {
      expect(largestDifference(run(ops, samples, 80), expected(samples, 80))).toBeLessThan(TOLERANCE);
    }
  });

  it('are right for any number of bands', () => {
    for (const mels of [1, 3, 17, 201]) {
      const samples = signals.chirp!;
      expect(largestDifference(run(ops, samples, mels), expected(samples, mels))).toBeLessThan(TOLERANCE);
    }
  });

  it('have a floor of their own in every row of a batch, and stay between spaced rows', () => {
    const [n, mels, rowStride, batchStride] = [1000, 80, 85, 600];
    const rows = [noise(n), noise(n).map((x) => x * 1e-3), new Float32Array(n)];
    const data = new Float32Array(7 + 3 * batchStride).fill(Number.NaN);
    const samples = Float32Array.from(rows.flatMap((row) => [...row]));
    const features = { data, shape: [3, 6, mels], offset: 7, rowStride, batchStride };
    ops.logMel!(features, { data: samples, shape: [3, n] });
    let written = 0;
    rows.forEach((row, b) => {
      const own = reference(row, mels);
      for (let t = 0; t < 6; t++) {
        const at = 7 + b * batchStride + t * rowStride;
        expect(largestDifference(data.subarray(at, at + mels), [own[t]!])).toBeLessThan(TOLERANCE);
        written += mels;
      }
    });
    expect(data.filter((x) => !Number.isNaN(x)).length).toBe(written);
  });

  it('of silence after the sound are what the transform gives', () => {
    // A number too small to be heard keeps the transform from being left out.
    const samples = padded(noise(1777), 16000);
    const features = run(ops, samples, 80);
    samples[15999] = 1e-30;
    expect(run(ops, samples, 80)).toEqual(features);
  });

  it('are not a number where a sample is none, and only there', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const samples = noise(3200);
      samples[1600] = value;
      const features = run(ops, samples, 80);
      for (let t = 0; t < 20; t++) {
        const row = features.subarray(t * 80, t * 80 + 80);
        // Frame 9 ends with sample 1639, frame 11 starts at 1560.
        if (t >= 9 && t <= 11) expect(row.every(Number.isNaN)).toBe(true);
        else expect(row.some(Number.isNaN)).toBe(false);
      }
    }
  });

  it.each(Object.keys(signals))('are the same bits of 16-bit samples for %s', (signal) => {
    const whole = Int16Array.from(signals[signal]!, (x) => Math.max(-32768, Math.min(32767, x * 3000)));
    const floats = Float32Array.from(whole, (x) => x / 32768);
    expect(run(ops, whole, 80)).toEqual(run(ops, floats, 80));
  });

  it.each([80, 128])('are those of transformers for %i bands', (mels) => {
    const bytes = readFileSync(new URL(`../golden/audio-features/bursts-${mels}.f32`, import.meta.url));
    const golden = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    expect(largestDifference(run(ops, bursts(8000), mels), [Float64Array.from(golden)])).toBeLessThan(
      TOLERANCE,
    );
  });

  it('are the same bits when made again', () => {
    expect(run(ops, signals.bursts!, 128)).toEqual(run(ops, signals.bursts!, 128));
  });

  it('refuse what is too short, or of a shape that does not fit', () => {
    expect(() => run(ops, new Float32Array(200), 80)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: 'log-mel features need at least 201 samples, not 200',
      }),
    );
    expect(() => run(ops, noise(1000), 202)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
    const features = { data: new Float32Array(7 * 80), shape: [1, 7, 80] };
    expect(() => ops.logMel!(features, { data: noise(1000), shape: [1, 1000] })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE_MISMATCH' }),
    );
    const fitting = { data: new Float32Array(6 * 80), shape: [1, 6, 80] };
    expect(() => ops.logMel!(fitting, { data: new Int32Array(1000), shape: [1, 1000] })).toThrow(
      'log_mel: samples is I32, expected F32 or I16',
    );
  });
});

describe('log-mel features', () => {
  it('come from the asynchronous call as well', async () => {
    const samples = chirp(16000 * 3 + 77, 20, 7990, RATE);
    const { data, frames, mels } = await addon().logMel(samples, 80);
    expect([frames, mels]).toEqual([300, 80]);
    expect(data).toEqual(run(addon().ops('cpu'), samples, 80));
  });
});
