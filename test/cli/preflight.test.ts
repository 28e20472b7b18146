// whisper-tune preflight: the command line of train, a table for people, JSON for machines, and its exit codes.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PreflightReport } from '../../src/data/preflight/preflight.js';
import { makeDataset, makeModel, run, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const data = join(folder.path, 'data');
const model = join(folder.path, 'model');
beforeAll(async () => {
  makeDataset(data);
  await makeModel(model);
});

describe('preflight', () => {
  it('takes the command line of train, and describes the data', async () => {
    const { code, out, err } = await run(
      'preflight',
      ...[
        '--model_name_or_path',
        model,
        '--dataset_name',
        data,
        '--language',
        'en',
        '--output_dir',
        'nowhere',
      ],
      ...['--max_steps=5000', '--do_train', '--fp16', '--per_device_train_batch_size', '64'],
    );
    expect(err).toContain('reading train: 12/12\n');
    expect(code).toBe(0);
    expect(out).toContain('train: 12 rows, 0.00 hours\n  seconds    mean 0.5, median 0.5');
    expect(out).toContain('  languages  en 12\n');
    expect(out).toContain('test: 5 rows, 0.00 hours\n');
    // Tones of the same word and length are the same audio; the words are in both splits.
    expect(out).toMatch(
      /2 findings, 1 serious \(!\)\n! test {2}5 rows {2}the same audio in training\n +test\.tsv:2 test_0\.wav: 0\.40 s\n/,
    );
    expect(out).toMatch(/ {2}test {2}5 rows {2}the same text in training, said by others perhaps\n/);
  });

  it('says it as JSON, and exits with 1 where asked to be strict', async () => {
    const args = ['--dataset_name', data, '--language', 'en', '--json', '--strict', '--max_rows', '4'];
    const { code, out, err } = await run('preflight', ...args);
    const { splits, findings }: PreflightReport = JSON.parse(out);
    expect(code).toBe(1);
    expect(err).toContain('no --model_name_or_path: the lengths of labels are not known\n');
    expect(splits.map(({ name, rows, labels }) => [name, rows, labels])).toEqual([
      ['train', 4, undefined],
      ['test', 4, undefined],
    ]);
    expect(findings.map(({ kind, split, serious, count }) => [kind, split, serious, count])).toEqual([
      ['audio-in-both', 'test', true, 4],
      ['text-in-both', 'test', false, 4],
    ]);
    const clean = await run('preflight', ...args, '--eval_split_name', 'train');
    expect(clean.code).toBe(0);
    expect(JSON.parse(clean.out).findings).toEqual([]);
  });

  it('checks training alone where there is nothing to evaluate on, unless that was asked for', async () => {
    const only = makeDataset(join(folder.path, 'only'));
    rmSync(join(only, 'test.tsv'));
    const { code, err } = await run('preflight', '--dataset_name', only, '--language', 'en');
    expect(code).toBe(0);
    expect(err).toMatch(/^only train is checked: .* has no split "test"; it has: train/m);
    const asked = await run('preflight', '--dataset_name', only, '--eval_split_name', 'test');
    expect([asked.code, asked.err]).toEqual([1, expect.stringContaining('has no split "test"')]);
  });

  it('finds what is damaged only where it decodes', async () => {
    const broken = makeDataset(join(folder.path, 'broken'), 3, 1);
    const path = join(broken, 'clips', 'train_1.wav');
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 2000));
    const kinds = async (...more: string[]) => {
      const { out } = await run('preflight', '--dataset_name', broken, '--language', 'en', '--json', ...more);
      return (JSON.parse(out) as PreflightReport).findings.map(({ kind }) => kind);
    };
    expect(await kinds('--decode')).toContain('damaged');
    expect(await kinds()).not.toContain('damaged');
  });

  it('needs to know which data', async () => {
    const { code, err } = await run('preflight');
    expect([code, err]).toEqual([2, expect.stringContaining('--dataset_name is required')]);
  });
});

describe('train', () => {
  it('looks at the first rows before it begins, unless told not to', async () => {
    const mixed = makeDataset(join(folder.path, 'mixed'), 4, 1);
    writeFileSync(join(mixed, 'train.tsv'), 'path\tsentence\ntrain_0.wav\tred\nnone.wav\tgreen\n');
    const args = ['--model_name_or_path', model, '--dataset_name', mixed, '--language', 'en', '--do_train'];
    const more = ['--max_steps', '1', '--save_strategy', 'no', '--output_dir', join(folder.path, 'out')];
    const told = await run('train', ...args, ...more);
    expect(told.code).toBe(0);
    expect(told.err).toContain(
      'first rows of train: 1 row, no audio file: left out (first: train.tsv:3 none.wav, no such file)\n' +
        'whisper-tune preflight looks at all rows\n',
    );
    const silent = await run('train', ...args, ...more, '--no_preflight', '--overwrite_output_dir');
    expect(silent.code).toBe(0);
    expect(silent.err).not.toContain('first rows');
  });
});
