// SIGKILL at twenty moments of one run, half of them while a checkpoint is written: the run that was killed ends with the
// bits of the run that was not.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RandomStream } from '../../src/data/random.js';
import { makeDataset, makeModel, temporaryFolder } from './fixtures.js';

const entry = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);

const KILLS = 20;
const STEPS = 60;

beforeAll(async () => {
  await makeModel(at('model'));
  makeDataset(at('data'));
});

const flags = (output: string) => [
  'train',
  `--model_name_or_path=${at('model')}`,
  `--dataset_name=${at('data')}`,
  `--output_dir=${at(output)}`,
  '--language=en',
  '--do_train',
  `--max_steps=${STEPS}`,
  '--logging_steps=1',
  '--save_steps=2',
  '--save_total_limit=2',
  '--per_device_train_batch_size=4',
  '--shuffle_buffer_size=5',
];

/** What a process shows of itself: a line of its log, or a change in its folder. */
type Sign = 'line' | 'change';

/** Runs the command to its end, or kills it at a sign of life. */
async function train(output: string, until?: { sign: Sign; count: number }): Promise<number | null> {
  mkdirSync(at(output), { recursive: true });
  const child = spawn(process.execPath, [entry, ...flags(output)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const seen = { line: 0, change: 0 };
  const live = (sign: Sign) => {
    seen[sign] += 1;
    if (until?.sign === sign && seen[sign] === until.count) child.kill('SIGKILL');
  };
  const watcher = watch(at(output), () => live('change'));
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    if (/update \d/.test(text)) live('line');
  });
  const [code, signal] = await once(child, 'close');
  watcher.close();
  if (signal === null && code !== 0) throw new Error(err);
  return code;
}

const file = (output: string, name: string) => readFileSync(at(output, name));
const optimizer = join(`checkpoint-${STEPS}`, 'optimizer.safetensors');

/** What a history says of the steps, without the clock's part in it. */
function history(output: string): object[] {
  const { log_history } = JSON.parse(file(output, 'trainer_state.json').toString('utf8'));
  return log_history
    .filter((line: object) => 'loss' in line)
    .map(({ data_wait: _, ...line }: Record<string, number>) => line);
}

it('goes on after each, and ends with the same weights', { timeout: 120_000 }, async () => {
  const random = new RandomStream(7, 0);
  let killed = 0;
  while (killed < KILLS) {
    const sign = killed % 2 === 0 ? 'change' : 'line';
    const code = await train('killed', { sign, count: 1 + random.below(sign === 'change' ? 16 : 6) });
    // The last steps may be done before the sign comes: then there is nothing left to kill.
    if (code === 0) break;
    killed += 1;
  }
  expect(killed).toBe(KILLS);
  expect(await train('killed')).toBe(0);
  expect(await train('whole')).toBe(0);
  expect(file('killed', 'model.safetensors').equals(file('whole', 'model.safetensors'))).toBe(true);
  expect(file('killed', optimizer).equals(file('whole', optimizer))).toBe(true);
  expect(history('killed')).toEqual(history('whole'));
  // Nothing half written is left.
  const names = (output: string) => readdirSync(at(output)).sort();
  expect(names('killed')).toEqual(names('whole'));
});
