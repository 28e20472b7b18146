// Error rates against a whole-matrix alignment written in Python (test/golden/text/make.py), and by hand.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { characterErrorRate, wordErrorRate } from '../../src/evaluate/wer.js';

type Edits = [substitutions: number, deletions: number, insertions: number, hits: number];
const cases: [reference: string, hypothesis: string, words: Edits, characters: Edits][] = JSON.parse(
  readFileSync(new URL('../golden/text/wer-cases.json', import.meta.url), 'utf8'),
);

const parts = (counts: {
  substitutions: number;
  deletions: number;
  insertions: number;
  hits: number;
}): Edits => [counts.substitutions, counts.deletions, counts.insertions, counts.hits];

describe('wordErrorRate', () => {
  test('counts what the whole matrix counts', () => {
    const filled = cases.filter(([reference]) => reference !== '');
    expect(filled.length).toBeGreaterThan(70);
    for (const [reference, hypothesis, words, characters] of filled) {
      expect([reference, hypothesis, parts(wordErrorRate([reference], [hypothesis]))]).toEqual([
        reference,
        hypothesis,
        words,
      ]);
      expect(parts(characterErrorRate([reference], [hypothesis]))).toEqual(characters);
    }
  });

  test('is a rate of the corpus in percent, not a mean of rates', () => {
    const result = wordErrorRate(['a b c d', 'e'], ['a x c', 'e f g']);
    expect(result).toEqual({
      wer: 80,
      substitutions: 1,
      deletions: 1,
      insertions: 2,
      hits: 3,
      referenceLength: 5,
    });
  });

  test('can exceed 100, and an empty reference adds insertions', () => {
    expect(wordErrorRate(['a', ''], ['x y', 'z']).wer).toBe(300);
    expect(wordErrorRate(['a', ''], ['x y', 'z']).referenceLength).toBe(1);
  });

  test('splits words as jiwer does', () => {
    expect(wordErrorRate(['  a   b\t\tc\n'], ['a b c']).wer).toBe(0);
    expect(wordErrorRate(['a\tb'], ['a b']).referenceLength).toBe(1);
    expect(wordErrorRate(['a\ufeff b'], ['a b']).substitutions).toBe(1);
  });

  test('finds few edits in long texts and many in different ones', () => {
    const words = Array.from({ length: 30_000 }, (_, i) => `w${i % 977}`);
    const changed = words.filter((_, i) => i % 1000 !== 500).map((word, i) => (i % 1500 === 7 ? 'x' : word));
    const { substitutions, deletions, insertions } = wordErrorRate([words.join(' ')], [changed.join(' ')]);
    expect([substitutions, deletions, insertions]).toEqual([20, 30, 0]);
    // A rotation: nothing to gain near the diagonal.
    const distinct = Array.from({ length: 200 }, (_, i) => `u${i}`);
    const rotated = [...distinct.slice(70), ...distinct.slice(0, 70)];
    const rotation = wordErrorRate([distinct.join(' ')], [rotated.join(' ')]);
    expect(rotation).toMatchObject({ substitutions: 0, deletions: 70, insertions: 70, hits: 130 });
    const other = Array.from({ length: 1000 }, (_, i) => `v${i}`).join(' ');
    expect(wordErrorRate([words.slice(0, 700).join(' ')], [other])).toMatchObject({
      substitutions: 700,
      insertions: 300,
      hits: 0,
    });
  });

  test('refuses what has no rate', () => {
    const fails = (references: string[], hypotheses: string[], code: string) =>
      expect(() => wordErrorRate(references, hypotheses)).toThrow(expect.objectContaining({ code }));
    fails(['a'], [], 'ERR_INVALID_ARGUMENT');
    fails(['', ' '], ['a', ''], 'ERR_DATA');
    fails([], [], 'ERR_DATA');
  });
});

describe('characterErrorRate', () => {
  test('counts code points and inner spaces', () => {
    expect(characterErrorRate([' 日本 語'], ['日本語 '])).toEqual({
      cer: 25,
      substitutions: 0,
      deletions: 1,
      insertions: 0,
      hits: 3,
      referenceLength: 4,
    });
    expect(characterErrorRate(['👍🏽'], ['👍']).cer).toBe(50);
  });
});
