// The run that test/train/parity.test.ts repeats and make.py makes the golden losses of: a folder with a model of random
// weights and a small data set, and the flags of `whisper-tune train`.
import { mkdirSync, readFileSync, writeFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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

/** 16-bit mono wav at 16 kHz. */
function wav(samples) {
  const bytes = Buffer.alloc(44 + 2 * samples.length);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(16000, 24);
  bytes.writeUInt32LE(32000, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((x, i) => {
    bytes.writeInt16LE(Math.round(x * 32768), 44 + 2 * i);
  });
  return bytes;
}

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
  const table = ['client_id\tpath\tsentence', ...rows.map((row) => `me\t${row.path}\t${row.sentence}`), ''].join('\n');
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
