// What people get wrong: each mistake ends with one clear line, the right exit code, and nothing lost.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { wav } from '../helpers/wav.mjs';
import { editJson, makeDataset, makeModel, run, temporaryFolder, tone } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);

beforeAll(async () => {
  await makeModel(at('model'));
  makeDataset(at('data'));
});

beforeEach(() => {
  for (const name of ['bad-model', 'bad-data', 'out']) rmSync(at(name), { recursive: true, force: true });
});

/** A copy of the model with something wrong. */
function badModel(spoil: (folder: string) => void): string {
  cpSync(at('model'), at('bad-model'), { recursive: true });
  spoil(at('bad-model'));
  return at('bad-model');
}

/** A copy of the data set with something wrong. */
function badData(spoil: (folder: string) => void): string {
  cpSync(at('data'), at('bad-data'), { recursive: true });
  spoil(at('bad-data'));
  return at('bad-data');
}

const train = (options: Record<string, string> = {}) => {
  const all = {
    model_name_or_path: at('model'),
    dataset_name: at('data'),
    output_dir: at('out'),
    language: 'en',
    do_train: 'true',
    max_steps: '2',
    per_device_train_batch_size: '4',
    shuffle_buffer_size: '1',
    ...options,
  };
  return run('train', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`));
};

async function refused(
  outcome: ReturnType<typeof run>,
  code: number,
  message: string | RegExp,
): Promise<string> {
  const { code: came, out, err } = await outcome;
  const last = err.trimEnd().split('\n').at(-1)!;
  expect(last).toMatch(message);
  expect(last).toMatch(/^error: /);
  expect(err).not.toMatch(/\n\s+at /);
  expect(came).toBe(code);
  expect(out).toBe('');
  return err;
}

/** A safetensors file around a header and data. */
function safetensors(header: unknown, data = 0): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(data)]);
}

describe('a model', () => {
  it.each([
    ['that is not there', () => at('nowhere'), /cannot open model .*nowhere: no such file or folder$/],
    [
      'that is a Hub id',
      () => 'openai/whisper-tiny',
      /models are not downloaded from the Hub: give the path of a folder\)$/,
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

describe('a data set', () => {
  const clip = (name: string, bytes: Uint8Array) => (at: string) =>
    writeFileSync(join(at, 'clips', name), bytes);
  const table = (text: string | Uint8Array) => (at: string) => writeFileSync(join(at, 'train.tsv'), text);

  it.each([
    ['that is not there', () => at('nowhere'), /cannot open the data set .*nowhere: no such file or folder$/],
    [
      'that is an empty folder',
      () => {
        mkdirSync(at('bad-data'));
        return at('bad-data');
      },
      /no data set in .*bad-data; the folder is empty/,
    ],
    ['with an empty table', () => badData(table('')), /train\.tsv/],
    ['with no rows', () => badData(table('path\tsentence\n')), /no rows/],
    ['without the text column', () => badData(table('path\tspoken\nclip.wav\thello\n')), /spoken/],
    [
      'with text that is not UTF-8',
      () => badData(table(Buffer.from('path\tsentence\ntrain_0.wav\t\xff\xfe\n', 'latin1'))),
      /train\.tsv.*UTF-8/,
    ],
    [
      'with a path that leaves the folder',
      () => badData(table('path\tsentence\n../../model/config.json\thello\n')),
      /the path "\.\.\/\.\.\/model\/config\.json" leaves the data set's folder/,
    ],
    [
      'with a link that leaves the folder',
      () =>
        badData((at) => {
          rmSync(join(at, 'clips', 'train_0.wav'));
          symlinkSync(join(at, '..', 'model', 'config.json'), join(at, 'clips', 'train_0.wav'));
        }),
      /train_0\.wav is a link to .*config\.json, outside the data set's folder/,
    ],
  ])('%s', async (_, data, message) => {
    await refused(train({ dataset_name: data() }), 1, message);
  });

  it('without the split', async () => {
    await refused(train({ train_split_name: 'other' }), 1, /has no split "other"; it has: /);
  });

  it('without the column asked for', async () => {
    await refused(train({ text_column_name: 'words' }), 1, /words/);
  });

  it.each([
    ['missing', (at: string) => rmSync(join(at, 'clips', 'train_1.wav'))],
    ['damaged', clip('train_1.wav', wav(tone(1)).subarray(0, 2000))],
    ['undecodable', clip('train_1.wav', Buffer.alloc(0))],
    ['too-long', clip('train_1.wav', wav(tone(1, 200)))],
    [
      'empty-text',
      (at: string) => {
        const path = join(at, 'train.tsv');
        writeFileSync(path, readFileSync(path, 'utf8').replace('train_1.wav\tgreen', 'train_1.wav\t'));
      },
    ],
    [
      'long-label',
      (at: string) => {
        const path = join(at, 'train.tsv');
        writeFileSync(
          path,
          readFileSync(path, 'utf8').replace('train_1.wav\tgreen', `train_1.wav\t${'green '.repeat(40)}`),
        );
      },
    ],
  ])('with a row that is %s goes on without it, and says so', async (reason, spoil) => {
    const { code, err } = await train({ dataset_name: badData(spoil), max_steps: '3' });
    expect(code).toBe(0);
    expect(err).toMatch(new RegExp(`1 of 12 rows dropped: 1 ${reason} \\(first: .*train_1\\.wav`));
  });

  it('with a label that is too long stops when told so', async () => {
    const data = badData((at) => {
      const path = join(at, 'train.tsv');
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace('train_1.wav\tgreen', `train_1.wav\t${'green '.repeat(40)}`),
      );
    });
    await refused(
      train({ dataset_name: data, on_long_label: 'error' }),
      1,
      /train_1\.wav.*its label has \d+ tokens, the model has 32 positions$/,
    );
  });
});

describe('options', () => {
  it.each([
    [{ max_stepz: '3' }, /^error: unknown flag --max_stepz: did you mean --max_steps\?$/],
    [{ max_steps: 'many' }, /--max_steps must be a whole number of at least -1, got "many"$/],
    [{ language: 'klingon' }, /unknown language "klingon"/],
    [{ eval_strategy: 'sometimes' }, /--eval_strategy must be one of no, steps, epoch, got "sometimes"$/],
    [
      { load_best_model_at_end: 'true' },
      /--load_best_model_at_end needs equal strategies: --eval_strategy is no and --save_strategy is steps$/,
    ],
    [
      { load_best_model_at_end: 'true', eval_strategy: 'steps', eval_steps: '3', save_steps: '4' },
      /--load_best_model_at_end needs --save_steps to be a multiple of --eval_steps, got 4 and 3$/,
    ],
    [{ do_train: 'false' }, /nothing to do: give --do_train, --do_eval or both$/],
    [{ task: 'translate', language: '' }, /language/],
    [{ device: 'cuda:0' }, /cuda:0/],
    [{ fp16: 'true', bf16: 'true' }, /--fp16 and --bf16 exclude each other: give one of them$/],
    [{ fp16: 'true', precision: 'f32' }, /--fp16 means --precision f16, got f32: leave one of them out$/],
    [{ optim: 'lion' }, /--optim must be one of adamw_torch, .*, adafactor, sgd, got "lion"$/],
    [{ adafactor: 'true', optim: 'sgd' }, /--adafactor means --optim adafactor, got sgd$/],
    [
      { checkpointing_policy: 'some' },
      /--checkpointing_policy must be one of none, encoder, all, selective, every:N, got "some"$/,
    ],
    [
      { gradient_checkpointing: 'true', checkpointing_policy: 'none' },
      /--gradient_checkpointing means --checkpointing_policy all, got none: leave one of them out$/,
    ],
    [{ bf16: 'true', loss_scaler: 'torch' }, /--loss_scaler needs precision f16, got bf16: only f16 has/],
    [{ memory_budget: '16' }, /--memory_budget must be a size above 0 as 16GB or 24GiB \(.*\), got "16"$/],
    [{ dropout: '1' }, /--dropout must be a number of at least 0 and of at most 0\.999999, got 1$/],
    [
      { max_label_length: '40' },
      /max_label_length must be more than .* at most 32 \(max_target_.*\), got 40$/,
    ],
  ])('%j', async (options, message) => {
    const code = 'device' in options ? 1 : 2;
    await refused(train(options as unknown as Record<string, string>), code, message);
  });

  it.each(['evaluate', 'transcribe', 'plan'])('of %s name one precision', async (command) => {
    const model = command === 'plan' ? ['tiny'] : ['--model_id', at('model')];
    const data = command === 'evaluate' ? ['--dataset', at('data')] : [];
    const file = command === 'transcribe' ? [at('data', 'clips', 'test_0.wav')] : [];
    const flags = [...model, ...data, ...file, '--fp16', '--bf16'];
    await refused(run(command, ...flags), 2, /--fp16 and --bf16 exclude each other: give one of them$/);
  });

  it('ask for memory that one row does not fit', async () => {
    const budget = train({ memory_budget: '500KB' });
    const line =
      /memory_budget, 500 KB, is too small to train in: the smallest memory_budget that works is ([\d.]+MB) \(one row, a label of 32 tokens\); with .*freeze_encoder/;
    const [, smallest] = line.exec(await refused(budget, 1, line))!;
    expect(readdirSync(at('out'))).toEqual([]);
    expect((await train({ memory_budget: smallest!, per_device_train_batch_size: '1' })).code).toBe(0);
  });

  it('show a stack trace only under --debug', async () => {
    const { err } = await run('transcribe', 'x.wav', '--model_id', at('nowhere'), '--debug');
    expect(err).toMatch(/\n\s+at /);
    expect(err).toContain('caused by: ');
  });

  it('transcribe needs a file', async () => {
    await refused(run('transcribe', '--model_id', at('model')), 2, /transcribe needs an audio file$/);
    await refused(
      run('transcribe', at('none.wav'), '--model_id', at('model')),
      1,
      /cannot read .*none\.wav: no such file$/,
    );
    writeFileSync(at('empty.wav'), wav(new Float32Array(0)));
    await refused(run('transcribe', at('empty.wav'), '--model_id', at('model')), 1, /empty\.wav/);
  });
});

describe('an output folder', () => {
  it('that is not empty is not overwritten', async () => {
    mkdirSync(at('out'));
    writeFileSync(at('out', 'thesis.txt'), 'all my work');
    await refused(train(), 1, /output_dir .*out is not empty and has no checkpoint to resume from/);
    expect(readdirSync(at('out'))).toEqual(['thesis.txt']);
    expect((await train({ overwrite_output_dir: 'true' })).code).toBe(0);
    expect(readFileSync(at('out', 'thesis.txt'), 'utf8')).toBe('all my work');
  });

  it('that cannot be made', async () => {
    await refused(
      train({ output_dir: at('model', 'config.json', 'out') }),
      1,
      /cannot create folder .*a part of the path is not a folder$/,
    );
  });

  it('whose checkpoint is of another kind of run', async () => {
    expect((await train()).code).toBe(0);
    const checkpoint = at('out', 'checkpoint-2');
    for (const [options, differs, again] of [
      [{ optim: 'adamw_hf' }, 'optim was adamw_torch and is adamw_hf', 'optim=adamw_torch'],
      [{ bf16: 'true' }, 'precision was f32 and is bf16', 'precision=f32'],
      [{ freeze_encoder: 'true' }, 'freeze_encoder was false and is true', 'freeze_encoder=false'],
    ] as const) {
      const message =
        `error: cannot resume from ${checkpoint}: ${differs}; give ${again} to go on with it, or start a new run from ` +
        `its weights with model_name_or_path=${checkpoint} and another output_dir`;
      const err = await refused(train({ ...options, max_steps: '3' }), 2, /cannot resume/);
      expect(err.trimEnd().split('\n').at(-1)).toBe(message);
    }
    expect((await train({ max_steps: '3' })).code).toBe(0);
  });

  it('whose optimizer’s state is damaged', async () => {
    expect((await train()).code).toBe(0);
    const file = at('out', 'checkpoint-2', 'optimizer.safetensors');
    truncateSync(file, 3000);
    await refused(train({ max_steps: '3' }), 1, /checkpoint-2\/optimizer\.safetensors/);
    writeFileSync(file, safetensors({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, 4));
    await refused(train({ max_steps: '3' }), 1, /checkpoint-2\/optimizer\.safetensors/);
    expect(existsSync(at('out', 'checkpoint-2', 'model.safetensors'))).toBe(true);
  });

  it('whose checkpoint is damaged', async () => {
    expect((await train()).code).toBe(0);
    rmSync(at('out', 'checkpoint-2', 'trainer_state.json'));
    await refused(train(), 1, /cannot resume from .*checkpoint-2: it has no trainer_state\.json$/);
    writeFileSync(at('out', 'checkpoint-2', 'trainer_state.json'), '{"global_step": "two"}');
    await refused(train(), 1, /checkpoint-2\/trainer_state\.json: \w+: .*it is missing|global_step: /);
  });
});
