// The normalisers against transformers' (test/golden/text/make.py), and what those cases do not show.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { basicNormalizer } from '../../src/processor/normalizers/basic.js';
import { englishNormalizer } from '../../src/processor/normalizers/english.js';
import { ENGLISH_SPELLINGS } from '../../src/processor/normalizers/english-spellings.js';

type Case = [text: string, basic: string, plain: string, split: string, english: string];
const cases: Case[] = JSON.parse(
  readFileSync(new URL('../golden/text/normalizer-cases.json', import.meta.url), 'utf8'),
);

describe('normalisers equal transformers', () => {
  const compare = (normalize: (text: string) => string, column: number) => {
    const got = cases.map((row) => [row[0], normalize(row[0])]);
    expect(got).toEqual(cases.map((row) => [row[0], row[column]]));
  };

  test('basic', () => compare(basicNormalizer, 1));
  test('basic, diacritics removed', () =>
    compare((text) => basicNormalizer(text, { removeDiacritics: true }), 2));
  test('basic, letters split', () => compare((text) => basicNormalizer(text, { splitLetters: true }), 3));
  test('English', () => compare(englishNormalizer, 4));
});

describe('normalisers', () => {
  test('keep lone surrogates and empty text', () => {
    expect(basicNormalizer('a\ud800b')).toBe('a\ud800b');
    expect(englishNormalizer('a \udc00')).toBe('a \udc00');
    expect(basicNormalizer('')).toBe('');
    expect(englishNormalizer('')).toBe('');
  });

  test('keep empty parentheses as two symbols', () => {
    expect(basicNormalizer('a()b (c)d')).toBe('a b d');
  });

  test('know numbers of any length', () => {
    const digits = '123456789'.repeat(600);
    expect(englishNormalizer(`${digits}.25 million`)).toBe(`${digits}250000`);
  });

  test('do not slow down on text that opens and never closes', () => {
    // Quadratic searches would need minutes here.
    const size = 300_000;
    expect(basicNormalizer('<'.repeat(size))).toBe(' ');
    expect(basicNormalizer('('.repeat(size))).toBe(' ');
    expect(englishNormalizer(' '.repeat(size)).trim()).toBe('');
  });

  test('take another spelling map', () => {
    expect(englishNormalizer('the colour of 10mm')).toBe('the color of 10 hmm');
    const spellings = new Map([...ENGLISH_SPELLINGS].filter(([word]) => word !== 'mm'));
    expect(englishNormalizer('the colour of 10mm', { spellings })).toBe('the color of 10 mm');
    expect(ENGLISH_SPELLINGS.size).toBe(1740);
  });
});
