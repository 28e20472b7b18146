// Results as the scripts of transformers leave them: train_results.json, eval_results.json and all_results.json.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evaluation } from '../evaluate/evaluate.js';
import { sortedJson } from '../files/json.js';
import { writeFiles } from '../model/checkpoint.js';
import { meanLoss, type RunState } from './state.js';

export type Metrics = Record<string, number>;

/**
 * An evaluation under transformers' names: `eval_loss`, `eval_wer` and `eval_cer` in percent, speeds.
 *
 * @param set name of a further evaluation set: `eval_SET_wer` and so on
 */
export function evaluationMetrics(evaluation: Evaluation, set?: string): Metrics {
  const { loss, wer, cer, samples, batches, seconds } = evaluation;
  const metrics = {
    ...(loss !== undefined && { loss }),
    ...(wer !== undefined && { wer }),
    ...(cer !== undefined && { cer }),
    runtime: round(seconds),
    samples,
    samples_per_second: round(samples / seconds),
    steps_per_second: round(batches / seconds),
  };
  const prefix = set === undefined ? 'eval' : `eval_${set}`;
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}_${name}`, value]));
}

/** The summary of a whole training. */
export function trainingMetrics(state: RunState, flos: number): Metrics {
  return {
    epoch: state.epoch,
    total_flos: flos,
    train_loss: meanLoss(state),
    train_runtime: round(state.seconds),
    // As transformers' scripts: of the data set, however often it was read; unknown while a stream has not ended.
    ...(state.rowsPerPass !== undefined && { train_samples: state.rowsPerPass }),
    train_samples_per_second: round(state.rows / state.seconds),
    train_steps_per_second: round(state.step / state.seconds),
  };
}

/** The metrics that go into `log_history`: counts of rows stand in the results alone, as in transformers. */
export function loggedMetrics(metrics: Metrics): Metrics {
  return Object.fromEntries(Object.entries(metrics).filter(([name]) => !name.endsWith('_samples')));
}

/** Writes `{split}_results.json` and merges the metrics into `all_results.json`. */
export async function writeResults(
  outputDir: string,
  split: 'train' | 'eval',
  metrics: Metrics,
): Promise<void> {
  const before = await readFile(join(outputDir, 'all_results.json'), 'utf8')
    .then((text): unknown => JSON.parse(text))
    .catch(() => ({}));
  await writeFiles(outputDir, async (temporary) => {
    await writeFile(join(temporary, `${split}_results.json`), sortedJson(metrics, 4));
    await writeFile(
      join(temporary, 'all_results.json'),
      sortedJson({ ...(before as Metrics), ...metrics }, 4),
    );
  });
}

// Three decimals, as speed_metrics of transformers rounds.
function round(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 1000) / 1000 : 0;
}
