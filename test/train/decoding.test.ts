// What options say of decoding: tokens that are never written, and tokens that are forced.
import { describe, expect, it } from 'vitest';
import { type DecodingOptions, setDecoding } from '../../src/train/decoding.js';
import { fakeWhisper } from './fake-model.js';

async function decoding(more: Partial<DecodingOptions>) {
  const { model } = await fakeWhisper();
  model.generation.suppress_tokens = [1, 2];
  const options: DecodingOptions = {
    compat: 'fixed',
    suppressTokens: undefined,
    forcedDecoderIds: undefined,
    language: 'english',
    task: 'transcribe',
    ...more,
  };
  setDecoding(model, options);
  return model;
}

const { tokenizer, config } = (await fakeWhisper()).model;
const prompt = (language: string) => tokenizer.promptTokens({ language, task: 'transcribe' }).slice(1);

describe('tokens that are never written', () => {
  it('are the checkpoint’s, but for what is given, and none in the era', async () => {
    const suppressed = async (more: Partial<DecodingOptions>) =>
      (await decoding(more)).generation.suppress_tokens;
    expect(await suppressed({})).toEqual([1, 2]);
    expect(await suppressed({ suppressTokens: [3] })).toEqual([3]);
    expect(await suppressed({ suppressTokens: [] })).toEqual([]);
    expect(await suppressed({ compat: 'era' })).toEqual([]);
    expect(await suppressed({ compat: 'era', suppressTokens: [3] })).toEqual([3]);
  });

  it('are tokens of the model', async () => {
    const { vocab_size: size } = config;
    await decoding({ suppressTokens: [size - 1] });
    await expect(decoding({ suppressTokens: [1, size] })).rejects.toThrow(
      `token ${size} is given, and the model has ${size} (vocab_size)`,
    );
    await expect(decoding({ forcedDecoderIds: [[1, size]] })).rejects.toThrow(`token ${size} is given`);
  });
});

describe('forced tokens', () => {
  const [language, task] = prompt('en') as [number, number];

  it('may say what language and task say, in any order', async () => {
    await decoding({ forcedDecoderIds: [] });
    await decoding({ forcedDecoderIds: [[1, language]] });
    await decoding({
      forcedDecoderIds: [
        [2, task],
        [1, language],
      ],
    });
  });

  it.each<[string, [number, number][]]>([
    ['at other positions', [[2, language]]],
    [
      'that leave one out',
      [
        [1, language],
        [3, task],
      ],
    ],
    ['in place of others', [[1, task]]],
  ])('are refused %s', async (_, forcedDecoderIds) => {
    await expect(decoding({ forcedDecoderIds })).rejects.toThrow(
      `and language and task mean ${prompt('en').join(', ')}: leave them out`,
    );
  });

  it('of another language name it', async () => {
    const other = [...tokenizer.languages].find(([code]) => code !== 'en')!;
    await expect(decoding({ forcedDecoderIds: [[1, other[1]]] })).rejects.toThrow(
      `give language ${other[0]} as options`,
    );
  });
});
