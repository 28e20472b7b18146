// Evaluation as a training run asks for it: its options, what it tells on the way, and what to do when memory does not suffice.
import type { Source } from '../data/dataset.js';
import { WhisperError } from '../errors.js';
import { type Evaluation, evaluateInBatches } from '../evaluate/evaluate.js';
import type { Whisper } from '../model/whisper.js';
import type { TrainingArguments } from './arguments.js';
import type { EvaluatingEvent } from './events.js';
import { outOfMemory } from './memory/fit.js';
import { evaluationMetrics, type Metrics } from './results.js';

/** A data set to evaluate on. The main one has no name. */
export interface EvaluationSet {
  name: string | undefined;
  source: Source;
}

/** An evaluation on one of the sets. */
export interface NamedEvaluation {
  name: string | undefined;
  evaluation: Evaluation;
}

/** The evaluations of a run. The same weights are evaluated once. */
export class RunEvaluations {
  readonly #model: Whisper;
  readonly #sets: readonly EvaluationSet[];
  readonly #options: TrainingArguments;
  readonly #signal: AbortSignal | undefined;
  /** The last ones, and the step whose weights they are of. */
  #last: { step: number; evaluations: NamedEvaluation[] } | undefined;
  readonly #rows = new Map<string | undefined, Promise<number> | undefined>();

  /** @throws WhisperError `ERR_INVALID_ARGUMENT` where evaluations are asked for and there is no data set for them */
  constructor(
    model: Whisper,
    sets: readonly EvaluationSet[],
    options: TrainingArguments,
    signal: AbortSignal | undefined,
  ) {
    if (options.evalStrategy !== 'no' && sets.length === 0) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `evalStrategy ${options.evalStrategy} needs an evalDataset`,
      );
    }
    this.#model = model;
    this.#sets = sets;
    this.#options = options;
    this.#signal = signal;
  }

  /** The metrics of the weights after a step on all sets, if they were evaluated. */
  of(step: number): Metrics | undefined {
    if (this.#last?.step !== step) return undefined;
    const { evaluations } = this.#last;
    return Object.assign(
      {},
      ...evaluations.map(({ name, evaluation }) => evaluationMetrics(evaluation, name)),
    );
  }

  /** Other weights than those of the last evaluation have been loaded. */
  forget(): void {
    this.#last = undefined;
  }

  /**
   * Evaluates the model as it is on one set after the other, telling how far it is after every batch.
   *
   * @param step whose weights the model has
   * @throws WhisperError as `evaluate`; `ERR_OUT_OF_MEMORY` names the option that asks for less
   */
  async *run(step: number): AsyncGenerator<EvaluatingEvent, NamedEvaluation[], void> {
    if (this.#last?.step === step) return this.#last.evaluations;
    if (this.#sets.length === 0) {
      throw new WhisperError('ERR_INVALID_ARGUMENT', 'evaluate needs an evalDataset');
    }
    const evaluations: NamedEvaluation[] = [];
    for (const set of this.#sets) {
      evaluations.push({ name: set.name, evaluation: yield* this.#evaluate(set, step) });
    }
    this.#last = { step, evaluations };
    return evaluations;
  }

  async *#evaluate(
    { name, source }: EvaluationSet,
    step: number,
  ): AsyncGenerator<EvaluatingEvent, Evaluation, void> {
    if (!this.#rows.has(name)) this.#rows.set(name, source.count?.());
    const total = await this.#rows.get(name);
    const batches = evaluateInBatches(this.#model, source, evaluateOptions(this.#options, this.#signal));
    try {
      for (;;) {
        const { done, value } = await batches.next();
        if (done) return value;
        yield { type: 'evaluating', step, name, rows: value, total };
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
    predictLanguage: options.predictLanguage,
    longAudio: options.longAudio,
    normalizer: options.doNormalizeEval ? ('basic' as const) : ('none' as const),
    lowerCase: options.doLowerCase,
    removePunctuation: options.doRemovePunctuation,
    generate: options.predictWithGenerate && !options.predictionLossOnly,
    signal,
  };
}
