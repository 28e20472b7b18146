// What an evaluation changes in a run: when it is to end early, and the learning rate of reduce_lr_on_plateau.
import type { TrainingArguments } from './arguments.js';
import { bestMetric } from './checks.js';
import { plateauAfter } from './plateau.js';
import type { Metrics } from './results.js';
import type { RunState } from './state.js';

/** Evaluations without improvement; JSON, saved with a run. */
export interface Patience {
  best: number | undefined;
  /** In a row. */
  bad: number;
}

export const NO_PATIENCE: Patience = { best: undefined, bad: 0 };

/**
 * Counts an evaluation as transformers' EarlyStoppingCallback does: one that is better by no more than the threshold is
 * still without improvement, and the one that the next is compared with.
 */
export function patienceAfter(before: Patience, value: number, grows: boolean, threshold: number): Patience {
  const { best, bad } = before;
  if (best === undefined) return { best: value, bad: 0 };
  const better = grows ? value > best : value < best;
  const enough = better && Math.abs(value - best) > threshold;
  return { best: better ? value : best, bad: enough ? 0 : bad + 1 };
}

/** Notes an evaluation's metrics in the state of a run. */
export function noteEvaluation(run: RunState, metrics: Metrics, options: TrainingArguments): void {
  const grows = options.greaterIsBetter ?? false;
  const { earlyStoppingThreshold: threshold, learningRate, lrSchedulerKwargs } = options;
  const value = metrics[bestMetric(options) ?? 'eval_loss'];
  if (value === undefined) return;
  run.patience = patienceAfter(run.patience, value, grows, threshold);
  if (options.lrSchedulerType === 'reduce_lr_on_plateau') {
    run.plateau = plateauAfter(run.plateau, value, grows, lrSchedulerKwargs ?? {}, learningRate);
  }
}

/** Whether evaluations have gone without improvement for too long. */
export function stopsEarly(
  { patience }: RunState,
  { earlyStoppingPatience: most }: TrainingArguments,
): boolean {
  return most !== undefined && patience.bad >= most;
}
