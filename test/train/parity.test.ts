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
    execFileSync(process.execPath, [main, 'train', ...flags(folder)], { encoding: 'utf8', stdio: 'pipe' });
    const state = JSON.parse(readFileSync(join(folder, 'out/trainer_state.json'), 'utf8'));
    log = state.log_history.filter((row: Partial<Row>) => row.loss !== undefined);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('logs every step', () => expect(log).toHaveLength(hyper.steps));

  it.each(golden.map((row, step) => [step + 1, row] as const))('agrees at step %i', (step, expected) => {
    const row = log[step - 1]!;
    expect(Math.abs(row.loss - expected.loss) / expected.loss, 'loss').toBeLessThan(1e-4);
    expect(Math.abs(row.grad_norm - expected.grad_norm) / expected.grad_norm, 'grad_norm').toBeLessThan(1e-4);
    expect(row.learning_rate).toBeCloseTo(expected.learning_rate, 10);
  });
});
