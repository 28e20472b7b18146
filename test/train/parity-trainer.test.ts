// Two hundred steps of `whisper-tune train` beside two hundred by transformers' Seq2SeqTrainer in float32
// (test/golden/train/trainer.py), without and with accumulation over the end of a pass.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flags, writeInputs } from '../golden/train/run.mjs';

interface Golden {
  hyper: { steps: number; learningRate: number; warmup: number };
  losses: Record<string, number[]>;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../golden/train/trainer.json', import.meta.url), 'utf8'),
);
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

describe('two hundred steps against transformers’ Trainer', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'whisper-tune-trainer-'));
    writeInputs(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(Object.entries(golden.losses))('follow its losses with accumulation over %s', (count, losses) => {
    const { steps, learningRate, warmup } = golden.hyper;
    const output = join(folder, count);
    const more = [
      `--max_steps=${steps}`,
      `--learning_rate=${learningRate}`,
      `--warmup_steps=${warmup}`,
      `--gradient_accumulation_steps=${count}`,
      '--save_strategy=no',
      '--report_to=none',
    ];
    execFileSync(process.execPath, [main, 'train', ...flags(folder, output), ...more], { stdio: 'pipe' });
    const { log_history: history } = JSON.parse(readFileSync(join(output, 'trainer_state.json'), 'utf8'));
    const found = (history as { loss?: number }[]).flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
    expect(found).toHaveLength(losses.length);
    for (const [i, loss] of found.entries()) {
      expect(Math.abs(loss - losses[i]!), `step ${i + 1}`).toBeLessThan(1e-3);
    }
  });
});
