// The operation sample of native/ops.def against softmax and the inverse transform in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { expectWithin, rounding } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, type Operand, poisoned, randn } from '../helpers/ops.js';
import { philox } from '../reference/philox.js';

const ints = (n: number): Operand => ({ data: new Int32Array(n).fill(-7), shape: [n] });

interface Sampling extends Record<string, number> {
  temperature: number;
  key: number;
  step: number;
}

/** In [0, 1), to 53 bits. */
function numberOf({ key, step }: Sampling, row: number): number {
  const [high, low] = philox(BigInt(step), BigInt(row), BigInt(key));
  return (high! * 2 ** 21 + (low! >>> 11)) / 2 ** 53;
}

function softmax(row: Float64Array, temperature: number): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b));
  const weights = row.map((x) => Math.exp((x - top) / temperature));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / total);
}

const masked = (logits: Float32Array, mask: Float32Array | null) =>
  Float64Array.from(logits, (x, i) => x + (mask?.[i] ?? 0));

function sample(ops: Ops, logits: Float32Array, rows: number, mask: Float32Array | null, sampling: Sampling) {
  const vocab = logits.length / rows;
  const [tokens, logprobs] = [ints(rows), poisoned(rows)];
  ops.sample!(tokens, logprobs, dense(logits, rows, vocab), mask && dense(mask, vocab), sampling);
  return { tokens: Array.from(tokens.data), logprobs: logprobs.data };
}

describe('sample', () => {
  it.each([
    [1, 1, 1],
    [40, 2, 0.5],
    [40, 17, 1],
    [20, 128, 0.2],
    [20, 1023, 0.6],
    [20, 4096, 1],
    [20, 4097, 0.8],
    [6, 51864, 0.4],
    [6, 51865, 1],
    [4, 51865, 30],
  ])(
    '%i rows of %i at temperature %f: the token whose share of [0, 1) the number is in',
    (rows, vocab, t) => {
      const logits = randn(rows * vocab, 1, 3);
      const suppress = Float32Array.from(randn(vocab, 2), (v, i) => (v > 0 && i > 0 ? -Infinity : 0));
      const sampling = { temperature: t, key: 2 ** 40 + 77, step: 12 };
      for (const mask of [null, suppress]) {
        for (const { name, ops } of backends) {
          const { tokens, logprobs } = sample(ops, logits, rows, mask, sampling);
          const exact: number[] = [];
          for (const [r, token] of tokens.entries()) {
            const row = masked(logits.subarray(r * vocab, (r + 1) * vocab), mask);
            const probabilities = softmax(row, Math.fround(t));
            const before = probabilities.subarray(0, token).reduce((a, b) => a + b, 0);
            const u = numberOf(sampling, r);
            expect(probabilities[token], `${name}, row ${r}`).toBeGreaterThan(0);
            // Weights are some roundings from exact, those far below the largest by as many more as their exponent is long.
            const allowed = 64 * rounding;
            expect(u, `${name}, row ${r}: ${token}`).toBeGreaterThan(before - allowed);
            expect(u, `${name}, row ${r}: ${token}`).toBeLessThan(before + probabilities[token]! + allowed);
            exact.push(Math.log(softmax(row, 1)[token]!));
          }
          const allowed = exact.map((logprob) => (8 + Math.sqrt(vocab) + 2 * Math.abs(logprob)) * rounding);
          expectWithin(`${name}: logprobs`, logprobs, exact, allowed);
        }
      }
    },
  );

  // Chi-square has vocab - 1 degrees of freedom: twice as many on average, and deviates by √(2·(vocab - 1)).
  it.each([0.3, 1, 3])('at temperature %f draws tokens as often as softmax has them', (temperature) => {
    const [rows, vocab] = [1000, 12];
    const row = randn(vocab, 4, 1);
    const mask = Float32Array.from({ length: vocab }, (_, i) => (i === 3 || i === 11 ? -Infinity : 0));
    const logits = new Float32Array(rows * vocab).map((_, i) => row[i % vocab]!);
    const expected = softmax(masked(row, mask), Math.fround(temperature));
    for (const { name, ops } of backends) {
      const { tokens } = sample(ops, logits, rows, mask, { temperature, key: 9, step: 0 });
      const counts = new Float64Array(vocab);
      for (const token of tokens) counts[token]!++;
      let [square, degrees] = [0, -1];
      for (const [i, p] of expected.entries()) {
        if (p === 0) expect(counts[i], `${name}: masked token ${i}`).toBe(0);
        else {
          square += (counts[i]! - rows * p) ** 2 / (rows * p);
          degrees++;
        }
      }
      expect(square, name).toBeLessThan(degrees + 4 * Math.sqrt(2 * degrees));
    }
  });

  it('draws others with another key, at another step and in another row, and the same again', () => {
    const [rows, vocab] = [64, 1000];
    const logits = new Float32Array(rows * vocab);
    const base = { temperature: 1, key: 3, step: 4 };
    for (const { name, ops } of backends) {
      const draw = (sampling: Sampling) => sample(ops, logits, rows, null, sampling).tokens;
      const first = draw(base);
      expect(draw(base), name).toEqual(first);
      expect(new Set(first).size, name).toBeGreaterThan(50);
      for (const other of [
        { ...base, key: 4 },
        { ...base, step: 5 },
      ]) {
        const same = draw(other).filter((token, r) => token === first[r]).length;
        expect(same, name).toBeLessThan(4);
      }
    }
  });

  it('takes the largest at a temperature near 0', () => {
    const [rows, vocab] = [8, 700];
    const logits = randn(rows * vocab, 5);
    const largest = Array.from({ length: rows }, (_, r) => {
      const row = logits.subarray(r * vocab, (r + 1) * vocab);
      return row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    });
    for (const { name, ops } of backends)
      for (const temperature of [1e-5, 2 ** -126])
        expect(sample(ops, logits, rows, null, { temperature, key: 1, step: 1 }).tokens, name).toEqual(
          largest,
        );
  });

  it('says NaN where there is no softmax, with the token of argmax', () => {
    const vocab = 300;
    const diverged = randn(vocab, 1);
    diverged[200] = Number.NaN;
    const nothing = new Float32Array(vocab).fill(-Infinity);
    for (const { name, ops } of backends)
      for (const [mask, token] of [
        [null, 200],
        [nothing, 0],
      ] as const) {
        const logits = mask ? randn(vocab, 1) : diverged;
        const { tokens, logprobs } = sample(ops, logits, 1, mask, { temperature: 1, key: 1, step: 1 });
        expect([tokens[0], logprobs[0]], name).toEqual([token, Number.NaN]);
      }
  });

  it.each([0, -1, 1e-40])('refuses a temperature of %f', (temperature) => {
    for (const { ops } of backends)
      expect(() => sample(ops, randn(4, 1), 1, null, { temperature, key: 1, step: 1 })).toThrow(
        /sample: temperature is .*, expected a normal number above 0/,
      );
  });
});
