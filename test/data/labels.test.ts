// Labels of rows: their own language and task, against token lists written by hand.
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { labeller, spokenIn } from '../../src/data/labels.js';
import { WhisperTokenizer } from '../../src/processor/tokenizer.js';
import { folderOf, golden, tokenNames } from '../processor/tokenizer-folders.js';

let tokenizer: WhisperTokenizer;
let english: WhisperTokenizer;
beforeAll(async () => {
  tokenizer = await WhisperTokenizer.fromPretrained(fileURLToPath(golden));
  english = await WhisperTokenizer.fromPretrained(folderOf({ names: tokenNames(), isMultilingual: false }));
});

/** The start of the golden tokenizer's special tokens; see `tokenNames` for their order. */
const [eot, sot, en, de, es, translate, transcribe, notimestamps] = [400, 401, 402, 404, 405, 501, 502, 506];
const row = (more: object) => ({ id: 'train.tsv:7 a.mp3', text: '', audio: { path: 'a.mp3' }, ...more });

describe('the language and the task of a row', () => {
  it('go before those asked for', () => {
    const labels = labeller(tokenizer, { language: 'spanish' });
    expect(labels(row({}))).toEqual([sot, es, transcribe, notimestamps, eot]);
    expect(labels(row({ language: 'de' }))).toEqual([sot, de, transcribe, notimestamps, eot]);
    expect(labels(row({ language: 'English' }))).toEqual([sot, en, transcribe, notimestamps, eot]);
    expect(labels(row({ language: 'castilian', task: 'translate' }))).toEqual([
      sot,
      es,
      translate,
      notimestamps,
      eot,
    ]);
    expect(labels(row({ task: 'translate' }))).toEqual([sot, es, translate, notimestamps, eot]);
  });

  it('may be a locale', () => {
    for (const [locale, code] of [
      ['de-CH', 'de'],
      ['pt_br', 'pt'],
      ['zh-TW', 'zh'],
    ]) {
      expect(spokenIn(row({ language: locale }), tokenizer, {}).language).toBe(code);
    }
    expect(spokenIn(row({ language: 'haitian creole' }), tokenizer, {}).language).toBe('ht');
  });

  it('name the row where they are wrong', () => {
    const message = (more: object, defaults = {}) => {
      try {
        labeller(tokenizer, defaults)(row(more));
      } catch (error) {
        return { ...(error as object), message: (error as Error).message };
      }
      return undefined;
    };
    expect(message({ language: 'spanihs' })).toMatchObject({
      code: 'ERR_DATA',
      message: 'train.tsv:7 a.mp3: unknown language "spanihs": did you mean "spanish" (es)?',
    });
    expect(message({ language: 'ga-IE' })?.message).toContain('train.tsv:7 a.mp3: unknown language "ga-IE"');
    expect(message({ language: 'yue' })?.message).toContain('this model does not know cantonese');
    expect(message({ task: 'listen' }, { language: 'es' })?.message).toBe(
      'train.tsv:7 a.mp3: unknown task "listen": expected transcribe or translate',
    );
  });

  it('are English, and no token, to an English-only model', () => {
    const labels = labeller(english, {});
    expect(labels(row({ language: 'en' }))).toEqual([sot, notimestamps, eot]);
    expect(() => labels(row({ language: 'es' }))).toThrow(
      'train.tsv:7 a.mp3: language "es" was given, but this is an English-only model',
    );
  });

  it('leave wrong defaults to be found at once', () => {
    expect(() => labeller(tokenizer, { language: 'elvish' })).toThrow('unknown language "elvish"');
    expect(() => labeller(english, { language: 'en' })).toThrow('English-only');
  });
});
