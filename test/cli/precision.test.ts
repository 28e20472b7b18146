// whisper-tune train in 16 bits, with a loss scale that overflows, and within budgets of memory: from end to end on a
// tiny model.
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { estimate } from '../../src/train/memory/estimate.js';
import { editJson, makeDataset, makeModel, type Outcome, run, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
const json = (...path: string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));
const hash = (...path: string[]) =>
  createHash('sha256')
    .update(readFileSync(at(...path)))
    .digest('hex');
/** What the log says of each step, but for the time that it waited. */
const lines = (output: string): Record<string, number>[] =>
  json(output, 'trainer_state.json')
    .log_history.filter((line: object) => 'learning_rate' in line)
    .map(({ data_wait: _, ...line }: Record<string, number>) => line);

beforeAll(async () => {
  await makeModel(at('model'));
  // Masks are drawn for micro-batches, which are others within a budget.
  editJson(at('model', 'config.json'), { apply_spec_augment: false });
  makeDataset(at('data'));
});

async function train(output: string, ...more: string[]): Promise<Outcome> {
  const outcome = await run(
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
    '--shuffle_buffer_size=6',
    '--save_steps=6',
    ...more,
  );
  expect(outcome.err).not.toContain('error');
  expect(outcome.code).toBe(0);
  return outcome;
}

describe('training in 16 bits', () => {
  it.each(['--fp16', '--bf16'])('%s learns as f32 does', async (flag) => {
    await train(`f32${flag}`);
    const { err } = await train(`half${flag}`, flag);
    const narrow = flag === '--bf16' && /^(avx512bf16|amx)$/.test(addon().deviceInfo().isa);
    expect(err.includes('saves memory, not time')).toBe(!narrow);
    const whole = lines(`f32${flag}`);
    for (const [i, { loss }] of lines(`half${flag}`).entries()) {
      // bf16 has 8 bits: a relative rounding of 2^-9 at every activation and weight, twelve updates on.
      expect(Math.abs(loss! - whole[i]!.loss!) / whole[i]!.loss!).toBeLessThan(
        flag === '--fp16' ? 0.01 : 0.03,
      );
    }
    const only = await run(
      'evaluate',
      `--model_id=${at(`half${flag}`)}`,
      `--dataset=${at('data')}`,
      '--language=en',
      flag,
    );
    expect(only.code).toBe(0);
    const clip = at('data', 'clips', 'test_0.wav');
    expect(
      (await run('transcribe', clip, `--model_id=${at(`half${flag}`)}`, '--language=en', flag)).code,
    ).toBe(0);
    expect(only.err).toMatch(new RegExp(`layers of width 32, ${flag === '--fp16' ? 'f16' : 'bf16'} on cpu`));
  });

  it.each([
    ['--fp16', ['--initial_loss_scale=1e7']],
    ['--fp16', ['--loss_scaler=deepspeed', '--initial_loss_scale=1e7', '--loss_scale_window=3']],
    ['--bf16', ['--dropout=0.1', '--decoder_layerdrop=0.3']],
    ['--fp16', ['--optim=adamw_8bit', '--initial_loss_scale=1e7', '--gradient_checkpointing']],
    ['--bf16', ['--adafactor', '--encoder_learning_rate=1e-3']],
  ])('%s %j gives the same bits when stopped and resumed', async (precision, more) => {
    const [whole, resumed] = [`whole${precision}${more}`, `resumed${precision}${more}`];
    await train(whole, precision, ...more);
    await train(resumed, precision, ...more);
    rmSync(at(resumed, 'checkpoint-12'), { recursive: true });
    rmSync(at(resumed, 'model.safetensors'));
    const { err } = await train(resumed, precision, ...more);
    expect(err).toContain('updates 7 to 12, resumed from');
    for (const file of ['model.safetensors', 'checkpoint-12/optimizer.safetensors']) {
      expect(hash(resumed, file), file).toBe(hash(whole, file));
    }
    expect(lines(resumed)).toEqual(lines(whole));
  });

  it('skips steps whose gradients overflow, and says so', async () => {
    const { err } = await train('overflow', '--fp16', '--initial_loss_scale=1e30', '--max_steps=5');
    expect(err).toMatch(/update 5\/5 .* grad norm (Infinity|NaN) {2}scale 6\.25e\+28 \(5 skipped\)/);
    const rows = lines('overflow');
    expect(rows.map(({ skipped_steps }) => skipped_steps)).toEqual([1, 2, 3, 4, 5]);
    expect(rows.every((row) => row.learning_rate === 3e-3 && !('grad_norm' in row) && row.loss! > 0)).toBe(
      true,
    );
    expect(hash('overflow', 'model.safetensors')).toBe(hash('model', 'model.safetensors'));
  });
});

describe('training within a budget', () => {
  it('plans the micro-batch, or halves it: the same updates up to rounding', async () => {
    // A large epsilon: with its own, the sign of a gradient near zero would decide, and that is rounding.
    const common = ['--adam_epsilon=0.01', '--max_label_length=12'];
    await train('whole', ...common);
    const { peak } = await estimate(at('model'), { batchSize: 2, labelLength: 12 });
    const budget = [...common, `--memory_budget=${(1.03 * peak) / 1e6}MB`];
    const planned = await train('planned', ...budget, '--auto_batch');
    expect(planned.err).toMatch(
      /^plan: micro-batches of 2 rows, 2 to an update; with labels of 12 tokens [\d.]+ MB of /m,
    );
    const halved = await train('halved', ...budget, '--auto_find_batch_size');
    expect(halved.err).toContain('update 1: 4 rows at a time do not fit memory, going on with 2\n');
    for (const output of ['planned', 'halved']) {
      for (const [i, { loss }] of lines(output).entries()) {
        expect(loss! / lines('whole')[i]!.loss!).toBeCloseTo(1, 4);
      }
    }
  });
});
