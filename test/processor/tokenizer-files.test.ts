// Tokenizer folders: saved in every layout, read from each, damaged ones refused by name.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { WhisperTokenizer } from '../../src/processor/tokenizer.js';
import { folderOf, golden, goldenText, temporaryFolder, tokenNames } from './tokenizer-folders.js';

const FILES = [
  'added_tokens.json',
  'merges.txt',
  'normalizer.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'vocab.json',
];
const TEXTS = ["It's 5 o'clock.", '  日本語\n', '<|en|> the <|1.00|>', 'El perro corre'];

const readJson = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));

describe('savePretrained', () => {
  let folder: string;
  let tokenizer: WhisperTokenizer;
  beforeEach(async () => {
    folder = join(temporaryFolder(), 'new', 'folder');
    tokenizer = await WhisperTokenizer.fromPretrained(fileURLToPath(golden));
    await tokenizer.savePretrained(folder);
  });

  test('writes all files and no other', () => {
    expect(readdirSync(folder).sort()).toEqual(FILES);
    expect(readJson(folder, 'vocab.json')).toEqual(JSON.parse(goldenText('vocab.json')));
    expect(readFileSync(join(folder, 'merges.txt'), 'utf8')).toBe(goldenText('merges.txt'));
    expect(readJson(folder, 'added_tokens.json')).toEqual(JSON.parse(goldenText('added_tokens.json')));
    expect(readJson(folder, 'special_tokens_map.json')).toEqual(
      JSON.parse(goldenText('special_tokens_map.json')),
    );
    expect(readJson(folder, 'tokenizer_config.json')).toMatchObject({
      tokenizer_class: 'WhisperTokenizer',
      pad_token: '<|endoftext|>',
    });
    expect(readJson(folder, 'tokenizer.json').post_processor.single).toHaveLength(4);
    expect(Object.keys(readJson(folder, 'normalizer.json'))).toHaveLength(1740);
  });

  test.each([
    ['tokenizer.json', []],
    ['vocab.json and merges.txt', ['tokenizer.json']],
    [
      'them without names of special tokens',
      ['tokenizer.json', 'special_tokens_map.json', 'tokenizer_config.json'],
    ],
  ])('is read back equal from %s', async (_, missing) => {
    for (const name of missing) rmSync(join(folder, name));
    const again = await WhisperTokenizer.fromPretrained(folder);
    expect(again.vocabSize).toBe(tokenizer.vocabSize);
    for (const text of TEXTS) {
      expect(again.labels(text, { language: 'de' })).toEqual(tokenizer.labels(text, { language: 'de' }));
    }
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      expect(again.isSpecial(id)).toBe(tokenizer.isSpecial(id));
    }
  });

  test('saves into its own folder and passes on what it found there', async () => {
    writeFileSync(join(folder, 'normalizer.json'), '{"colour": "color"}');
    const json = readJson(folder, 'tokenizer.json');
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...json, truncation: { max_length: 9 } }));
    const config = {
      tokenizer_class: 'WhisperTokenizer',
      model_max_length: 77,
      extra_special_tokens: ['<|en|>'],
    };
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config));
    await (await WhisperTokenizer.fromPretrained(folder)).savePretrained(folder);
    expect(readJson(folder, 'normalizer.json')).toEqual({ colour: 'color' });
    expect(readJson(folder, 'tokenizer.json').truncation).toEqual({ max_length: 9 });
    const written = readJson(folder, 'tokenizer_config.json');
    expect(written.model_max_length).toBe(77);
    expect(written.extra_special_tokens).toBeUndefined();
    expect(written.additional_special_tokens.at(-1)).toBe('<|notimestamps|>');
    expect(written.additional_special_tokens).toHaveLength(107);
  });

  test('says what it cannot write', async () => {
    const path = join(folder, 'vocab.json');
    await expect(tokenizer.savePretrained(path)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(path),
    });
  });
});

test('merges as strings are read like pairs', async () => {
  const folder = temporaryFolder();
  const tokenizer = await WhisperTokenizer.fromPretrained(fileURLToPath(golden));
  await tokenizer.savePretrained(folder);
  const json = readJson(folder, 'tokenizer.json');
  json.model.merges = json.model.merges.map((pair: string[]) => pair.join(' '));
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json));
  const again = await WhisperTokenizer.fromPretrained(folder);
  expect(TEXTS.map((text) => again.encode(text))).toEqual(TEXTS.map((text) => tokenizer.encode(text)));
});

describe('damaged folders', () => {
  let folder: string;
  beforeEach(() => {
    folder = folderOf({ names: tokenNames() });
  });
  const put = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
  const refused = (code: string, message: RegExp) =>
    expect(WhisperTokenizer.fromPretrained(folder)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });

  test('no folder, no tokenizer', async () => {
    rmSync(join(folder, 'vocab.json'));
    await refused('ERR_FILE', /has no tokenizer: expected tokenizer\.json, or vocab\.json and merges\.txt/);
    folder = join(folder, 'nowhere');
    await refused('ERR_FILE', /nowhere has no tokenizer/);
  });

  test('no merges.txt', async () => {
    rmSync(join(folder, 'merges.txt'));
    await refused('ERR_FILE', /merges\.txt: no such file/);
  });

  test.each([
    ['vocab.json', '{"a": 1', /vocab\.json is not valid JSON/],
    ['vocab.json', '{"a": "1"}', /vocab\.json: a: expected/],
    ['vocab.json', '{"a": 1e12}', /vocab\.json: a/],
    ['vocab.json', Uint8Array.of(0x22, 0xff, 0x22), /vocab\.json is not valid UTF-8/],
    ['merges.txt', '#version: 0.2\n\na b c\n', /merges\.txt:3: expected two tokens, got "a b c"/],
    ['merges.txt', 'q q\n', /merges\.txt:1: vocab\.json has no token "qq"/],
    ['added_tokens.json', '[]', /added_tokens\.json/],
    ['tokenizer_config.json', '3', /tokenizer_config\.json/],
    ['tokenizer.json', '{"model": {}}', /tokenizer\.json: added_tokens/],
    ['generation_config.json', '{"is_multilingual": "no"}', /generation_config\.json: is_multilingual/],
  ])('%s containing %j', async (name, content, message) => {
    put(name, content);
    await refused('ERR_CONFIG', message);
  });

  test('a special token is missing', async () => {
    folder = folderOf({ names: tokenNames().filter((name) => name !== '<|startofprev|>') });
    await refused('ERR_CONFIG', /vocab\.json has no token <\|startofprev\|>/);
  });

  test('a byte is missing', async () => {
    const { '!': _, ...vocab } = JSON.parse(goldenText('vocab.json'));
    put('vocab.json', JSON.stringify(vocab));
    await refused('ERR_CONFIG', /vocab\.json has no token !/);
  });

  test('another kind of tokenizer', async () => {
    const other = temporaryFolder();
    await (await WhisperTokenizer.fromPretrained(folder)).savePretrained(other);
    const json = readJson(other, 'tokenizer.json');
    put('tokenizer.json', JSON.stringify({ ...json, normalizer: { type: 'NFC' } }));
    await refused('ERR_CONFIG', /tokenizer\.json: normalizer/);
    put('tokenizer.json', JSON.stringify({ ...json, model: { ...json.model, type: 'Unigram' } }));
    await refused('ERR_CONFIG', /tokenizer\.json: model\.type/);
  });
});
