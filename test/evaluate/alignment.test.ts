// Alignments for display: they must tell the same edits as the error rates.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AlignedUnit, align, charactersOf, countEdits, wordsOf } from '../../src/evaluate/alignment.js';
import { wordErrorRate } from '../../src/evaluate/wer.js';

const aligned = (reference: string, hypothesis: string) => align(wordsOf(reference), wordsOf(hypothesis));

function count(units: readonly AlignedUnit[], edit: AlignedUnit['edit']): number {
  return units.filter((unit) => unit.edit === edit).length;
}

const side = (units: readonly AlignedUnit[], name: 'reference' | 'hypothesis') =>
  units.flatMap((unit) => (name in unit ? [(unit as Record<typeof name, string>)[name]] : []));

describe('align', () => {
  test('lays both texts out unit by unit', () => {
    expect(aligned('one cat sat on the mat', 'a cat sat the mat now')).toEqual([
      { edit: 'substitution', reference: 'one', hypothesis: 'a' },
      { edit: 'hit', reference: 'cat', hypothesis: 'cat' },
      { edit: 'hit', reference: 'sat', hypothesis: 'sat' },
      { edit: 'deletion', reference: 'on' },
      { edit: 'hit', reference: 'the', hypothesis: 'the' },
      { edit: 'hit', reference: 'mat', hypothesis: 'mat' },
      { edit: 'insertion', hypothesis: 'now' },
    ]);
    expect(aligned('', 'a b')).toEqual([
      { edit: 'insertion', hypothesis: 'a' },
      { edit: 'insertion', hypothesis: 'b' },
    ]);
    expect(aligned('a', '')).toEqual([{ edit: 'deletion', reference: 'a' }]);
    expect(aligned('', '')).toEqual([]);
  });

  test('tells the edits that the word error rate counts, whatever the texts', () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 24 });
    fc.assert(
      fc.property(text, text, (reference, hypothesis) => {
        const units = align(reference, hypothesis);
        expect(side(units, 'reference')).toEqual(reference);
        expect(side(units, 'hypothesis')).toEqual(hypothesis);
        const counts = countEdits(reference, hypothesis);
        expect([count(units, 'substitution'), count(units, 'deletion'), count(units, 'insertion')]).toEqual([
          counts.substitutions,
          counts.deletions,
          counts.insertions,
        ]);
        if (reference.length === 0) return;
        expect(wordErrorRate([reference.join(' ')], [hypothesis.join(' ')])).toMatchObject(counts);
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  test('and where the band has to widen', () => {
    // A rotation by 70: the shortest path leaves the band of 32 and the one of 64.
    const words = Array.from({ length: 200 }, (_, i) => `w${i}`);
    const units = align(words, [...words.slice(70), ...words.slice(0, 70)]);
    expect(count(units, 'deletion')).toBe(70);
    expect(count(units, 'insertion')).toBe(70);
    expect(side(units, 'reference')).toEqual(words);
  });
});

test('characters are code points with the spaces inside', () => {
  expect(charactersOf(' 日本 👍\n')).toEqual(['日', '本', ' ', '👍']);
});
