// The operation argmax of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { expectWithin, rounding } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, type Operand, poisoned, randn } from '../helpers/ops.js';

const ints = (n: number): Operand => ({ data: new Int32Array(n).fill(-7), shape: [n] });

/** The first of the largest, and its log-probability. */
function reference(logits: Float32Array, mask: Float32Array | null, vocab: number) {
  const rows = logits.length / vocab;
  return Array.from({ length: rows }, (_, r) => {
    const row = Array.from(logits.subarray(r * vocab, (r + 1) * vocab), (v, i) => v + (mask?.[i] ?? 0));
    const top = row.reduce((a, b) => Math.max(a, b));
    return { token: row.indexOf(top), logprob: -Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0)) };
  });
}

describe('argmax', () => {
  it.each([
    [1, 1],
    [3, 2],
    [2, 5],
    [2, 16],
    [3, 17],
    [2, 1023],
    [2, 1024],
    [2, 1025],
    [5, 5000],
    [1, 51865],
  ])('%i rows of %i, with and without a mask', (rows, vocab) => {
    const logits = randn(rows * vocab, 1, 3);
    const suppress = Float32Array.from(randn(vocab, 2), (v, i) => (v > 0 && i > 0 ? -Infinity : 0));
    for (const mask of [null, suppress]) {
      const expected = reference(logits, mask, vocab);
      for (const { name, ops } of backends) {
        const [tokens, logprobs] = [ints(rows), poisoned(rows)];
        ops.argmax!(tokens, logprobs, dense(logits, rows, vocab), mask && dense(mask, vocab));
        expect(Array.from(tokens.data), name).toEqual(expected.map(({ token }) => token));
        // An error of the sum is one of its logarithm; the sum is of positive terms and at least 1.
        const allowed = expected.map(({ logprob }) => (8 + Math.sqrt(vocab) + Math.abs(logprob)) * rounding);
        expectWithin(
          `${name}: logprobs`,
          logprobs.data,
          expected.map(({ logprob }) => logprob),
          allowed,
        );
      }
    }
  });

  it.each([3, 20, 3000])('of %i: the lowest index wins a tie, wherever the tie is', (vocab) => {
    for (const at of [0, 1, vocab - 2]) {
      const logits = new Float32Array(vocab).fill(-1);
      logits[at] = 2;
      logits[vocab - 1] = 2;
      for (const { name, ops } of backends) {
        const tokens = ints(1);
        ops.argmax!(tokens, poisoned(1), dense(logits, 1, vocab), null);
        expect(tokens.data[0], name).toBe(at);
      }
    }
  });

  it('takes the first NaN for the largest, as torch.argmax does, and says NaN', () => {
    for (const { name, ops } of backends) {
      for (const [vocab, at] of [
        [5, 2],
        [40, 39],
        [3000, 1500],
      ] as const) {
        const logits = randn(vocab, 1);
        logits[at] = Number.NaN;
        logits[vocab - 1] = Number.NaN;
        const [tokens, logprobs] = [ints(1), poisoned(1)];
        ops.argmax!(tokens, logprobs, dense(logits, 1, vocab), null);
        expect([tokens.data[0], logprobs.data[0]], name).toEqual([at, Number.NaN]);
      }
    }
  });

  it('says NaN when the mask leaves nothing, and a probability of 1 when it leaves one token', () => {
    const vocab = 37;
    for (const { name, ops } of backends) {
      const mask = new Float32Array(vocab).fill(-Infinity);
      const [tokens, logprobs] = [ints(1), poisoned(1)];
      ops.argmax!(tokens, logprobs, dense(randn(vocab, 1), 1, vocab), dense(mask, vocab));
      expect([tokens.data[0], logprobs.data[0]], name).toEqual([0, Number.NaN]);
      mask[30] = 0;
      ops.argmax!(tokens, logprobs, dense(randn(vocab, 1), 1, vocab), dense(mask, vocab));
      expect([tokens.data[0], logprobs.data[0]! + 0], name).toEqual([30, 0]);
    }
  });
});
