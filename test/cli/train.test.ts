// whisper-tune train from end to end on a tiny model: artefacts, repeatability, resume, best checkpoint.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTensors } from '../helpers/safetensors.js';
import { makeDataset, makeModel, run, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
const json = (...path: string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));
const hash = (...path: string[]) =>
  createHash('sha256')
    .update(readFileSync(at(...path)))
    .digest('hex');

beforeAll(async () => {
  await makeModel(at('model'));
  makeDataset(at('data'));
});

const train = (output: string, ...more: string[]) =>
  run(
    'train',
    `--model_name_or_path=${at('model')}`,
    `--dataset_name=${at('data')}`,
    `--output_dir=${at(output)}`,
    '--language=en',
    '--do_train',
    '--per_device_train_batch_size=4',
    '--learning_rate=3e-3',
    '--max_steps=12',
    '--logging_steps=1',
    '--seed=3',
    '--shuffle_buffer_size=6',
    '--save_steps=6',
    ...more,
  );

describe('train', () => {
  it('learns, and writes what transformers writes', async () => {
    const { code, out, err } = await train(
      'first',
      '--max_steps=60',
      '--save_steps=30',
      '--do_eval',
      '--eval_strategy=steps',
      '--eval_steps=30',
      '--predict_with_generate',
      '--generation_max_length=16',
      '--json',
    );
    expect(err).not.toContain('error');
    expect(code).toBe(0);
    for (const name of [
      'config.json',
      'generation_config.json',
      'preprocessor_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
      'vocab.json',
      'merges.txt',
      'normalizer.json',
      'added_tokens.json',
      'special_tokens_map.json',
      'trainer_state.json',
      'train_results.json',
      'eval_results.json',
      'all_results.json',
      'checkpoint-30',
      'checkpoint-60',
    ]) {
      expect(existsSync(at('first', name)), name).toBe(true);
    }
    expect(readdirSync(at('first')).filter((name) => name.startsWith('.'))).toEqual([]);

    const results = JSON.parse(out);
    expect(json('first', 'all_results.json')).toEqual(results);
    expect({ ...json('first', 'train_results.json'), ...json('first', 'eval_results.json') }).toEqual(
      results,
    );
    expect(Object.keys(json('first', 'eval_results.json'))).toEqual(
      expect.arrayContaining(['epoch', 'eval_cer', 'eval_loss', 'eval_runtime', 'eval_samples', 'eval_wer']),
    );

    const state = json('first', 'trainer_state.json');
    expect(state).toMatchObject({ global_step: 60, max_steps: 60, train_batch_size: 4 });
    const lines: Record<string, number>[] = state.log_history;
    const evaluations = lines.filter((line) => 'eval_wer' in line);
    expect(evaluations.map(({ step }) => step)).toEqual([0, 30, 60]);
    expect(evaluations[2]!.eval_loss).toBeLessThan(0.5 * evaluations[0]!.eval_loss!);
    const training = lines.filter((line) => 'loss' in line);
    expect(training).toHaveLength(60);
    expect(training[0]).toMatchObject({ step: 1, learning_rate: 3e-3, epoch: 4 / 12 });
    expect(training.every(({ grad_norm, data_wait }) => grad_norm! > 0 && data_wait! >= 0)).toBe(true);

    expect(json('first', 'generation_config.json')).toMatchObject({ language: 'en', task: 'transcribe' });
    expect(json('first', 'config.json')).toMatchObject({ torch_dtype: 'float32', max_source_positions: 50 });
    expect(err).toMatch(/update 60\/60 {2}epoch 20\.00 {2}loss .* {2}data wait \d\.\d\d s {2}/);
    expect(err).toContain('update 30: evaluating: 5/5\nupdate 30: WER');
  });

  it('gives the same bits again, with gradient checkpointing, and when stopped and resumed', async () => {
    expect((await train('whole')).code).toBe(0);
    expect((await train('repeated', '--gradient_checkpointing')).code).toBe(0);
    expect(hash('repeated', 'model.safetensors')).toBe(hash('whole', 'model.safetensors'));

    expect((await train('resumed')).code).toBe(0);
    rmSync(at('resumed', 'checkpoint-12'), { recursive: true });
    rmSync(at('resumed', 'model.safetensors'));
    const again = await train('resumed');
    expect(again.err).toContain(`updates 7 to 12, resumed from ${at('resumed', 'checkpoint-6')}`);
    for (const file of ['model.safetensors', 'checkpoint-12/optimizer.safetensors']) {
      expect(hash('resumed', file), file).toBe(hash('whole', file));
    }
    const losses = (output: string) =>
      json(output, 'trainer_state.json')
        .log_history.filter((line: object) => 'loss' in line)
        .map(({ loss, grad_norm, epoch }: Record<string, number>) => [loss, grad_norm, epoch]);
    expect(losses('resumed')).toEqual(losses('whole'));
  });

  it('gives other bits for another seed', async () => {
    await train('seed', '--seed=4');
    await train('same', '--seed=4');
    expect(hash('seed', 'model.safetensors')).toBe(hash('same', 'model.safetensors'));
    await train('other', '--seed=5');
    expect(hash('other', 'model.safetensors')).not.toBe(hash('same', 'model.safetensors'));
  });

  it.each(['encoder', 'decoder'])(
    'keeps the %s as it is when it is frozen, and trains the rest',
    async (part) => {
      const output = `frozen-${part}`;
      const { err } = await train(output, `--freeze_${part}`, '--max_steps=2');
      const before = readTensors(at('model', 'model.safetensors')).tensors;
      const after = readTensors(at(output, 'model.safetensors')).tensors;
      let trained = 0;
      for (const [name, { bytes, shape }] of Object.entries(before)) {
        // Whisper's encoder has fixed positions.
        const frozen = name.startsWith(`model.${part}.`) || name === 'model.encoder.embed_positions.weight';
        expect(Buffer.compare(bytes, after[name]!.bytes) === 0, name).toBe(frozen);
        if (!frozen) trained += shape.reduce((product, length) => product * length, 1);
      }
      expect(err).toContain(`training ${(trained / 1e6).toFixed(2)} M of`);
    },
  );

  it('starts from random weights when asked to', async () => {
    const scratch = (output: string) =>
      train(output, '--init_from_scratch=hf', '--max_steps=1', '--warmup_steps=1');
    expect((await scratch('scratch-1')).code).toBe(0);
    expect((await scratch('scratch-2')).code).toBe(0);
    expect(hash('scratch-1', 'model.safetensors')).toBe(hash('scratch-2', 'model.safetensors'));
    // The only update had learning rate 0: what is saved is the initialisation, which is not the checkpoint's.
    expect(hash('scratch-1', 'model.safetensors')).not.toBe(hash('model', 'model.safetensors'));
  });

  it('ends with the best checkpoint when asked to', async () => {
    const { code, err } = await train(
      'best',
      '--eval_strategy=steps',
      '--eval_steps=6',
      '--load_best_model_at_end',
      '--save_total_limit=1',
    );
    expect(code).toBe(0);
    const { best_global_step: best } = json('best', 'trainer_state.json');
    expect(err).toContain(`loaded the best checkpoint, ${at('best', `checkpoint-${best}`)}`);
    expect(hash('best', 'model.safetensors')).toBe(hash('best', `checkpoint-${best}`, 'model.safetensors'));
  });

  it('counts epochs, and only evaluates without --do_train', async () => {
    const epochs = await train(
      'epochs',
      '--max_steps=-1',
      '--num_train_epochs=2',
      '--streaming=False',
      `--prepared_data_dir=${at('cache')}`,
    );
    expect(epochs.err).toContain('updates 1 to 6');
    expect(epochs.err).toContain(`in ${at('cache', 'prepared')}`);
    const only = await run(
      'train',
      `--model_name_or_path=${at('epochs')}`,
      `--dataset_name=${at('data')}`,
      `--output_dir=${at('only')}`,
      '--language=en',
      '--do_eval',
    );
    expect(only.code).toBe(0);
    expect(readdirSync(at('only')).sort()).toEqual(['all_results.json', 'eval_results.json', 'runs']);
    expect(json('only', 'eval_results.json').eval_samples).toBe(5);
  });

  it('takes its options from a JSON file', async () => {
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      at('run.json'),
      JSON.stringify({
        model_name_or_path: at('model'),
        dataset_name: at('data'),
        output_dir: at('from-json'),
        language: 'en',
        do_train: true,
        max_steps: 1,
      }),
    );
    expect(await run('train', at('run.json'))).toMatchObject({ code: 0 });
    expect(existsSync(at('from-json', 'model.safetensors'))).toBe(true);
  });
});

describe('train on a mixture', () => {
  it('mixes data sets, and asks for one to evaluate on', async () => {
    const { writeFileSync } = await import('node:fs');
    const entry = { name: at('data'), language: 'en' };
    writeFileSync(at('mixture.json'), JSON.stringify([entry, { ...entry, split: 'train[:3]' }]));
    const flags = [
      `--model_name_or_path=${at('model')}`,
      `--output_dir=${at('mixed')}`,
      `--dataset_mixture=${at('mixture.json')}`,
      ...['--do_train', '--max_steps=2', '--per_device_train_batch_size=4', '--language=en'],
    ];
    expect(await run('train', ...flags)).toMatchObject({ code: 0 });
    const { code, err } = await run('train', ...flags, '--do_eval');
    expect(code).toBe(2);
    expect(err).toContain('--dataset_name is required: the evaluation set is not mixed');
  });
});
