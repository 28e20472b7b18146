// A larger vocabulary: new tokens and languages behind those of a model, saved, loaded again and trained.
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Whisper } from '../../src/model/whisper.js';
import type { NativeModel } from '../../src/native.js';
import { editJson, makeDataset, makeModel, run, temporaryFolder } from '../cli/fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
const json = (...path: string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));
beforeAll(() => makeModel(at('model')));

const WORDS = { addLanguages: ['gsw:de', 'xx'], addTokens: ['<|noise|>', 'Grüezi'] };
const open = (name: string, options = {}) => Whisper.fromPretrained(at(name), { device: 'cpu', ...options });

/** Rows of the embedding. */
async function rowsOf(native: NativeModel): Promise<(id: number) => Float32Array> {
  const { data, shape } = await native.read('model.decoder.embed_tokens.weight', 'value');
  return (id) => data.subarray(id * shape[1]!, (id + 1) * shape[1]!);
}

describe('new tokens and languages', () => {
  it('come behind all that is there, and begin as they are told', async () => {
    await using before = await open('model');
    await using after = await open('model', WORDS);
    const first = before.config.vocab_size;
    expect(after.config.vocab_size).toBe(first + 4);
    const { tokenizer, generation } = after;
    expect([tokenizer.languageToken('gsw'), tokenizer.languageToken('<|xx|>')]).toEqual([first, first + 1]);
    expect([tokenizer.tokenId('<|noise|>'), tokenizer.tokenId('Grüezi')]).toEqual([first + 2, first + 3]);
    expect(tokenizer.timestampBegin).toBe(before.tokenizer.timestampBegin);
    expect(generation.lang_to_id).toMatchObject({ '<|gsw|>': first, '<|xx|>': first + 1 });
    const [old, now] = [await rowsOf(before.native), await rowsOf(after.native)];
    for (const id of [0, 100, first - 1]) expect(now(id)).toEqual(old(id));
    expect(now(first)).toEqual(old(tokenizer.languageToken('de')));
    const mean = Float64Array.from({ length: old(0).length }, (_, i) => {
      let sum = 0;
      for (let id = 0; id < first; id++) sum += old(id)[i]!;
      return sum / first;
    });
    const off = (id: number) => Math.max(...now(id).map((x, i) => Math.abs(x - mean[i]!)));
    for (const id of [first + 1, first + 2, first + 3]) {
      expect(off(id)).toBeGreaterThan(0);
      expect(off(id)).toBeLessThan(0.02);
    }
    expect(now(first + 1)).not.toEqual(now(first + 2));
    await using again = await open('model', WORDS);
    expect((await rowsOf(again.native))(first + 2)).toEqual(now(first + 2));
  });

  it('are texts and prompts', async () => {
    await using model = await open('model', WORDS);
    const { tokenizer } = model;
    const labels = tokenizer.labels('Grüezi mitenand', { language: 'gsw' });
    expect(labels[1]).toBe(tokenizer.languageToken('gsw'));
    expect(labels).toContain(tokenizer.tokenId('Grüezi'));
    expect(tokenizer.decode(labels)).toBe('Grüezi mitenand');
    expect(tokenizer.decode(labels, { skipSpecialTokens: false })).toContain('<|gsw|>');
    expect(tokenizer.isSpecial(tokenizer.tokenId('Grüezi')!)).toBe(false);
  });

  it('stay through saving and loading, in every file that others read', async () => {
    await using model = await open('model', WORDS);
    await model.savePretrained(at('saved'));
    await using again = await open('saved');
    expect(again.config.vocab_size).toBe(model.config.vocab_size);
    expect([...again.tokenizer.languages]).toEqual([...model.tokenizer.languages]);
    const id = model.tokenizer.tokenId('Grüezi')!;
    expect((await rowsOf(again.native))(id)).toEqual((await rowsOf(model.native))(id));
    expect(json('saved', 'config.json').vocab_size).toBe(model.config.vocab_size);
    expect(json('saved', 'added_tokens.json')).toMatchObject({ Grüezi: id, '<|gsw|>': id - 3 });
    expect(json('saved', 'tokenizer.json').added_tokens.slice(-4)).toMatchObject([
      { content: '<|gsw|>', special: true },
      { content: '<|xx|>', special: true },
      { content: '<|noise|>', special: true },
      { content: 'Grüezi', special: false, id },
    ]);
    // transformers takes the token behind the last of these for the first timestamp.
    expect(json('saved', 'special_tokens_map.json').additional_special_tokens.at(-1)).toBe(
      '<|notimestamps|>',
    );
    await using more = await open('saved', { addLanguages: ['yy:gsw'] });
    expect(more.tokenizer.languageToken('yy')).toBe(model.config.vocab_size);
  });

  it('find timestamps that old files do not list', async () => {
    cpSync(at('model'), at('old'), { recursive: true });
    const file = json('old', 'tokenizer.json') as { added_tokens: { content: string }[] };
    const listed = file.added_tokens.filter(({ content }) => !/^<\|\d+\.\d\d\|>$/.test(content));
    const missing = file.added_tokens.length - listed.length;
    editJson(at('old', 'tokenizer.json'), { added_tokens: listed });
    await using model = await open('model', { addLanguages: ['xx'] });
    await using old = await open('old', { addLanguages: ['xx'] });
    expect(missing).toBe(1501);
    expect(old.tokenizer.languageToken('xx')).toBe(model.tokenizer.languageToken('xx'));
    expect(old.tokenizer.tokenId('<|30.00|>')).toBe(model.tokenizer.tokenId('<|30.00|>'));
  });

  it.each([
    [{ addLanguages: ['de'] }, 'the model has the language de already'],
    [{ addLanguages: ['Swiss German'] }, 'a new language must be a code of 2 to 8 letters'],
    [{ addLanguages: ['xx:Klingon'] }, 'unknown language "Klingon"'],
    [{ addLanguages: ['xx', 'xx'] }, 'the token <|xx|> is there already'],
    [{ addTokens: ['<|en|>'] }, 'the token <|en|> is there already'],
    [{ addTokens: [' word'] }, 'must begin and end with something else than a space'],
    [{ addTokens: [''] }, 'must begin and end with something else than a space'],
  ])('refuse %j', async (options, message) => {
    await expect(open('model', options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(open('model', options)).rejects.toThrow(message);
  });
});

describe('a language that Whisper does not know', () => {
  it('is trained, resumed, and the model’s own afterwards', async () => {
    makeDataset(at('data'), 8, 2);
    const train = (...more: string[]) =>
      run(
        'train',
        `--model_name_or_path=${at('model')}`,
        `--dataset_name=${at('data')}`,
        `--output_dir=${at('out')}`,
        '--add_language=gsw:de',
        '--language=gsw',
        '--do_train',
        '--per_device_train_batch_size=4',
        '--save_steps=2',
        ...more,
      );
    const first = await train('--max_steps=2');
    expect(first.err).not.toContain('error');
    const second = await train('--max_steps=4');
    expect(second.err).not.toContain('error');
    expect(second.code).toBe(0);
    // transformers finds a language that it does not know by its token.
    expect(json('out', 'generation_config.json').language).toBe('<|gsw|>');
    expect(readFileSync(at('out', 'README.md'), 'utf8')).toContain('- gsw\n');
    await using model = await open('out');
    const [{ tokens } = { tokens: [] }] = await model.generate([new Float32Array(8000)], { maxLength: 8 });
    expect(tokens.length).toBeGreaterThan(0);
    expect(model.tokenizer.promptTokens({ language: '<|gsw|>' })[1]).toBe(model.config.vocab_size - 1);
  });
});
