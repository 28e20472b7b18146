// What a Trainer is made with: options, data sets, a signal.
import type { Source } from '../data/dataset.js';
import type { TrainingArguments } from './arguments.js';
import type { EvaluationSet } from './evaluation.js';

/** Options of training under transformers' names in camelCase; those left out have the defaults of `arguments.ts`. */
export interface TrainerOptions extends Partial<TrainingArguments> {
  /** Everything is written here. */
  outputDir: string;
  trainDataset: Source;
  evalDataset?: Source | undefined;
  /** Further sets that are evaluated with it; their metrics are `eval_NAME_wer` and so on. */
  extraEvalDatasets?: Readonly<Record<string, Source>> | undefined;
  /** Stops training, with a checkpoint of the last update that was complete. */
  signal?: AbortSignal | undefined;
}

/** The sets that a run is evaluated on, the main one first. */
export function evaluationSets(
  main: Source | undefined,
  extra: Readonly<Record<string, Source>> = {},
): EvaluationSet[] {
  const further = Object.entries(extra).map(([name, source]) => ({ name, source }));
  return main ? [{ name: undefined, source: main }, ...further] : further;
}
