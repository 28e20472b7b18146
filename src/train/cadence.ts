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

type Strategy = 'no' | 'steps' | 'epoch';
/** Where a run is after a step. */
type Place = Readonly<{ step: number; epoch: number }>;
type Step = Pick<TrainingStep, 'endsPass'>;

/** Whether something that happens every `every` updates, or at the end of a pass, happens after update `number`. */
function due(strategy: Strategy, every: number, number: number, { endsPass }: Step): boolean {
  if (strategy === 'steps') return number % every === 0;
  return strategy === 'epoch' && endsPass;
}

/** Whether a line of the log is written after a step. */
export function logsAfter(options: TrainingArguments, run: Place, total: number, step: Step): boolean {
  const { logging } = cadenceOf(options, total);
  if (options.loggingFirstStep && run.step === 1) return true;
  return due(options.loggingStrategy, logging, run.step, step);
}

/** Whether a run is evaluated after a step: not before `evalDelay` updates, or passes where those count. */
export function evaluatesAfter(options: TrainingArguments, run: Place, total: number, step: Step): boolean {
  const { evalStrategy, evalDelay } = options;
  if ((evalStrategy === 'epoch' ? run.epoch : run.step) < evalDelay) return false;
  return due(evalStrategy, cadenceOf(options, total).evaluation, run.step, step);
}

/** Whether a checkpoint is written after a step: after the last one always, where updates are counted. */
export function savesAfter(options: TrainingArguments, run: Place, total: number, step: Step): boolean {
  const { saveStrategy } = options;
  if (saveStrategy === 'steps' && run.step === total) return true;
  return due(saveStrategy, cadenceOf(options, total).saving, run.step, step);
}
