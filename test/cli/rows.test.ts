// Everything that may become of a row at once, trained by the engine: the size of micro-batches changes nothing of it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { wav } from '../helpers/wav.mjs';
import { makeModel, run, temporaryFolder, tone, WORDS } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const model = join(folder.path, 'model');
const data = join(folder.path, 'data');

beforeAll(async () => {
  await makeModel(model);
  mkdirSync(join(data, 'clips'), { recursive: true });
  const lines = Array.from({ length: 24 }, (_, i) => {
    const audio = `clips/${i}.wav`;
    writeFileSync(join(data, audio), wav(tone(1 + (i % 4), 0.2 + 0.01 * i)));
    const before = i % 3 === 0 ? WORDS[(i + 1) % 4] : null;
    return JSON.stringify({ audio, text: WORDS[i % 4], language: i % 5 === 0 ? 'de' : 'en-GB', before });
  });
  writeFileSync(join(data, 'train.jsonl'), `${lines.join('\n')}\n`);
});

async function losses(name: string, ...batch: string[]): Promise<number[]> {
  const out = join(folder.path, name);
  const { code, err } = await run(
    'train',
    ...['--model_name_or_path', model, '--dataset_name', data, '--do_train', '--output_dir', out],
    ...['--max_steps', '4', '--logging_steps', '1', '--save_strategy', 'no', '--learning_rate', '1e-3'],
    ...['--timestamps', '--prompt_probability', '0.7', '--prompt_column_name', 'before', '--stitch_clips'],
    ...['--speed_perturbation', '0.9,1,1.1', '--noise_probability', '0.5', '--noise_snr_db', '5,20'],
    ...[
      '--apply_spec_augment',
      '--mask_time_prob',
      '0.2',
      '--mask_feature_prob',
      '0.1',
      '--report_to',
      'none',
    ],
    ...batch,
  );
  expect(code, err).toBe(0);
  const { log_history } = JSON.parse(readFileSync(join(out, 'trainer_state.json'), 'utf8'));
  return log_history.flatMap(({ loss }: { loss?: number }) => (loss === undefined ? [] : [loss]));
}

it('is the same in micro-batches of four rows and of two', async () => {
  const four = await losses('four', '--per_device_train_batch_size', '4');
  const two = await losses(
    'two',
    ...['--per_device_train_batch_size', '2', '--gradient_accumulation_steps', '2'],
  );
  expect(four.length).toBe(4);
  for (const [i, loss] of four.entries()) expect(Math.abs(two[i]! - loss)).toBeLessThan(1e-4);
  // Other masks, noise and speeds with another seed.
  const other = await losses('other', '--per_device_train_batch_size', '4', '--seed', '7');
  expect(other).not.toEqual(four);
});
