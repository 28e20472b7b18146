// Signals, in processes of their own: the first saves a checkpoint and ends the run, the second ends it at once.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataset, makeModel, run, temporaryFolder } from './fixtures.js';

const entry = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);

beforeAll(async () => {
  await makeModel(at('model'));
  makeDataset(at('data'));
});

const flags = (output: string, steps: number) => [
  'train',
  `--model_name_or_path=${at('model')}`,
  `--dataset_name=${at('data')}`,
  `--output_dir=${at(output)}`,
  '--language=en',
  '--do_train',
  `--max_steps=${steps}`,
  '--logging_steps=1',
  '--per_device_train_batch_size=4',
];

/** Starts a process and waits until its standard error says something. */
async function start(args: string[], says: RegExp): Promise<{ child: ChildProcess; err: () => string }> {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let err = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      err += text;
      if (says.test(err)) resolve();
    });
    child.once('close', () => reject(new Error(`ended before it said ${says}: ${err}`)));
  });
  return { child, err: () => err };
}

describe.each(['SIGINT', 'SIGTERM'] as const)('%s', (name) => {
  it('saves a checkpoint, ends with 1, and the run goes on from there', async () => {
    const output = name.toLowerCase();
    const { child, err } = await start(flags(output, 1_000_000), /update 3\//);
    child.kill(name);
    const [code, signal] = await once(child, 'close');
    expect([code, signal]).toEqual([1, null]);
    const [checkpoint] = readdirSync(at(output)).filter((entry) => entry.startsWith('checkpoint-'));
    const step = Number(checkpoint!.split('-')[1]);
    expect(step).toBeGreaterThanOrEqual(3);
    expect(err()).toContain(`${name}: stopping; once more to quit at once`);
    expect(err()).toMatch(new RegExp(`stopped after ${step} updates`));
    expect(existsSync(at(output, 'model.safetensors'))).toBe(false);

    const resumed = await run(...flags(output, step + 2));
    expect(resumed.code).toBe(0);
    expect(resumed.err).toContain(`updates ${step + 1} to ${step + 2}, resumed from`);
    const { log_history } = JSON.parse(readFileSync(at(output, 'trainer_state.json'), 'utf8'));
    const steps = log_history
      .filter((line: object) => 'loss' in line)
      .map((line: { step: number }) => line.step);
    expect(steps).toEqual(Array.from({ length: step + 2 }, (_, i) => i + 1));
  });
});

it('the second signal ends the process at once, with nothing half written', async () => {
  const { child } = await start(flags('twice', 1_000_000), /update 2\//);
  child.kill('SIGINT');
  child.kill('SIGTERM');
  const [code, signal] = await once(child, 'close');
  expect([code, signal]).toEqual([1, null]);
  for (const name of readdirSync(at('twice')).filter((entry) => entry.startsWith('checkpoint-'))) {
    expect(readdirSync(at('twice', name))).toContain('model.safetensors');
  }
});

it('a reader of the output that goes away is no failure', async () => {
  const child = spawn(process.execPath, [entry, 'train', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [code, signal] = await once(child, 'close');
  expect([code, signal]).toEqual([0, null]);
});
