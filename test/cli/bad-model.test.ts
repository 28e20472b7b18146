// Models that are wrong: each ends with one clear line, the right exit code, and nothing lost.
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { editJson, run } from './fixtures.js';
import { at, badModel, refused, safetensors, train, withModelAndData } from './mistakes.js';

withModelAndData();

describe('a model', () => {
  it.each([
    ['that is not there', () => at('nowhere'), /cannot open model .*nowhere: no such file or folder$/],
    [
      'that is a Hub id, offline',
      () => 'openai/whisper-tiny',
      /cannot find the model openai\/whisper-tiny \(main\): offline mode is on \(HF_HUB_OFFLINE\), and \S+ does not have it$/,
    ],
    [
      'without its owner on the Hub',
      () => 'whisper-tiny',
      /cannot open model whisper-tiny: no such file or folder; did you mean openai\/whisper-tiny\?$/,
    ],
    ['that is a file', () => at('model', 'config.json'), /it is not a folder$/],
    [
      'without config.json',
      () => badModel((at) => rmSync(join(at, 'config.json'))),
      /it has no config\.json$/,
    ],
    [
      'without weights',
      () => badModel((at) => rmSync(join(at, 'model.safetensors'))),
      /has no model\.safetensors$/,
    ],
    [
      'without a tokenizer',
      () =>
        badModel((at) => {
          for (const name of ['tokenizer.json', 'vocab.json']) rmSync(join(at, name));
        }),
      /tokenizer\.json|vocab\.json/,
    ],
    [
      'whose config.json is not JSON',
      () => badModel((at) => writeFileSync(join(at, 'config.json'), '{')),
      /config\.json is not valid JSON/,
    ],
    [
      'whose config.json is not UTF-8',
      () => badModel((at) => writeFileSync(join(at, 'config.json'), Buffer.from([0x7b, 0xff]))),
      /config\.json is not valid UTF-8$/,
    ],
    [
      'of another kind',
      () => badModel((at) => editJson(join(at, 'config.json'), { model_type: 'bert' })),
      /model_type must be "whisper", got "bert"$/,
    ],
    [
      'with a size that is no number',
      () => badModel((at) => editJson(join(at, 'config.json'), { d_model: 'wide' })),
      /config\.json: d_model: expected int, got "wide"$|d_model: expected number, got "wide"$/,
    ],
    [
      'whose heads do not divide its width',
      () => badModel((at) => editJson(join(at, 'config.json'), { encoder_attention_heads: 3 })),
      /encoder_attention_heads must divide d_model \(32\), got 3$/,
    ],
    [
      'of another width than its weights',
      () => badModel((at) => editJson(join(at, 'config.json'), { d_model: 64 })),
      /model\.safetensors: .*shape/,
    ],
    [
      'with more layers than its weights',
      () => badModel((at) => editJson(join(at, 'config.json'), { decoder_layers: 2 })),
      /model\.safetensors.*missing|model\.safetensors.*decoder\.layers\.1/,
    ],
    [
      'with another window than its features',
      () => badModel((at) => editJson(join(at, 'preprocessor_config.json'), { chunk_length: 30 })),
      /preprocessor_config\.json: chunk_length must be 1 s, .* got 30$/,
    ],
    [
      'with fewer tokens than its tokenizer',
      () => badModel((at) => editJson(join(at, 'config.json'), { vocab_size: 500 })),
      /the tokenizer has \d+ tokens, and config\.json says vocab_size 500$/,
    ],
    [
      'with another start token',
      () => badModel((at) => editJson(join(at, 'config.json'), { decoder_start_token_id: 3 })),
      /<\|startoftranscript\|> is token 370, and config\.json says decoder_start_token_id 3$/,
    ],
    [
      'cut off',
      () => badModel((at) => truncateSync(join(at, 'model.safetensors'), 5000)),
      /model\.safetensors/,
    ],
    [
      'of no bytes',
      () => badModel((at) => truncateSync(join(at, 'model.safetensors'), 0)),
      /model\.safetensors/,
    ],
    [
      'with an absurd header length',
      () => badModel((at) => writeFileSync(join(at, 'model.safetensors'), Buffer.alloc(64, 0xff))),
      /model\.safetensors.*header/,
    ],
    [
      'with a header that is no JSON',
      () => badModel((at) => writeFileSync(join(at, 'model.safetensors'), safetensors('nonsense'))),
      /model\.safetensors/,
    ],
    [
      'with offsets outside the file',
      () =>
        badModel((at) =>
          writeFileSync(
            join(at, 'model.safetensors'),
            safetensors({ a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } }),
          ),
        ),
      /model\.safetensors.*\ba\b/,
    ],
    [
      'with overlapping tensors',
      () =>
        badModel((at) =>
          writeFileSync(
            join(at, 'model.safetensors'),
            safetensors(
              {
                a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
                b: { dtype: 'F32', shape: [2], data_offsets: [4, 12] },
              },
              12,
            ),
          ),
        ),
      /model\.safetensors.*overlap|model\.safetensors/,
    ],
    [
      'with an unknown type of numbers',
      () =>
        badModel((at) =>
          writeFileSync(
            join(at, 'model.safetensors'),
            safetensors({ a: { dtype: 'F7', shape: [1], data_offsets: [0, 4] } }, 4),
          ),
        ),
      /model\.safetensors.*F7/,
    ],
    [
      'with an index that leaves the folder',
      () =>
        badModel((at) => {
          rmSync(join(at, 'model.safetensors'));
          writeFileSync(
            join(at, 'model.safetensors.index.json'),
            JSON.stringify({ weight_map: { a: '../x.safetensors' } }),
          );
        }),
      /weight_map must name files of its folder, got "\.\.\/x\.safetensors"$/,
    ],
    [
      'that drops everything',
      () => badModel((at) => editJson(join(at, 'config.json'), { attention_dropout: 1 })),
      /config\.json: attention_dropout must be below 1 in training, got 1$/,
    ],
  ])('%s', async (_, model, message) => {
    await refused(train({ model_name_or_path: model() }), 1, message);
  });

  it('that knows English only takes no language', async () => {
    const model = badModel((at) => editJson(join(at, 'generation_config.json'), { is_multilingual: false }));
    await refused(
      run('transcribe', at('data', 'clips', 'test_0.wav'), '--model_id', model, '--language', 'es'),
      2,
      /language "es" was given, but this is an English-only model: leave the language out$/,
    );
  });
});
