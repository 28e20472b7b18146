// How often a run logs, evaluates and saves: every so many updates, or a share of all of them.
import type { TrainingArguments } from './arguments.js';
import type { TrainingStep } from './step.js';

/** Updates between two of each. */
export interface Cadence {
  logging: number;
  evaluation: number;
  saving: number;
}

/** @param total updates of the run, of which values below 1 are shares (transformers: TrainerState.compute_steps) */
export function cadenceOf(options: TrainingArguments, total: number): Cadence {
  const updates = (value: number): number => (value < 1 ? Math.ceil(total * value) : value);
  return {
    logging: updates(options.loggingSteps),
    evaluation: updates(options.evalSteps ?? options.loggingSteps),
    saving: updates(options.saveSteps),
  };
}

/** Whether something that happens every `every` updates, or at the end of a pass, happens after update `number`. */
export function due(
  strategy: 'no' | 'steps' | 'epoch',
  every: number,
  number: number,
  { endsPass }: Pick<TrainingStep, 'endsPass'>,
): boolean {
  if (strategy === 'steps') return number % every === 0;
  return strategy === 'epoch' && endsPass;
}

/** Whether an evaluation that is due is not too early for `evalDelay`: updates, or passes where they count. */
export function delayed(
  options: TrainingArguments,
  { step, epoch }: { step: number; epoch: number },
): boolean {
  return (options.evalStrategy === 'epoch' ? epoch : step) < options.evalDelay;
}
