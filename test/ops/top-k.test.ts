// The operation top_k of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { expectWithin, rounding } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, poisoned, randn } from '../helpers/ops.js';

/** The first k in descending order, of equals the first. */
function reference(row: number[], k: number) {
  const top = row.reduce((a, b) => Math.max(a, b));
  const total = Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0));
  const order = row.map((_, i) => i).sort((a, b) => (row[a] === row[b] ? a - b : row[b]! - row[a]!));
  const tokens = order.slice(0, k);
  return { tokens, values: tokens.map((i) => row[i]! - top - total) };
}

function topK(ops: Ops, logits: Float32Array, rows: number, mask: Float32Array | null, k: number) {
  const vocab = logits.length / rows;
  const [values, tokens] = [poisoned(rows, k), dense(new Int32Array(rows * k).fill(-7), rows, k)];
  ops.topK!(values, tokens, dense(logits, rows, vocab), mask && dense(mask, vocab), k);
  return { values: Array.from(values.data), tokens: Array.from(tokens.data) };
}

describe('topK', () => {
  it.each([
    [1, 1, 1],
    [3, 2, 2],
    [3, 33, 32],
    [5, 127, 7],
    [2, 1024, 32],
    [2, 4097, 10],
    [2, 4100, 10],
    [1, 51864, 12],
    [2, 51865, 10],
  ])('%i rows of %i, the first %i, with and without a mask', (rows, vocab, k) => {
    const logits = randn(rows * vocab, 1, 3);
    const suppress = Float32Array.from(randn(vocab, 2), (v, i) => (v > 0 && i > 0 ? -Infinity : 0));
    for (const mask of [null, suppress]) {
      const expected = Array.from({ length: rows }, (_, r) =>
        reference(
          Array.from(logits.subarray(r * vocab, (r + 1) * vocab), (v, i) => v + (mask?.[i] ?? 0)),
          k,
        ),
      );
      const exact = expected.flatMap(({ values }) => values);
      const allowed = exact.map((v) =>
        Number.isFinite(v) ? (8 + Math.sqrt(vocab) + 2 * Math.abs(v)) * rounding : 0,
      );
      for (const { name, ops } of backends) {
        const { values, tokens } = topK(ops, logits, rows, mask, k);
        expect(tokens, name).toEqual(expected.flatMap((e) => e.tokens));
        expectWithin(`${name}: values`, values, exact, allowed);
      }
    }
  });

  it.each([9, 200, 5001])('of %i: the lowest index first where values are equal, -0 and 0 too', (vocab) => {
    const logits = Float32Array.from({ length: vocab }, (_, i) => (i % 3 === 0 ? -0 : i % 3 === 1 ? 0 : -2));
    const tokens = reference(Array.from(logits), 8).tokens;
    for (const { name, ops } of backends) expect(topK(ops, logits, 1, null, 8).tokens, name).toEqual(tokens);
  });

  it('takes NaN for the largest, and says NaN', () => {
    const logits = randn(3000, 1);
    logits[2000] = Number.NaN;
    const largest = reference(
      Array.from(logits, (v) => (Number.isNaN(v) ? 100 : v)),
      3,
    ).tokens;
    for (const { name, ops } of backends) {
      const { values, tokens } = topK(ops, logits, 1, null, 3);
      expect(tokens, name).toEqual(largest);
      expect(values, name).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    }
  });

  it.each([
    [0, 10],
    [33, 100],
    [11, 10],
  ])('refuses %i of %i', (k, vocab) => {
    for (const { ops } of backends)
      expect(() => topK(ops, randn(vocab, 1), 1, null, k)).toThrow(/top_k: k is \d+, expected 1 to \d+/);
  });
});
