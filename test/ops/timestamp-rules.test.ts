// The operation timestamp_rules of native/ops.def against openai/whisper decoding.py: ApplyTimestampRules, written down
// statement by statement in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, type Operand, randint, randn, spaced } from '../helpers/ops.js';

interface Rules extends Record<string, number> {
  begin: number;
  endOfText: number;
  noTimestamps: number;
  maxInitial: number;
}

function logSum(x: number[]): number {
  const top = Math.max(...x);
  return top === -Infinity ? top : top + Math.log(x.reduce((s, v) => s + Math.exp(v - top), 0));
}

/** ApplyTimestampRules.apply for one row; `sampled` is tokens[k, sample_begin:]. */
function apply(
  logits: Float32Array,
  sampled: number[],
  mask: Float32Array | null,
  rules: Rules,
): Float32Array {
  const { begin, endOfText, noTimestamps, maxInitial } = rules;
  const out = logits.slice();
  out[noTimestamps] = -Infinity;
  const lastWasTimestamp = sampled.length >= 1 && sampled.at(-1)! >= begin;
  const penultimateWasTimestamp = sampled.length < 2 || sampled.at(-2)! >= begin;
  if (lastWasTimestamp) {
    if (penultimateWasTimestamp) out.fill(-Infinity, begin);
    else out.fill(-Infinity, 0, endOfText);
  }
  const timestamps = sampled.filter((token) => token >= begin);
  if (timestamps.length > 0) {
    const least = lastWasTimestamp && !penultimateWasTimestamp ? timestamps.at(-1)! : timestamps.at(-1)! + 1;
    out.fill(-Infinity, begin, least);
  }
  if (sampled.length === 0) {
    out.fill(-Infinity, 0, begin);
    if (maxInitial >= 0) out.fill(-Infinity, begin + maxInitial + 1);
  }
  const x = Array.from(out, (v, i) => v + (mask?.[i] ?? 0));
  if (logSum(x.slice(begin)) > Math.max(...x.slice(0, begin))) out.fill(-Infinity, 0, begin);
  return out;
}

/** Runs the operation on rows that have the same number of past tokens, and the reference on each. */
function check(
  logits: Float32Array,
  past: number[][],
  mask: Float32Array | null,
  rules: Rules,
  operand?: Operand | null,
) {
  const rows = past.length;
  const [vocab, length] = [logits.length / rows, past[0]!.length];
  const given = operand === undefined ? dense(Int32Array.from(past.flat()), rows, length) : operand;
  const expected = past.flatMap((tokens, r) =>
    Array.from(apply(logits.subarray(r * vocab, (r + 1) * vocab), tokens, mask, rules)),
  );
  for (const { name, ops } of backends) {
    const x = dense(logits, rows, vocab);
    ops.timestampRules!(x, given, mask && dense(mask, vocab), rules);
    expectSame(`${name}, ${past.join(' | ')}`, elements(x), expected);
  }
  return expected;
}

/** Of 40 tokens: text to 17, special to 25 with noTimestamps the last, timestamps from 26 on. */
const small: Rules = { begin: 26, endOfText: 18, noTimestamps: 25, maxInitial: 4 };
const textWins = (logits: Float32Array, begin: number, vocab: number) =>
  logits.map((v, i) => (i % vocab < begin ? v + 8 : v));

describe('timestampRules', () => {
  const [text, stamp] = [5, 30];
  it.each([
    ['text', [text]],
    ['a timestamp', [stamp]],
    ['the last timestamp', [39]],
    ['text and text', [text, text]],
    ['text and a timestamp', [text, stamp]],
    ['text and the last timestamp', [text, 39]],
    ['a timestamp and text', [stamp, text]],
    ['two timestamps', [stamp, stamp + 1]],
    ['a segment', [26, text, text, stamp]],
    ['a segment and the beginning of one', [26, text, stamp, stamp]],
    ['a segment and some of the next', [26, text, stamp, stamp, text, 7]],
    ['special tokens', [26, 20, 24]],
    ['a timestamp before an earlier one', [stamp, text, 27, 27, text]],
  ])('behind %s', (_, tokens) => {
    const logits = randn(40, 3);
    for (const x of [logits, textWins(logits, small.begin, 40)])
      for (const mask of [null, Float32Array.from({ length: 40 }, (_, i) => (i % 4 === 1 ? -Infinity : 0))])
        check(x, [tokens], mask, small);
  });

  it.each([-1, 0, 4, 13, 50])('begins with a timestamp of at most %i', (maxInitial) => {
    const rules = { ...small, maxInitial };
    for (const operand of [null, dense(new Int32Array(0), 2, 0)]) {
      const y = check(randn(80, 4), [[], []], null, rules, operand);
      const last = maxInitial < 0 ? 39 : Math.min(39, 26 + maxInitial);
      expect(y.flatMap((v, i) => (v === -Infinity ? [] : [i % 40])).slice(-1)).toEqual([last]);
    }
  });

  it('takes many rows, each with a past of its own, of the vocabulary of Whisper', () => {
    const [rows, vocab, length] = [6, 51865, 9];
    const rules = { begin: 50364, endOfText: 50257, noTimestamps: 50363, maxInitial: 50 };
    for (const share of [0.1, 0.5, 0.9]) {
      const [kind, words, stamps] = [1, 2, 3].map((seed) => randint(rows * length, seed, 1000));
      const past = Array.from({ length: rows }, (_, r) =>
        Array.from({ length }, (_, i) => {
          const at = r * length + i;
          return kind![at]! < share * 1000 ? 50364 + stamps![at]! : words![at]!;
        }),
      );
      const logits = randn(rows * vocab, 5, 2);
      check(logits, past, null, rules);
      check(textWins(logits, 40, vocab), past, null, rules);
    }
  });

  it('weighs all timestamps together against the best of the text that the mask leaves', () => {
    // 14 timestamps of 0 are log 14 = 2.64 together.
    const of = (best: number) => new Float32Array(40).map((_, i) => (i === 3 ? best : i < 26 ? -9 : 0));
    const mask = new Float32Array(40);
    mask[3] = -Infinity;
    const forbidden = (y: number[]) => y[4] === -Infinity;
    expect(forbidden(check(of(2.6), [[text]], null, small))).toBe(true);
    expect(forbidden(check(of(2.7), [[text]], null, small))).toBe(false);
    expect(forbidden(check(of(2.7), [[text]], mask, small))).toBe(true);
  });

  it('reads past tokens in spaced rows', () => {
    const past = [
      [26, text, stamp],
      [stamp, stamp, text],
    ];
    const room = spaced(null, 2, 1, 3);
    const data = new Int32Array(room.data.length).fill(39);
    for (const [r, row] of past.entries()) data.set(row, 3 + r * room.batchStride!);
    check(randn(80, 6), past, null, small, { ...room, data });
  });

  it('leaves text beside timestamps where one of the probabilities is NaN', () => {
    for (const at of [3, 30]) {
      const logits = new Float32Array(40);
      logits[at] = Number.NaN;
      for (const { name, ops } of backends) {
        const x = dense(logits, 1, 40);
        ops.timestampRules!(x, dense(Int32Array.of(text), 1, 1), null, small);
        const expected = logits.slice();
        expected[small.noTimestamps] = -Infinity;
        expectSame(`${name}, NaN at ${at}`, x.data, expected);
      }
    }
  });

  it.each([
    [{ begin: 40 }, 'begin is 40, expected at least 1 and below 40'],
    [{ endOfText: 26 }, 'end_of_text is 26, expected at least 0 and below 26'],
    [{ noTimestamps: -1 }, 'no_timestamps is -1, expected at least 0 and below 26'],
    [{ maxInitial: -2 }, 'max_initial is -2, expected at least -1'],
  ])('refuses %o', (change, message) => {
    for (const { ops } of backends)
      expect(() =>
        ops.timestampRules!(dense(randn(40, 1), 1, 40), null, null, { ...small, ...change }),
      ).toThrow(`timestamp_rules: ${message}`);
  });
});
