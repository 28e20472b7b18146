// The training loop: data, updates, evaluations and checkpoints, told as a stream of events.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchStream } from '../data/batches.js';
import type { Source } from '../data/dataset.js';
import { WhisperError } from '../errors.js';
import { type Evaluation, evaluate } from '../evaluate/evaluate.js';
import { writeFiles } from '../model/checkpoint.js';
import { checkTrainable } from '../model/config.js';
import { countParameters } from '../model/parameters.js';
import type { Whisper } from '../model/whisper.js';
import type { NativeStepResult } from '../native.js';
import { languageCode } from '../processor/languages.js';
import { type TrainingArguments, trainingArguments } from './arguments.js';
import { Checkpoints } from './checkpoints.js';
import { trainingBatches, updatesPerEpoch } from './data.js';
import type { TrainingEvent } from './events.js';
import { evaluationMetrics, trainingMetrics } from './results.js';
import { learningRateAt } from './schedule.js';
import {
  changedOptions,
  newRunState,
  type RunSettings,
  type RunState,
  type SavedRun,
  trainerStateJson,
} from './state.js';
import { divergedRow, nextStep, stepLoss, type TrainingStep } from './step.js';

/** Options of training under transformers' names in camelCase; those left out have the defaults of `arguments.ts`. */
export interface TrainerOptions extends Partial<TrainingArguments> {
  /** Everything is written here. */
  outputDir: string;
  trainDataset: Source;
  evalDataset?: Source | undefined;
  /** Stops training after the update in progress, with a checkpoint. */
  signal?: AbortSignal | undefined;
}

/**
 * Fine-tunes a model.
 *
 * ```ts
 * const trainer = new Trainer(model, { trainDataset, evalDataset, outputDir: 'out', maxSteps: 500, language: 'es' });
 * for await (const event of trainer.train()) if (event.type === 'log') console.log(event.step, event.loss);
 * await model.savePretrained('out');
 * ```
 *
 * A run is a function of its data, options and seed: repeated, or stopped and resumed, it gives the same bits.
 */
export class Trainer {
  readonly model: Whisper;
  readonly options: Readonly<TrainingArguments>;
  readonly #trainDataset: Source;
  readonly #evalDataset: Source | undefined;
  readonly #signal: AbortSignal | undefined;

  #run: RunState = newRunState();
  #maxSteps = 0;
  #flosPerRow = 0;
  #sourceRows: number | undefined;
  /** The last evaluation and the step whose weights it is of. */
  #evaluated: { step: number; evaluation: Evaluation } | undefined;
  readonly #checkpoints: Checkpoints;

  /**
   * @throws WhisperError `ERR_INVALID_ARGUMENT` for wrong or contradicting options, `ERR_CONFIG` for a model that cannot
   *   be trained here
   */
  constructor(model: Whisper, options: TrainerOptions) {
    const { trainDataset, evalDataset, signal, ...rest } = options;
    this.model = model;
    this.#trainDataset = trainDataset;
    this.#evalDataset = evalDataset;
    this.#signal = signal;
    this.options = trainingArguments(rest);
    if (this.options.evalStrategy !== 'no' && !evalDataset) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `evalStrategy ${this.options.evalStrategy} needs an evalDataset`,
      );
    }
    this.#checkpoints = new Checkpoints(model, this.options);
    checkTrainable(model.config, join(model.folder, 'config.json'));
    const prompt = model.tokenizer.promptTokens(this.#prompt);
    const most = model.config.max_target_positions;
    const length = this.options.generationMaxLength ?? most;
    if (length <= prompt.length || length > most) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `generationMaxLength must be more than the prompt's ${prompt.length} tokens and at most ${most} ` +
          `(max_target_positions), got ${length}`,
      );
    }
  }

  /** Where training is: updates made, losses, best checkpoint. */
  get state(): Readonly<RunState> {
    return this.#run;
  }

  /** Updates of the whole training; known once it has started. */
  get maxSteps(): number {
    return this.#maxSteps;
  }

  /** `train_loss`, `train_runtime` and the other keys of `train_results.json`. */
  metrics(): Record<string, number> {
    return trainingMetrics(this.#run, this.#flos);
  }

  /**
   * Trains, evaluates and saves as the options say. Leaving the loop early stops training without a checkpoint; the
   * signal stops it with one.
   *
   * @throws WhisperError `ERR_DIVERGED` naming the row when a loss is not finite (a checkpoint of the last good update is
   *   written first), `ERR_DATA`, `ERR_FILE` when a checkpoint cannot be written, `ERR_OUT_OF_MEMORY`
   */
  async *train(): AsyncGenerator<TrainingEvent, void, void> {
    const { options, model } = this;
    this.#noteLanguage();
    const saved = await this.#checkpoints.open();
    if (saved) this.#run = saved.state;
    this.#sourceRows = await this.#trainDataset.count?.();
    const { embeddings, ...counts } = await countParameters(model.native, options.freezeEncoder);
    const { num_mel_bins: mels, max_source_positions: positions } = model.config;
    this.#flosPerRow = 6 * mels * 2 * positions * (counts.parameters - embeddings);
    yield* this.#countUpdates(saved);

    let last = performance.now();
    const data = { model, options, source: this.#trainDataset };
    const stream = trainingBatches(data, saved?.data);
    try {
      if (saved) await this.#checkpoints.loadWeights();
      await model.native.prepareTraining({
        freezeEncoder: options.freezeEncoder,
        checkpointing: options.gradientCheckpointing,
      });
      if (saved) await this.#checkpoints.loadOptimizer();
      yield {
        type: 'start',
        step: this.#run.step,
        maxSteps: this.#maxSteps,
        device: model.device,
        ...counts,
        resumedFrom: this.#checkpoints.last?.path,
      };
      if (this.#run.step === 0 && options.evalStrategy !== 'no' && options.evalOnStart)
        yield* this.#evaluate();

      last = performance.now();
      while (this.#run.step < this.#maxSteps && !this.#stopping) {
        const step = await nextStep(stream, this.#run.step, options, model.config);
        const learningRate = learningRateAt(options, this.#run.step, this.#maxSteps);
        const result = await model.native.step(step.micro, {
          scales: step.scales,
          learningRate,
          beta1: options.adamBeta1,
          beta2: options.adamBeta2,
          epsilon: options.adamEpsilon,
          weightDecay: options.weightDecay,
          maxGradNorm: options.maxGradNorm,
          labelSmoothing: options.labelSmoothingFactor,
        });
        if (!result.finite) throw await this.#diverged(step, result, stream);

        const seconds = (performance.now() - last) / 1000;
        last = performance.now();
        const loss = this.#note(step, result, stream, seconds);
        yield this.#stepEvent(step, result, loss, learningRate, seconds);
        yield* this.#log(learningRate, result.gradNorm);
        const { step: number, epoch } = this.#run;
        if (step.endsPass) yield { type: 'epoch', epoch, step: number, data: stream.drops() };
        if (due(options.evalStrategy, this.#evalSteps, number, step)) yield* this.#evaluate();
        const finished = number === this.#maxSteps && options.saveStrategy === 'steps';
        if (finished || due(options.saveStrategy, options.saveSteps, number, step))
          yield await this.#save(stream);
        // Evaluating and saving are no part of the next step's time, but of the run's.
        this.#run.seconds += (performance.now() - last) / 1000;
        last = performance.now();
      }

      const { step, epoch } = this.#run;
      const done = step === this.#maxSteps;
      if (!done && step > this.#saved) yield await this.#save(stream);
      const best = done ? await this.#loadBest() : undefined;
      if (done) this.#run.history.push({ step, ...this.metrics(), epoch });
      await writeFiles(options.outputDir, (temporary) =>
        writeFile(join(temporary, 'trainer_state.json'), trainerStateJson(this.#run, this.#settings)),
      );
      const trainLoss = this.#run.lossSum / Math.max(1, step);
      const { seconds } = this.#run;
      const reason = done ? 'done' : 'stopped';
      yield { type: 'end', step, epoch, trainLoss, seconds, reason, best, data: stream.drops() };
    } finally {
      await stream.return();
      await model.native.endTraining();
    }
  }

  /**
   * Evaluates the model as it is on the evaluation set. When that has just been done for the same weights, the result is
   * that one.
   *
   * @throws WhisperError `ERR_INVALID_ARGUMENT` without an `evalDataset`, otherwise as `evaluate`
   */
  async evaluate(): Promise<Evaluation> {
    const { options } = this;
    if (!this.#evalDataset) throw new WhisperError('ERR_INVALID_ARGUMENT', 'evaluate needs an evalDataset');
    if (this.#evaluated?.step === this.#run.step) return this.#evaluated.evaluation;
    const evaluation = await evaluate(this.model, this.#evalDataset, {
      ...this.#prompt,
      batchSize: options.perDeviceEvalBatchSize,
      maxLength: options.generationMaxLength,
      normalizer: options.doNormalizeEval ? 'basic' : 'none',
      lowerCase: options.doLowerCase,
      removePunctuation: options.doRemovePunctuation,
      generate: options.predictWithGenerate,
      signal: this.#signal,
    });
    this.#evaluated = { step: this.#run.step, evaluation };
    return evaluation;
  }

  /** The update of the last checkpoint; 0 without one. */
  get #saved(): number {
    return this.#checkpoints.last?.step ?? 0;
  }

  get #stopping(): boolean {
    return this.#signal?.aborted ?? false;
  }

  get #evalSteps(): number {
    return this.options.evalSteps ?? this.options.loggingSteps;
  }

  get #prompt() {
    return { language: this.options.language, task: this.options.task };
  }

  get #flos(): number {
    return this.#flosPerRow * this.#run.rows;
  }

  get #settings(): RunSettings {
    const { options } = this;
    return {
      maxSteps: this.#maxSteps,
      epochs: options.maxSteps > 0 ? Math.ceil(this.#run.epoch) : options.numTrainEpochs,
      evalSteps: this.#evalSteps,
      loggingSteps: options.loggingSteps,
      saveSteps: options.saveSteps,
      batchSize: options.perDeviceTrainBatchSize,
      flos: this.#flos,
    };
  }

  /** What decoding will need to know of the language is saved with the model. */
  #noteLanguage(): void {
    const { generation } = this.model;
    if (this.options.language === undefined) return;
    generation.language = languageCode(this.options.language);
    generation.task = this.options.task;
    // transformers refuses a language beside the older way of forcing one.
    delete generation.forced_decoder_ids;
  }

  /** How many updates there will be: `max_steps`, or those of the epochs. */
  async *#countUpdates(saved: SavedRun | undefined): AsyncGenerator<TrainingEvent, void, void> {
    const { options, model } = this;
    if (options.maxSteps > 0) {
      this.#maxSteps = options.maxSteps;
    } else if (saved && saved.options.numTrainEpochs === options.numTrainEpochs) {
      this.#maxSteps = saved.maxSteps;
    } else {
      yield { type: 'notice', message: 'reading the data once, to know how many updates an epoch has' };
      const data = { model, options, source: this.#trainDataset };
      const updates = await updatesPerEpoch(data, this.#signal);
      this.#maxSteps = Math.ceil(options.numTrainEpochs * updates);
    }
    const changed = saved ? changedOptions(saved, { ...options }, this.#maxSteps) : [];
    if (changed.length > 0) {
      yield { type: 'notice', message: `options differ from the checkpoint's: ${changed.join(', ')}` };
    }
  }

  /** Counts an update that was made. */
  #note(step: TrainingStep, result: NativeStepResult, stream: BatchStream, seconds: number): number {
    const run = this.#run;
    const loss = stepLoss(result.losses, this.options.meanOfMeans);
    run.step += 1;
    run.lossSum += loss;
    run.unlogged = { lossSum: run.unlogged.lossSum + loss, steps: run.unlogged.steps + 1 };
    run.rows += step.rows;
    run.seconds += seconds;
    // Of the pass's rows; where the source cannot count them, of all updates, as transformers does for streams.
    const share = this.#sourceRows
      ? Math.min(1, stream.drops().rows / this.#sourceRows)
      : run.step / this.#maxSteps;
    run.epoch = step.endsPass ? step.pass + 1 : step.pass + share;
    return loss;
  }

  #stepEvent(
    { rows, tokens, audioSeconds }: TrainingStep,
    { gradNorm }: NativeStepResult,
    loss: number,
    learningRate: number,
    seconds: number,
  ): TrainingEvent {
    const { step, epoch } = this.#run;
    const maxSteps = this.#maxSteps;
    return {
      type: 'step',
      step,
      maxSteps,
      epoch,
      loss,
      learningRate,
      gradNorm,
      rows,
      tokens,
      audioSeconds,
      seconds,
    };
  }

  *#log(learningRate: number, gradNorm: number): Generator<TrainingEvent> {
    const run = this.#run;
    const first = this.options.loggingFirstStep && run.step === 1;
    if (!first && run.step % this.options.loggingSteps !== 0) return;
    const loss = run.unlogged.lossSum / run.unlogged.steps;
    run.unlogged = { lossSum: 0, steps: 0 };
    const { step, epoch } = run;
    run.history.push({ step, epoch, loss, learning_rate: learningRate, grad_norm: gradNorm });
    yield { type: 'log', step, epoch, loss, learningRate, gradNorm };
  }

  async *#evaluate(): AsyncGenerator<TrainingEvent, void, void> {
    try {
      const evaluation = await this.evaluate();
      const { step, epoch } = this.#run;
      this.#run.history.push({ step, epoch, ...evaluationMetrics(evaluation) });
      yield { type: 'evaluate', step, epoch, ...evaluation };
    } catch (error) {
      // An evaluation that the signal ended is left out; training stops next.
      if (!(this.#stopping && error instanceof WhisperError && error.code === 'ERR_CANCELLED')) throw error;
    }
  }

  async #save(stream: BatchStream): Promise<TrainingEvent> {
    const { step } = this.#run;
    const evaluation = this.#evaluated?.step === step ? this.#evaluated.evaluation : undefined;
    const saved = await this.#checkpoints.save(this.#run, this.#settings, stream.state(), evaluation);
    return { type: 'save', step, ...saved };
  }

  async #loadBest(): Promise<string | undefined> {
    if (!this.options.loadBestModelAtEnd) return undefined;
    if (this.#run.bestStep !== this.#run.step) this.#evaluated = undefined;
    return this.#checkpoints.loadBest(this.#run);
  }

  /** Saves the last good weights and says which row, or which rows' gradient, is to blame. */
  async #diverged(step: TrainingStep, result: NativeStepResult, stream: BatchStream): Promise<WhisperError> {
    const { step: done } = this.#run;
    if (done > this.#saved) await this.#save(stream);
    const row = divergedRow(step, result.losses);
    const ids = step.batches.flatMap(({ rows }) => rows.map(({ id }) => id));
    const what = row
      ? `the loss of row ${row} is not a finite number`
      : `the gradient of rows ${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ' …' : ''} is not finite`;
    const last = this.#checkpoints.last;
    const kept = last ? `; the model of update ${last.step} is in ${last.path}` : '';
    return new WhisperError('ERR_DIVERGED', `update ${done + 1}: ${what}; nothing was updated${kept}`);
  }
}

/** Whether something that happens every `every` updates, or at the end of a pass, happens now. */
function due(strategy: 'no' | 'steps' | 'epoch', every: number, number: number, step: TrainingStep): boolean {
  if (strategy === 'steps') return number % every === 0;
  return strategy === 'epoch' && step.endsPass;
}
