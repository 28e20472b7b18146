// The run that test/train/parity.test.ts repeats and make.py makes the golden losses of: a folder with a model of random
// weights and a small data set, and the flags of `whisper-tune train`.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wav } from '../../helpers/wav.mjs';
import { clip } from '../model/clips.mjs';

const untrained = fileURLToPath(new URL('../../../scripts/quickstart/model', import.meta.url));

/** Ten rows: with batches of four each pass ends with a batch of two. */
const sentences = [
  'turn on the kitchen light',
  'one two three',
  'set the office fan to red',
  'close the bedroom window',
  'seven',
  'open the garage door at nine',
  'four zero',
  'set the garden radio to five six',
  'turn off the bedroom heater',
  'eight one eight one',
];

/** Rows of the data set: file name, sentence and samples. */
export const rows = sentences.map((sentence, i) => ({
  path: `clip-${i}.wav`,
  sentence,
  samples: clip(i, 16000 + 3001 * (i % 8)),
}));

/**
 * Writes `data/` (a Common Voice folder) and `untrained/` (configuration and tokenizer, SpecAugment off) into a folder.
 * @param {string} folder
 */
export function writeInputs(folder) {
  mkdirSync(join(folder, 'data/clips'), { recursive: true });
  for (const { path, samples } of rows) writeFileSync(join(folder, 'data/clips', path), wav(samples));
  const table = [
    'client_id\tpath\tsentence',
    ...rows.map((row) => `me\t${row.path}\t${row.sentence}`),
    '',
  ].join('\n');
  for (const split of ['train', 'dev', 'test']) writeFileSync(join(folder, `data/${split}.tsv`), table);
  cpSync(untrained, join(folder, 'untrained'), { recursive: true });
  const file = join(folder, 'untrained/config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...config, apply_spec_augment: false }));
}

export const hyper = { steps: 30, batch: 4, learningRate: 1e-3, warmup: 5, weightDecay: 0.01, seed: 3 };

/** Flags of the run, for inputs and output in a folder. */
export const flags = (folder, output = join(folder, 'out')) => [
  `--model_name_or_path=${join(folder, 'untrained')}`,
  '--init_from_scratch=fan_in',
  `--dataset_name=${join(folder, 'data')}`,
  `--output_dir=${output}`,
  '--text_column_name=sentence',
  '--language=en',
  '--do_train',
  '--shuffle_buffer_size=1',
  `--max_steps=${hyper.steps}`,
  `--per_device_train_batch_size=${hyper.batch}`,
  `--learning_rate=${hyper.learningRate}`,
  `--warmup_steps=${hyper.warmup}`,
  `--weight_decay=${hyper.weightDecay}`,
  `--seed=${hyper.seed}`,
  '--logging_steps=1',
];
