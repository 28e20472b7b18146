// The training loop: data, updates, evaluations and checkpoints, told as a stream of events.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchesState, BatchStream } from '../data/batches.js';
import type { Source } from '../data/dataset.js';
import { WhisperError } from '../errors.js';
import { type Evaluation, evaluate } from '../evaluate/evaluate.js';
import { cancellable, unlessCancelled } from '../model/cancel.js';
import { writeFiles } from '../model/checkpoint.js';
import { setLanguage } from '../model/generation-config.js';
import { countParameters } from '../model/parameters.js';
import type { Whisper } from '../model/whisper.js';
import type { NativeStepResult } from '../native.js';
import { languageCode } from '../processor/languages.js';
import { checkAgainstModel, type TrainingArguments, trainingArguments } from './arguments.js';
import { Checkpoints } from './checkpoints.js';
import { trainingBatches, updatesPerEpoch } from './data.js';
import type { StepEvent, TrainingEvent } from './events.js';
import { evaluationMetrics, trainingMetrics } from './results.js';
import { learningRateAt } from './schedule.js';
import {
  changedOptions,
  countUpdate,
  newRunState,
  type RunSettings,
  type RunState,
  runSettings,
  type SavedRun,
  takeMeanLoss,
  trainerStateJson,
} from './state.js';
import { due, nextStep, stepLoss, stepOptions, type TrainingStep, whatDiverged } from './step.js';

/** Options of training under transformers' names in camelCase; those left out have the defaults of `arguments.ts`. */
export interface TrainerOptions extends Partial<TrainingArguments> {
  /** Everything is written here. */
  outputDir: string;
  trainDataset: Source;
  evalDataset?: Source | undefined;
  /** Stops training, with a checkpoint of the last update that was complete. */
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
  /** The last evaluation and the step whose weights it is of. */
  #evaluated: { step: number; evaluation: Evaluation } | undefined;
  readonly #checkpoints: Checkpoints;
  #clock = 0;
  /** Where the data goes on after the last update. */
  #position: (() => BatchesState) | undefined;

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
    checkAgainstModel(this.options, model);
  }

  /** Where training is: updates made, losses, best checkpoint. */
  get state(): Readonly<RunState> {
    return this.#run;
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
    const saved = await this.#open();
    yield* this.#countUpdates(saved);
    const data = { model, options, source: this.#trainDataset };
    const stream = trainingBatches(data, saved?.data);
    try {
      this.#position = stream.mark();
      yield await this.#prepare(saved !== undefined);
      if (this.#run.step === 0 && options.evalStrategy !== 'no' && options.evalOnStart) {
        yield* this.#evaluate();
      }
      this.#lap();
      while (this.#run.step < this.#maxSteps && !this.#stopping) {
        const step = await nextStep(stream, this.#run.step, options, model.config);
        const update = await this.#update(step, stream);
        if (!update) break;
        yield update;
        yield* this.#log(update);
        if (step.endsPass) {
          yield { type: 'epoch', epoch: update.epoch, step: update.step, data: stream.drops() };
        }
        const last = update.step === this.#maxSteps && options.saveStrategy === 'steps';
        if (due(options.evalStrategy, this.#evalSteps, update.step, step)) yield* this.#evaluate();
        if (last || due(options.saveStrategy, options.saveSteps, update.step, step)) {
          yield await this.#save();
        }
        this.#run.seconds += this.#lap();
      }
      yield* this.#finish(stream);
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
    return runSettings(this.options, this.#maxSteps, this.#run.epoch, this.#flos);
  }

  /** Seconds since it was called before. */
  #lap(): number {
    const before = this.#clock;
    this.#clock = performance.now();
    return (this.#clock - before) / 1000;
  }

  async #open(): Promise<SavedRun | undefined> {
    const { language, task } = this.options;
    // What decoding will need to know of the language is saved with the model.
    if (language !== undefined) setLanguage(this.model.generation, languageCode(language), task);
    const saved = await this.#checkpoints.open();
    if (saved) this.#run = saved.state;
    this.#run.rowsPerPass ??= await this.#trainDataset.count?.();
    return saved;
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

  async #prepare(resumed: boolean): Promise<TrainingEvent> {
    const { options, model } = this;
    const { embeddings, ...counts } = await countParameters(model.native, options.freezeEncoder);
    const { num_mel_bins: mels, max_source_positions: positions } = model.config;
    this.#flosPerRow = 6 * mels * 2 * positions * (counts.parameters - embeddings);
    if (resumed) await this.#checkpoints.loadWeights();
    await model.native.prepareTraining({
      freezeEncoder: options.freezeEncoder,
      checkpointing: options.gradientCheckpointing ? 'all' : 'none',
    });
    if (resumed) await this.#checkpoints.loadOptimizer();
    return {
      type: 'start',
      step: this.#run.step,
      maxSteps: this.#maxSteps,
      device: model.device,
      ...counts,
      resumedFrom: this.#checkpoints.last?.path,
    };
  }

  /** One update of the model, counted; undefined when the signal ended it, and nothing was updated. */
  async #update(step: TrainingStep, stream: BatchStream): Promise<StepEvent | undefined> {
    const { options } = this;
    const run = this.#run;
    const learningRate = learningRateAt(options, run.step, this.#maxSteps);
    const given = stepOptions(options, step, learningRate);
    const result = await unlessCancelled(this.#signal, () =>
      cancellable(this.#signal, (cancel) => this.model.native.step(step.micro, given, cancel)),
    );
    if (!result) return undefined;
    if (!result.finite) throw await this.#diverged(step, result);

    const seconds = this.#lap();
    const loss = stepLoss(result.losses, options.meanOfMeans);
    countUpdate(run, { loss, seconds, rows: step.rows });
    run.epoch = this.#epoch(step, stream);
    this.#position = stream.mark();

    const { rows, tokens, audioSeconds } = step;
    const place = { step: run.step, maxSteps: this.#maxSteps, epoch: run.epoch };
    const { gradNorm } = result;
    return { type: 'step', ...place, loss, learningRate, gradNorm, rows, tokens, audioSeconds, seconds };
  }

  /** Passes over the data, with a fraction of the pass's rows. */
  #epoch({ pass, endsPass }: TrainingStep, stream: BatchStream): number {
    const run = this.#run;
    const { rows } = stream.drops();
    if (endsPass) {
      run.rowsPerPass ??= rows;
      return pass + 1;
    }
    // Until a source that cannot count has ended once, the fraction is that of all updates, as transformers has it.
    const share = run.rowsPerPass ? rows / run.rowsPerPass : run.step / this.#maxSteps;
    return pass + Math.min(1, share);
  }

  *#log({ step, epoch, learningRate, gradNorm }: StepEvent): Generator<TrainingEvent> {
    const { loggingSteps, loggingFirstStep } = this.options;
    if (step % loggingSteps !== 0 && !(loggingFirstStep && step === 1)) return;
    const loss = takeMeanLoss(this.#run);
    this.#run.history.push({ step, epoch, loss, learning_rate: learningRate, grad_norm: gradNorm });
    yield { type: 'log', step, epoch, loss, learningRate, gradNorm };
  }

  async *#evaluate(): AsyncGenerator<TrainingEvent, void, void> {
    const evaluation = await unlessCancelled(this.#signal, () => this.evaluate());
    if (!evaluation) return;
    const { step, epoch } = this.#run;
    this.#run.history.push({ step, epoch, ...evaluationMetrics(evaluation) });
    yield { type: 'evaluate', step, epoch, ...evaluation };
  }

  async #save(): Promise<TrainingEvent> {
    const { step } = this.#run;
    const evaluation = this.#evaluated?.step === step ? this.#evaluated.evaluation : undefined;
    const saved = await this.#checkpoints.save(this.#run, this.#settings, this.#position!(), evaluation);
    return { type: 'save', step, ...saved };
  }

  /** After the last update, or the one that the signal let end. */
  async *#finish(stream: BatchStream): AsyncGenerator<TrainingEvent, void, void> {
    const { options } = this;
    const run = this.#run;
    const { step, epoch } = run;
    const done = step === this.#maxSteps;
    let best: string | undefined;
    if (done) {
      run.history.push({ step, ...this.metrics(), epoch });
      if (options.loadBestModelAtEnd) best = await this.#checkpoints.loadBest(run);
      if (best !== undefined && run.bestStep !== step) this.#evaluated = undefined;
    } else if (step > this.#saved) {
      yield await this.#save();
    }
    await writeFiles(options.outputDir, (temporary) =>
      writeFile(join(temporary, 'trainer_state.json'), trainerStateJson(run, this.#settings)),
    );
    const { seconds, lossSum } = run;
    const reason = done ? 'done' : 'stopped';
    const trainLoss = lossSum / Math.max(1, step);
    yield { type: 'end', step, epoch, trainLoss, seconds, reason, best, data: stream.drops() };
  }

  /** Saves the last good weights and says which row, or which rows' gradient, is to blame. */
  async #diverged(step: TrainingStep, result: NativeStepResult): Promise<WhisperError> {
    const { step: done } = this.#run;
    if (done > this.#saved) await this.#save();
    const last = this.#checkpoints.last;
    const kept = last ? `; the model of update ${last.step} is in ${last.path}` : '';
    return new WhisperError(
      'ERR_DIVERGED',
      `update ${done + 1}: ${whatDiverged(step, result.losses)}; nothing was updated${kept}`,
    );
  }
}
