// Scripts of languages: every language has one, and texts are told apart by their letters.
import { describe, expect, it } from 'vitest';
import { countLetters, scriptsOf } from '../../src/data/scripts.js';
import { LANGUAGES } from '../../src/processor/languages.js';

describe('scripts', () => {
  it('are ones that Unicode has, for every language of the model', () => {
    for (const code of LANGUAGES.keys()) {
      expect(() => countLetters('text', code), code).not.toThrow();
    }
    expect(scriptsOf('es')).toEqual(['Latin']);
    expect(scriptsOf('sr')).toEqual(['Cyrillic', 'Latin']);
  });

  it.each([
    ['es', '¿Qué pasó, niño? 100 %', 11, 11],
    ['ru', 'Привет, Windows!', 13, 6],
    ['hi', 'हिन्दी में', 4, 4],
    ['ja', 'コーヒーを飲む。', 7, 7],
    ['zh', '我喜欢カフェ', 6, 3],
    ['ko', '안녕 hello', 7, 2],
    ['ar', 'مرحبا', 5, 5],
    ['sr', 'Добар dan', 8, 8],
    ['el', 'μ', 1, 1],
    ['en', '1984 ?!', 0, 0],
  ])('of %s in %s: %i letters, %i of them usual', (code, text, letters, usual) => {
    expect(countLetters(text, code)).toEqual({ letters, usual });
  });
});
