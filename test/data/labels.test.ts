// Labels of rows: their own language and task, times and prompts, against token lists written by hand and by transformers.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Row, TimedText } from '../../src/data/dataset.js';
import { RowDraws } from '../../src/data/draws.js';
import { type LabelOptions, labelsOf, localeLanguage, spokenIn } from '../../src/data/labels.js';
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
const [startofprev, time0] = [504, 507];
const row = (more: object) => ({ id: 'train.tsv:7 a.mp3', text: '', audio: { path: 'a.mp3' }, ...more });

/** The draws of a row in a pass. */
const drawn = (id = 'a', pass = 0) => new RowDraws(42, pass, id);
const labeller = (of: WhisperTokenizer, options: LabelOptions) => {
  const { labels } = labelsOf(of, options);
  return (given: Row, seconds = 30, draws = drawn()) => labels(given, { seconds, draws });
};

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
    // The whole goes first: a language that was added may be called so.
    expect(localeLanguage('es-EX', new Map([['es-ex', 7]]))).toBe('es-ex');
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
    expect(() => labelsOf(tokenizer, { language: 'elvish' })).toThrow('unknown language "elvish"');
    expect(() => labelsOf(english, { language: 'en' })).toThrow('English-only');
  });
});

/** What transformers' tokenizer makes (test/golden/text/make-prompts.py). */
const cases: {
  prompts: { text: string; ids: number[] }[];
  timed: { language: string; segments: TimedText[]; labels: number[] }[];
} = JSON.parse(readFileSync(new URL('../golden/text/prompt-cases.json', import.meta.url), 'utf8'));

describe('times in labels', () => {
  it('equal transformers, with a space before each text but in languages without', () => {
    for (const { language, segments, labels } of cases.timed) {
      const said = row({ text: 'not looked at', language, segments });
      expect(labeller(tokenizer, { timestamps: 1 })(said)).toEqual(labels);
    }
  });

  const timesOf = (more: object, seconds: number) =>
    labeller(tokenizer, { timestamps: 1, language: 'en' })(row({ text: 'a', ...more }), seconds)
      .filter((token) => token >= time0)
      .map((token) => (token - time0) / 50);

  it('are those of the whole clip where a row has no segments', () => {
    const a = tokenizer.encode(' a');
    expect(labeller(tokenizer, { timestamps: 1, language: 'en' })(row({ text: 'a ' }), 1.234)).toEqual([
      ...[sot, en, transcribe, time0, ...a, time0 + 61, eot],
    ]);
    expect(timesOf({}, 30)).toEqual([0, 30]);
    expect(timesOf({ segments: [] }, 2)).toEqual([0, 2]);
  });

  it('are rounded to 0.02 s, in order, and within the clip', () => {
    const segments = [
      { start: -1, end: 0.509, text: 'a' },
      { start: 0.49, end: 0.8111, text: 'a' },
      { start: 1.2, end: 1.1, text: 'a' },
      { start: 1.3, end: 1.3, text: ' ' },
      { start: 1.99, end: 7, text: 'a' },
      { start: 8, end: 9, text: 'a' },
    ];
    expect(timesOf({ segments }, 2.019)).toEqual([0, 0.5, 0.5, 0.82, 1.2, 1.2, 2, 2, 2, 2]);
  });

  it('are in the share of the rows asked for, drawn for each row and pass', () => {
    const labels = labeller(tokenizer, { timestamps: 0.3 });
    const timed = (id: string, pass = 0) => !labels(row({ text: 'a' }), 3, drawn(id, pass)).includes(506);
    const ids = Array.from({ length: 1000 }, (_, i) => `row ${i}`);
    const share = ids.filter((id) => timed(id)).length;
    // A deviation is 14.5 rows.
    expect(Math.abs(share - 300)).toBeLessThan(60);
    expect(ids.some((id) => timed(id) && !timed(id, 1))).toBe(true);
  });

  it('are not in rows in which nothing is said', () => {
    expect(labeller(tokenizer, { timestamps: 1 })(row({ text: ' ' }))).toContain(506);
  });
});

describe('prompts', () => {
  const prompter = (options: LabelOptions) => {
    const { prompt } = labelsOf(tokenizer, options);
    return (more: object, most = 100, id = 'a') => prompt(row(more), { seconds: 1, draws: drawn(id) }, most);
  };

  it('equal transformers', () => {
    const prompt = prompter({ prompts: 1 });
    for (const { text, ids } of cases.prompts) expect(prompt({ previous: text })).toEqual(ids);
  });

  it('keep the end of a long text, as far as there is room', () => {
    const tokens = tokenizer.encode(' the quick brown fox jumps over the lazy dog');
    const previous = 'the quick brown fox jumps over the lazy dog';
    expect(prompter({ prompts: 1, maxPrompt: 5 })({ previous })).toEqual([startofprev, ...tokens.slice(-4)]);
    expect(prompter({ prompts: 1, maxPrompt: 50 })({ previous }, 3)).toEqual([
      startofprev,
      ...tokens.slice(-2),
    ]);
    expect(prompter({ prompts: 1 })({ previous }, 1)).toEqual([]);
  });

  it('are there only for a share of the rows that have a previous text', () => {
    const prompt = prompter({ prompts: 0.5 });
    expect(prompt({})).toEqual([]);
    expect(prompter({ prompts: 1 })({ previous: ' ' })).toEqual([]);
    const ids = Array.from({ length: 1000 }, (_, i) => `row ${i}`);
    const share = ids.filter((id) => prompt({ previous: 'a' }, 100, id).length > 0).length;
    expect(Math.abs(share - 500)).toBeLessThan(65);
    expect(ids.some((id) => prompter({})({ previous: 'a' }, 100, id).length > 0)).toBe(false);
  });

  it('refuse special tokens, as transformers does', () => {
    expect(() => prompter({ prompts: 1 })({ previous: 'a <|es|> b' })).toThrow(
      'train.tsv:7 a.mp3: the previous text must be text, and it has the token <|es|>',
    );
  });
});
