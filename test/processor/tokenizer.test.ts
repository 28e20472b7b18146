// The tokenizer against transformers (test/golden/text/make.py), in every layout of special tokens.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type PromptOptions, WhisperTokenizer } from '../../src/processor/tokenizer.js';
import { folderOf, golden, tokenNames } from './tokenizer-folders.js';

interface EncodeCase {
  text: string;
  ids: number[];
  language: string | null;
  task: 'transcribe' | 'translate' | null;
  timestamps: boolean;
  labels: number[];
}
interface DecodeCase {
  ids: number[];
  text: string;
  special: string;
  timestamps?: string;
}
const cases: { encode: EncodeCase[]; decode: DecodeCase[] } = JSON.parse(
  readFileSync(new URL('../golden/text/tokenizer-cases.json', import.meta.url), 'utf8'),
);

let tokenizer: WhisperTokenizer;
beforeAll(async () => {
  tokenizer = await WhisperTokenizer.fromPretrained(fileURLToPath(golden));
});

describe('equals transformers', () => {
  test('encoding', () => {
    expect(cases.encode.map(({ text }) => tokenizer.encode(text))).toEqual(
      cases.encode.map(({ ids }) => ids),
    );
  });

  test('label rows', () => {
    const labels = cases.encode.map(({ text, language, task, timestamps }) =>
      tokenizer.labels(text, { language: language ?? undefined, task: task ?? undefined, timestamps }),
    );
    expect(labels).toEqual(cases.encode.map((given) => given.labels));
  });

  test('decoding', () => {
    for (const { ids, text, special, timestamps } of cases.decode) {
      expect([ids, tokenizer.decode(ids)]).toEqual([ids, text]);
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(special);
      if (timestamps !== undefined) expect(tokenizer.decode(ids, { timestamps: true })).toBe(timestamps);
    }
  });
});

test("white space is Unicode's, without U+FEFF", async () => {
  // Tokens across a border exist, so that the borders of words show: "\ufeff!" is one word, "\n!" is two.
  const merges = ['» ¿', 'ï »¿', 'ï»¿ !', 'Ċ !'];
  const merged = await WhisperTokenizer.fromPretrained(folderOf({ names: tokenNames(), merges }));
  expect(merged.encode('\ufeff!')).toEqual([merged.tokenId('ï»¿!')]);
  expect(merged.encode('\n!')).toEqual([merged.tokenId('Ċ'), merged.tokenId('!')]);
});

describe('decode', () => {
  test('gives back what was encoded, a lone surrogate as U+FFFD', () => {
    expect(tokenizer.decode(tokenizer.encode('\ufeff naïve  日本 👩‍👩‍👧\n'))).toBe(
      '\ufeff naïve  日本 👩‍👩‍👧\n',
    );
    expect(tokenizer.decode(tokenizer.encode('a\ud800b\udc00'))).toBe('a\ufffdb\ufffd');
  });

  test('leaves out what is no token, and nothing else', () => {
    expect(tokenizer.decode([])).toBe('');
    const ids = tokenizer.encode('hello');
    expect(tokenizer.decode([-100, ...ids, 1_000_000, tokenizer.eot, -100])).toBe('hello');
  });

  test('writes broken UTF-8 as U+FFFD, also before a timestamp', () => {
    const [lead, tail] = [tokenizer.tokenId('Ã')!, tokenizer.tokenId('©')!]; // C3 A9
    expect(tokenizer.decode([lead, tail])).toBe('é');
    expect(tokenizer.decode([lead])).toBe('\ufffd');
    expect(tokenizer.decode([lead, tokenizer.eot, tail])).toBe('é');
    expect(tokenizer.decode([lead, tokenizer.timestampBegin, tail])).toBe('\ufffd\ufffd');
  });
});

describe('promptTokens', () => {
  const id = (name: string) => tokenizer.tokenId(name)!;

  test('has language, task and no timestamps', () => {
    expect(tokenizer.promptTokens()).toEqual([tokenizer.sot, tokenizer.notimestamps]);
    expect(tokenizer.promptTokens({ task: 'transcribe', timestamps: true })).toEqual([tokenizer.sot]);
    expect(tokenizer.promptTokens({ language: 'Spanish' })).toEqual([
      tokenizer.sot,
      id('<|es|>'),
      tokenizer.transcribe,
      tokenizer.notimestamps,
    ]);
    expect(tokenizer.promptTokens({ language: 'fr', task: 'translate', timestamps: true })).toEqual([
      tokenizer.sot,
      id('<|fr|>'),
      tokenizer.translate,
    ]);
  });

  test.each<[PromptOptions, RegExp]>([
    [{ language: 'klingon' }, /unknown language "klingon"/],
    [{ language: 'yue' }, /no token <\|yue\|>: this model does not know cantonese/],
    [{ task: 'translate' }, /needs a language/],
    [{ language: 'en', task: 'summarise' as 'translate' }, /unknown task "summarise"/],
  ])('refuses %j', (options, message) => {
    expect(() => tokenizer.promptTokens(options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    );
  });
});

describe('layouts', () => {
  test('multilingual', () => {
    expect(tokenizer.isMultilingual).toBe(true);
    expect(tokenizer.vocabSize).toBe(400 + 1608);
    expect([tokenizer.eot, tokenizer.sot, tokenizer.timestampBegin]).toEqual([400, 401, 507]);
    expect(tokenizer.languages.size).toBe(99);
    expect(tokenizer.languages.get('en')).toBe(402);
    expect(tokenizer.isSpecial(tokenizer.notimestamps)).toBe(true);
    expect(tokenizer.isSpecial(tokenizer.timestampBegin)).toBe(false);
    expect(tokenizer.isTimestamp(507) && tokenizer.isTimestamp(2007)).toBe(true);
    expect(tokenizer.isTimestamp(506) || tokenizer.isTimestamp(2008)).toBe(false);
  });

  test('large-v3 knows Cantonese', async () => {
    const v3 = await WhisperTokenizer.fromPretrained(folderOf({ names: tokenNames({ cantonese: true }) }));
    expect(v3.languages.get('yue')).toBe(v3.sot + 100);
    expect(v3.promptTokens({ language: 'cantonese' })[1]).toBe(v3.sot + 100);
    expect(v3.translate).toBe(v3.sot + 101);
    expect(v3.vocabSize).toBe(tokenizer.vocabSize + 1);
  });

  test('old files call it nocaptions and list no timestamps', async () => {
    const names = tokenNames({ nospeech: 'nocaptions', timestamps: false });
    const old = await WhisperTokenizer.fromPretrained(folderOf({ names }));
    expect(old.nospeech).toBe(tokenizer.nospeech);
    expect(old.timestampBegin).toBe(tokenizer.timestampBegin);
    expect(old.decode([old.timestampBegin + 54, ...old.encode('it')], { timestamps: true })).toBe(
      '<|1.08|>it',
    );
    expect(old.vocabSize).toBe(tokenizer.timestampBegin);
  });

  test.each([
    ["GPT-2's vocabulary", { fill: 50256 }],
    ['generation_config.json', { isMultilingual: false }],
  ])('English-only by %s', async (_, layout) => {
    const english = await WhisperTokenizer.fromPretrained(folderOf({ names: tokenNames(), ...layout }));
    expect(english.isMultilingual).toBe(false);
    expect(english.labels('it')).toEqual([
      english.sot,
      english.notimestamps,
      ...english.encode('it'),
      english.eot,
    ]);
    for (const options of [{ language: 'en' }, { task: 'translate' as const }]) {
      expect(() => english.promptTokens(options)).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringContaining('English-only'),
        }),
      );
    }
  });
});

describe('suppressed tokens', () => {
  test('are single tokens of symbols and the first ones of notes, never a bare space', () => {
    const tokens = tokenizer.nonSpeechTokens();
    const [space] = tokenizer.encode(' ');
    expect(tokens).toContain(tokenizer.tokenId('#'));
    expect(tokens).toContain(tokenizer.encode('♪')[0]);
    expect(tokens).not.toContain(space);
    expect(tokens).not.toContain(tokenizer.tokenId("'"));
    expect(tokens).not.toContain(tokenizer.tokenId(','));
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    expect(tokenizer.beginSuppressTokens()).toEqual([space, tokenizer.eot]);
    const { sot, translate, transcribe, lm, prev, nospeech } = tokenizer;
    expect(tokenizer.suppressTokens()).toEqual([...tokens, sot, translate, transcribe, lm, prev, nospeech]);
  });
});
