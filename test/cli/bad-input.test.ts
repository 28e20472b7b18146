// What people get wrong beside the model: each mistake ends with one clear line, the right exit code, and nothing lost.
import {
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
import { describe, expect, it } from 'vitest';
import { wav } from '../helpers/wav.mjs';
import { run, tone } from './fixtures.js';
import { at, badData, refused, safetensors, train, withModelAndData } from './mistakes.js';

withModelAndData();

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
