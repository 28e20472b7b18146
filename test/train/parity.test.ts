// Thirty steps of `whisper-tune train` beside thirty by PyTorch (test/golden/train/make.py): losses, gradient norms and
// learning rates, through the real command line, data pipeline and trainer.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flags, hyper, writeInputs } from '../golden/train/run.mjs';

interface Row {
  loss: number;
  grad_norm: number;
  learning_rate: number;
}

const golden: Row[] = JSON.parse(
  readFileSync(new URL('../golden/train/golden.json', import.meta.url), 'utf8'),
);
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

describe('thirty steps of training against PyTorch', () => {
  let folder: string;
  let log: Row[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'whisper-tune-parity-'));
    writeInputs(folder);
    log = train('out', '--save_steps=15');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Trains into a folder and returns the log without its times. */
  function train(output: string, ...more: string[]): Row[] {
    const args = [main, 'train', ...flags(folder, join(folder, output)), ...more];
    execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' });
    const state = JSON.parse(readFileSync(join(folder, output, 'trainer_state.json'), 'utf8'));
    const rows = state.log_history.filter((row: Partial<Row>) => row.loss !== undefined);
    return rows.map(({ data_wait: _, ...row }: Row & { data_wait: number }) => row);
  }

  const weights = (output: string) => readFileSync(join(folder, output, 'model.safetensors'));

  it('logs every step', () => expect(log).toHaveLength(hyper.steps));

  it.each(golden.map((row, step) => [step + 1, row] as const))('agrees at step %i', (step, expected) => {
    const row = log[step - 1]!;
    expect(Math.abs(row.loss - expected.loss) / expected.loss, 'loss').toBeLessThan(1e-4);
    expect(Math.abs(row.grad_norm - expected.grad_norm) / expected.grad_norm, 'grad_norm').toBeLessThan(1e-4);
    expect(row.learning_rate).toBeCloseTo(expected.learning_rate, 10);
  });

  // What PyTorch's autocast strays from its own f32 run at most (bench/precision.mjs; docs/numerics.md).
  it.each([
    ['bf16', 1.1e-3],
    ['f16', 1.5e-4],
  ])('stays as close in %s as autocast does', (precision, limit) => {
    const rows = train(precision, `--precision=${precision}`, '--save_strategy=no');
    expect(rows).toHaveLength(hyper.steps);
    for (const [step, { loss }] of rows.entries()) {
      expect(Math.abs(loss - golden[step]!.loss) / golden[step]!.loss, `step ${step + 1}`).toBeLessThan(
        limit,
      );
    }
  });

  it.each([
    ['stopped after fifteen and resumed', 'resumed', '--resume_from_checkpoint=out/checkpoint-15'],
    ['with gradient checkpointing', 'checkpointing', '--gradient_checkpointing'],
    ['repeated', 'repeated', '--logging_steps=1'],
  ])('gives the same bits %s', (_, output, flag) => {
    const again = train(output, flag.replace('out/', `${folder}/out/`));
    expect(again).toEqual(log);
    expect(weights(output).equals(weights('out'))).toBe(true);
  });
});
