// Languages by code, name and alias, and the help for misspelled ones.
import { describe, expect, test } from 'vitest';
import { LANGUAGE_ALIASES, LANGUAGES, languageCode } from '../../src/processor/languages.js';

describe('languages', () => {
  test('are the hundred of large-v3 in token order', () => {
    const codes = [...LANGUAGES.keys()];
    expect(codes).toHaveLength(100);
    expect(codes.slice(0, 4)).toEqual(['en', 'zh', 'de', 'es']);
    expect(codes.slice(-2)).toEqual(['su', 'yue']);
    expect(LANGUAGES.get('ht')).toBe('haitian creole');
  });

  test.each([
    ['es', 'es'],
    ['Spanish', 'es'],
    [' CASTILIAN ', 'es'],
    ['haitian creole', 'ht'],
    ['mandarin', 'zh'],
    ['yue', 'yue'],
  ])('%j is %s', (given, code) => {
    expect(languageCode(given)).toBe(code);
  });

  test('every alias leads to a language', () => {
    for (const [alias, code] of LANGUAGE_ALIASES) {
      expect(LANGUAGES.has(code)).toBe(true);
      expect(languageCode(alias)).toBe(code);
    }
  });

  test.each([
    ['spansih', /unknown language "spansih": did you mean "spanish" \(es\)/],
    ['Germn', /"german" \(de\)/],
    ['loa', /"lao" \(lo\)/],
    ['portug', /"portuguese" \(pt\)/],
    ['klingon', /unknown language "klingon": expected a name such as/],
    ['', /unknown language "": expected/],
    ['xx', /unknown language "xx": expected/],
  ])('%j is refused with help', (given, message) => {
    expect(() => languageCode(given)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});
