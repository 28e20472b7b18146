// Evaluation as a training run asks for it: its options, what it tells on the way, and what to do when memory does not suffice.
import type { Source } from '../data/dataset.js';
import { WhisperError } from '../errors.js';
import { type Evaluation, evaluateInBatches } from '../evaluate/evaluate.js';
import type { Whisper } from '../model/whisper.js';
import type { TrainingArguments } from './arguments.js';
import type { EvaluatingEvent } from './events.js';
import { outOfMemory } from './memory/fit.js';

/** The evaluations of a run. The same weights are evaluated once. */
export class RunEvaluations {
  readonly #model: Whisper;
  readonly #dataset: Source | undefined;
  readonly #options: TrainingArguments;
  readonly #signal: AbortSignal | undefined;
  /** The last one, and the step whose weights it is of. */
  #last: { step: number; evaluation: Evaluation } | undefined;
  #rows: Promise<number> | undefined;

  /** @throws WhisperError `ERR_INVALID_ARGUMENT` where evaluations are asked for and there is no data set for them */
  constructor(
    model: Whisper,
    dataset: Source | undefined,
    options: TrainingArguments,
    signal: AbortSignal | undefined,
  ) {
    if (options.evalStrategy !== 'no' && !dataset) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `evalStrategy ${options.evalStrategy} needs an evalDataset`,
      );
    }
    this.#model = model;
    this.#dataset = dataset;
    this.#options = options;
    this.#signal = signal;
  }

  /** The evaluation of the weights after a step, if there was one. */
  of(step: number): Evaluation | undefined {
    return this.#last?.step === step ? this.#last.evaluation : undefined;
  }

  /** Other weights than those of the last evaluation have been loaded. */
  forget(): void {
    this.#last = undefined;
  }

  /**
   * Evaluates the model as it is, telling how far it is after every batch.
   *
   * @param step whose weights the model has
   * @throws WhisperError as `evaluate`; `ERR_OUT_OF_MEMORY` names the option that asks for less
   */
  async *run(step: number): AsyncGenerator<EvaluatingEvent, Evaluation, void> {
    const known = this.of(step);
    if (known) return known;
    const dataset = this.#dataset;
    if (!dataset) throw new WhisperError('ERR_INVALID_ARGUMENT', 'evaluate needs an evalDataset');
    this.#rows ??= dataset.count?.();
    const total = await this.#rows;
    const batches = evaluateInBatches(this.#model, dataset, evaluateOptions(this.#options, this.#signal));
    try {
      for (;;) {
        const { done, value } = await batches.next();
        if (done) {
          this.#last = { step, evaluation: value };
          return value;
        }
        yield { type: 'evaluating', step, rows: value, total };
      }
    } catch (error) {
      const { perDeviceEvalBatchSize: rows } = this.#options;
      throw outOfMemory(
        error,
        (message) =>
          `evaluation of ${rows} rows at a time: ${message}; give a smaller per_device_eval_batch_size`,
      );
    } finally {
      await batches.return(undefined as never);
    }
  }
}

function evaluateOptions(options: TrainingArguments, signal: AbortSignal | undefined) {
  return {
    language: options.language,
    task: options.task,
    batchSize: options.perDeviceEvalBatchSize,
    maxLength: options.generationMaxLength,
    normalizer: options.doNormalizeEval ? ('basic' as const) : ('none' as const),
    lowerCase: options.doLowerCase,
    removePunctuation: options.doRemovePunctuation,
    generate: options.predictWithGenerate,
    signal,
  };
}
