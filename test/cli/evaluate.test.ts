// evaluate on a tiny model: its numbers, its reports, several models and checkpoints.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Hub, READ_TOKEN, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';
import { wav } from '../helpers/wav.mjs';
import { makeDataset, makeModel, run, temporaryFolder, tone } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
const json = (...path: string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));

beforeAll(async () => {
  // A folder with a space and a comma: lists of folders are no lists of words.
  await makeModel(at('a, model'));
  await makeModel(at('run', 'checkpoint-10'), 2);
  await makeModel(at('run', 'checkpoint-2'), 3);
  mkdirSync(at('run', 'checkpoint-best'));
  makeDataset(at('data'));
  makeDataset(at('long'), 2, 2);
  writeFileSync(at('long', 'clips', 'test_1.wav'), wav(tone(1, 2.5)));
});

const evaluate = (...flags: string[]) =>
  run('evaluate', '--model_id', at('a, model'), '--dataset', at('data'), '--language=en', ...flags);

describe('evaluate', () => {
  it('prints error rates and their parts as JSON', async () => {
    const { code, out } = await evaluate(
      '--split=test',
      '--batch_size=2',
      '--loss',
      '--predictions',
      '--json',
    );
    expect(code).toBe(0);
    const result = JSON.parse(out);
    expect(result).toMatchObject({ samples: 5, words: 5, dropped: {}, normalizer: 'basic' });
    expect(result.wer).toBeCloseTo(
      (100 * (result.substitutions + result.deletions + result.insertions)) / result.words,
    );
    expect(result.wer_interval[0]).toBeLessThanOrEqual(result.wer);
    expect(result.wer_interval[1]).toBeGreaterThanOrEqual(result.wer);
    expect(Object.keys(result.normalizers)).toEqual(['basic', 'marks', 'none']);
    expect(result.cer).toBeGreaterThan(0);
    expect(result.loss).toBeGreaterThan(0);
    expect(result.predictions).toHaveLength(5);
    expect(result.predictions[0]).toMatchObject({ reference: 'red' });
    expect(result.audio_seconds).toBeCloseTo(5 * 0.4 + 0.02 * 10, 3);
  });

  it('says in a few lines what it found, and tells what was left out', async () => {
    const { code, out, err } = await evaluate('--dataset', at('long'), '--bootstrap=0');
    expect(code).toBe(0);
    expect(out).toMatch(/^WER [\d.]+ %, CER [\d.]+ % \(1 rows, 1 left out, [\d.]+ s\)\nsubstitutions /);
    expect(out).toMatch(/\nnormalizer +WER +CER +SER +words +sentences\nbasic /);
    expect(err).toMatch(
      /1 of 2 rows dropped: 1 too-long \(first: .*test_1\.wav, 2\.50 s\) \(--long_form transcribes/,
    );
  });

  it('takes long clips whole or by their beginning, and the first rows alone', async () => {
    const result = async (...flags: string[]) =>
      JSON.parse((await evaluate('--dataset', at('long'), '--json', ...flags)).out);
    expect(await result('--long_form')).toMatchObject({ samples: 2, audio_seconds: 2.9, dropped: {} });
    expect(await result('--truncate_audio')).toMatchObject({ samples: 2, audio_seconds: 1.4 });
    expect(await result('--max_eval_samples=1')).toMatchObject({ samples: 1, dropped: {} });
  });

  it('numbers devices as the event’s script does', async () => {
    const { code, err } = await evaluate('--device', '-1', '--max_eval_samples', '1');
    expect(code).toBe(0);
    expect(err).toMatch(/ f32 on cpu \(/);
    expect((await evaluate('--device=7')).err).toMatch(/error: .*cuda:7/);
  });

  it.each([
    [['--long_form', '--truncate_audio'], /^error: --long_form and --truncate_audio exclude each other$/],
    [['--long_form', '--loss'], /^error: --long_form measures no loss/],
    [['--normalizer=indic'], /^error: --normalizer must be one of basic, english, marks, none, got "indic"$/],
  ])('refuses %j', async (flags, message) => {
    const { code, err } = await evaluate(...flags);
    expect(code).toBe(2);
    expect(err.trimEnd()).toMatch(message);
  });

  it('needs a model', async () => {
    expect((await run('evaluate', '--dataset=x')).err).toMatch(/^error: --model_id is required/);
  });
});

describe('reports', () => {
  it('are every utterance, the summary and the page of the worst', async () => {
    const { code, err } = await evaluate('--report', at('report'), '--worst=2', '--batch_size=3');
    expect(code).toBe(0);
    expect(err).toContain(`reports written to ${at('report')}`);
    const lines = readFileSync(at('report', 'utterances.jsonl'), 'utf8').trimEnd().split('\n');
    const records = lines.map((line) => JSON.parse(line));
    expect(records.map(({ id }) => id)).toEqual(
      [0, 1, 2, 3, 4].map((i) => `test.tsv:${i + 2} test_${i}.wav`),
    );
    expect(records[1]).toMatchObject({ reference: 'green', words: 1, seconds: 0.42, unscored: null });
    const summary = json('report', 'evaluation.json');
    expect(records.reduce((sum, { deletions }) => sum + deletions, 0)).toBe(summary.deletions);
    const csv = readFileSync(at('report', 'utterances.csv'), 'utf8');
    expect(csv).toMatch(/^id,reference,hypothesis,/);
    expect(csv.split('\r\n')).toHaveLength(7);
    const page = readFileSync(at('report', 'worst.html'), 'utf8');
    expect(page.match(/<article /g)).toHaveLength(2);
    expect(page.match(/dir="auto" lang="en"/g)).toHaveLength(6);
    expect(page.match(/src="data:audio\/wav;base64,UklGR/g)).toHaveLength(2);
  });

  it('are refused before anything is computed where they cannot be written', async () => {
    writeFileSync(at('file'), '');
    const { code, err } = await evaluate('--output_dir', at('file'));
    expect(code).toBe(1);
    expect(err).toMatch(/error: cannot create folder .*file/);
  });
});

describe('several models', () => {
  it('make a leaderboard with a folder of reports each', async () => {
    const { code, out, err } = await evaluate(
      '--model_id',
      at('a, model'),
      at('run', 'checkpoint-2'),
      '--output_dir',
      at('board'),
    );
    expect(code).toBe(0);
    expect(err).toMatch(/checkpoint-2: WER /);
    expect(out).toMatch(/^model +WER +CER +SER +rows\/s +x real time +best is better\n/);
    expect(out.trimEnd().split('\n')).toHaveLength(3);
    const { models, utterances, better } = json('board', 'leaderboard.json');
    expect(models[0].wer).toBeLessThanOrEqual(models[1].wer);
    expect(utterances).toBe(5);
    expect(better[0][1] + better[1][0]).toBeCloseTo(1, 12);
    for (const name of ['a__model', 'checkpoint-2']) {
      expect(json('board', name, 'evaluation.json').samples).toBe(5);
    }
  });

  it('are all checkpoints of a run', async () => {
    const { out } = await run(
      'evaluate',
      `--model_id=${at('run')}`,
      `--dataset=${at('data')}`,
      '--language=en',
      '--checkpoints',
      '--max_eval_samples=2',
      '--json',
    );
    const { models } = JSON.parse(out);
    expect(models.map(({ model }: { model: string }) => model).sort()).toEqual([
      at('run', 'checkpoint-10'),
      at('run', 'checkpoint-2'),
    ]);
    const { code, err } = await evaluate('--checkpoints');
    expect(code).toBe(1);
    expect(err).toMatch(/a, model has no checkpoint-N folder/);
  });

  it('lose nothing where a later one cannot be read', async () => {
    cpSync(at('a, model'), at('broken'), { recursive: true });
    rmSync(at('broken', 'model.safetensors'));
    const { code, out, err } = await evaluate('--model_id', at('a, model'), at('broken'));
    expect(code).toBe(1);
    expect(out).toMatch(/a, model +[\d.]+ %/);
    expect(err).toMatch(/error: .*broken has no model\.safetensors/);
    expect(existsSync(at('broken', 'evaluation.json'))).toBe(false);
  });
});

describe('--push_to_hub', () => {
  let hub: Hub;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(() => hub.close());
  beforeEach(() => {
    const variables = Object.entries(hub.environment(at('home'), WRITE_TOKEN));
    for (const [name, value] of variables) vi.stubEnv(name, value);
  });
  afterEach(() => vi.unstubAllEnvs());

  it('puts WER and CER into the card of a model on the Hub, and pushes nothing otherwise', async () => {
    const files = Object.fromEntries(
      readdirSync(at('a, model')).map((name) => [name, readFileSync(at('a, model', name))]),
    );
    const card = '---\nlicense: mit # kept\n---\n# Mine\n';
    const repository = hub.add({ id: 'tester/tuned', files: { ...files, 'README.md': card } });
    const flags = [
      '--model_id=tester/tuned',
      '--json',
      '--streaming=False',
      `--prepared_data_dir=${at('pcm')}`,
    ];
    expect((await evaluate(...flags)).code).toBe(0);
    expect(repository.commits).toHaveLength(1);
    const { out, err } = await evaluate(...flags, '--push_to_hub');
    expect(err).toContain(`results pushed to ${hub.url}/tester/tuned`);
    const changed = repository.read('README.md')!.toString();
    expect(changed).toMatch(/^---\nlicense: mit # kept\nmodel-index:\n/);
    expect(changed).toMatch(/\n---\n# Mine\n$/);
    expect(changed).toContain(`type: wer\n            value: ${Number(JSON.parse(out).wer.toFixed(2))}\n`);
    expect(changed).toContain('type: data\n');
    expect(repository.paths).toContain('model.safetensors');
  });

  it.each([
    [[], /--push_to_hub: .*a, model is no model on the Hub: name one by --hub_model_id/],
    [['--hub_model_id=../x'], /\.\.\/x is no model on the Hub/],
    [['--model_id', 'a', 'b', '--hub_model_id=c/d'], /--hub_model_id names the card of one model/],
    [['--hub_model_id=tester/tuned', `--token=${READ_TOKEN}`], /--push_to_hub: the token may only read/],
  ])('is refused before anything is computed: %j', async (flags, message) => {
    const { code, out, err } = await evaluate('--push_to_hub', ...flags);
    expect(code).toBeGreaterThan(0);
    expect(out).toBe('');
    expect(err.trimEnd().split('\n').at(-1)).toMatch(message);
  });
});
