// Utterances as JSON lines and CSV, the summary of an evaluation, and the leaderboard.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, describe, expect, it } from 'vitest';
import { readAudio } from '../../src/data/index.js';
import { leaderboardJson, leaderboardTable, ranked } from '../../src/evaluate/leaderboard.js';
import { folderNames } from '../../src/evaluate/models.js';
import { describeRates, evaluationJson } from '../../src/evaluate/summary.js';
import { UtteranceFiles, utteranceRecord } from '../../src/evaluate/utterances.js';
import { wavFile } from '../../src/files/wav-writer.js';
import { describeEvaluation } from '../../src/report/progress.js';
import { evaluated } from './rows.js';

const folder = mkdtempSync(join(tmpdir(), 'whisper-tune-reports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

describe('utterances', () => {
  const { rows } = evaluated([
    { reference: 'He said "a, b"', hypothesis: 'he said\r\na b c', language: 'en' },
    { reference: '', hypothesis: '=cmd()' },
    { reference: '日本', hypothesis: '' },
  ]);

  it('are on the disk as soon as they are written', async () => {
    const files = await UtteranceFiles.open(folder);
    await files.write(utteranceRecord(rows[0]!));
    expect(JSON.parse(read('utterances.jsonl'))).toEqual({
      id: 'row-0',
      reference: 'He said "a, b"',
      hypothesis: 'he said\r\na b c',
      normalized_reference: 'he said a b ',
      normalized_hypothesis: 'he said a b c',
      words: 4,
      substitutions: 0,
      deletions: 0,
      insertions: 1,
      wer: 25,
      cer: 18.18,
      unscored: null,
      seconds: 1,
      language: 'en',
      avg_logprob: null,
      compression_ratio: expect.any(Number),
      loop: false,
      silent: false,
    });
    for (const row of rows.slice(1)) await files.write(utteranceRecord(row));
    await files.close();
    const table = parse(read('utterances.csv'), { columns: true }) as Record<string, string>[];
    expect(table.map(({ hypothesis }) => hypothesis)).toEqual(rows.map(({ hypothesis }) => hypothesis));
    expect(table[1]).toMatchObject({ unscored: 'empty', wer: '', hypothesis: '=cmd()' });
    expect(table[2]).toMatchObject({ deletions: '1', wer: '100', cer: '100' });
  });

  it('cannot be written where there is a folder', async () => {
    await expect(UtteranceFiles.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('the summary', () => {
  const { evaluation } = evaluated([
    { reference: 'uno dos', hypothesis: 'uno', language: 'es' },
    { reference: 'ek', hypothesis: 'ek ek', language: 'hi' },
  ]);
  const model = {
    name: 'm',
    evaluation,
    intervals: { wer: { low: 1, high: 99.5 }, cer: { low: 2, high: 3 } },
  };

  it('has everything for machines', () => {
    expect(evaluationJson(model)).toMatchObject({
      model: 'm',
      wer: 200 / 3,
      ser: 100,
      wer_interval: [1, 99.5],
      words: 3,
      deletions: 1,
      insertions: 1,
      insertion_rate: 100 / 3,
      normalizer: 'basic',
      normalizers: { none: { words: 3, sentences: 2 } },
      languages: { es: { wer: 50 }, hi: { wer: 100 } },
      hallucinations: { loops: 0, silent_with_text: 0 },
      unscored: { empty: 0, ignored: 0 },
      samples_per_second: 1,
      audio_seconds_per_second: 1,
    });
  });

  it('and the most of it for people', () => {
    const lines = describeRates(model).split('\n');
    const cer = evaluation.cer!.toFixed(2);
    expect(lines[0]).toBe(`WER 66.67 % [1.00, 99.50], CER ${cer} % [2.00, 3.00] (2 rows, 2.0 s)`);
    expect(lines[1]).toBe(
      'substitutions 0, deletions 1, insertions 1, words 3; sentences with an error 100.00 %; 1.0 x real time',
    );
    expect(lines.slice(6)).toEqual([
      expect.stringMatching(/^language +WER +CER +SER +words +sentences$/),
      expect.stringMatching(/^es +50\.00 %/),
      expect.stringMatching(/^hi +100\.00 %/),
    ]);
  });
});

it('tells in one line where marks make a difference', () => {
  const line = (reference: string, hypothesis: string) =>
    describeEvaluation(evaluated([{ reference, hypothesis }]).evaluation);
  expect(line('हिन्दी', 'हिन्दू')).toMatch(
    /^WER 0\.00 % \(marks kept 100\.00 %\), CER 0\.00 % \(1 rows, 2\.0 s\)$/,
  );
  expect(line('red', 'blue')).toMatch(/^WER 100\.00 %, CER /);
});

describe('the leaderboard', () => {
  const model = (name: string, hypothesis: string) => ({
    name,
    ...evaluated([{ reference: 'a b c d', hypothesis }]),
  });
  const models = ranked([model('bad', 'x y z d'), model('good', 'a b c x'), model('fair', 'a b x y')]);

  it('has the best first, and how sure that is', () => {
    expect(models.map(({ name }) => name)).toEqual(['good', 'fair', 'bad']);
    const better = [
      [0.5, 0.7, 0.95],
      [0.3, 0.5, 0.6],
      [0.05, 0.4, 0.5],
    ];
    const comparison = { utterances: 1, better };
    expect(leaderboardTable({ models, comparison }).split('\n')).toEqual([
      'model      WER      CER       SER  rows/s  x real time  best is better',
      expect.stringMatching(/^good {3}25\.00 % .* 0\.5$/),
      expect.stringMatching(/^fair .* 0\.5 +70\.00 %$/),
      expect.stringMatching(/^bad .* 0\.5 +95\.00 % \*$/),
    ]);
    expect(leaderboardJson({ models, comparison })).toMatchObject({
      models: [{ model: 'good', wer: 25 }, { model: 'fair' }, { model: 'bad', wer: 75 }],
      utterances: 1,
      better,
    });
    expect(leaderboardTable({ models })).not.toContain('better');
  });

  it('gives each model a folder of its own', () => {
    expect(folderNames(['a/b/', 'c/b', 'openai/whisper tiny', '..', 'c\\b'])).toEqual([
      'b',
      'b-2',
      'whisper_tiny',
      'model',
      'b-3',
    ]);
  });
});

it('writes WAV files that can be read', async () => {
  const samples = Float32Array.of(0, 0.5, -0.5, 2, -2, Number.NaN);
  const { samples: back } = await readAudio(wavFile(samples));
  const expected = [0, 0.5, -0.5, 1, -1, 0];
  for (const [i, value] of back.entries()) expect(value).toBeCloseTo(expected[i]!, 4);
  expect(back).toHaveLength(6);
});
