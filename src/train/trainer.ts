// The training loop: data, updates, evaluations and checkpoints, told as a stream of events.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchesState, BatchStream } from '../data/batches.js';
import type { Source } from '../data/dataset.js';
import { WhisperError } from '../errors.js';
import type { Evaluation } from '../evaluate/evaluate.js';
import { sortedJson } from '../files/json.js';
import { isCancelled } from '../model/cancel.js';
import { writeFiles } from '../model/checkpoint.js';
import { setLanguage } from '../model/generation-config.js';
import { countParameters } from '../model/parameters.js';
import type { Whisper } from '../model/whisper.js';
import { type TrainingArguments, trainingArguments } from './arguments.js';
import { evaluatesAfter, logsAfter, savesAfter } from './cadence.js';
import { Checkpoints } from './checkpoints.js';
import { checkAgainstModel, checkMetrics } from './checks.js';
import { countUpdates, preparedData, runData, type TrainingData, trainingBatches } from './data.js';
import { engineOptions } from './engine-options.js';
import { type NamedEvaluation, RunEvaluations } from './evaluation.js';
import type { EvaluatingEvent, SkipEvent, StepEvent, TrainingEvent } from './events.js';
import { noteEvaluation, stopsEarly } from './improvement.js';
import { logLine } from './log.js';
import { outOfMemory } from './memory/fit.js';
import { RunMemory } from './memory/run.js';
import { evaluationMetrics, loggedMetrics, trainingMetrics } from './results.js';
import { changedOptions, checkKind, kindOf, type RunKind } from './resume.js';
import { specAugment } from './spec-augment.js';
import {
  meanLoss,
  newRunState,
  type RunSettings,
  type RunState,
  runSettings,
  type SavedRun,
  trainerStateJson,
} from './state.js';
import { nextStep, type TrainingStep } from './step.js';
import { evaluationSets, type TrainerOptions } from './trainer-options.js';
import { makeStep } from './update.js';

export type { TrainerOptions };

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
  #trainDataset: Source;
  readonly #signal: AbortSignal | undefined;

  #run: RunState = newRunState();
  #maxSteps = 0;
  #flosPerRow = 0;
  readonly #evaluations: RunEvaluations;
  readonly #checkpoints: Checkpoints;
  readonly #memory: RunMemory;
  #clock = 0;
  /** Where the data goes on after the last update. */
  #position: (() => BatchesState) | undefined;

  /**
   * @throws WhisperError `ERR_INVALID_ARGUMENT` for wrong or contradicting options, `ERR_CONFIG` for a model that cannot
   *   be trained here
   */
  constructor(model: Whisper, options: TrainerOptions) {
    const { trainDataset, evalDataset, extraEvalDatasets, signal, ...rest } = options;
    const sets = evaluationSets(evalDataset, extraEvalDatasets);
    this.model = model;
    this.#trainDataset = trainDataset;
    this.#signal = signal;
    this.options = trainingArguments(rest);
    checkMetrics(this.options, sets);
    this.#evaluations = new RunEvaluations(model, sets, this.options, signal);
    this.#checkpoints = new Checkpoints(model, this.options);
    this.#memory = new RunMemory(model, this.options);
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
   * @throws WhisperError `ERR_DIVERGED` naming the row when a loss or gradient is not finite, in f16 when that lasts, and
   *   `ERR_OUT_OF_MEMORY` saying what would fit, both after a checkpoint of the last good update is written;
   *   `ERR_INVALID_ARGUMENT` when the checkpoint to go on from is of another kind of run; `ERR_DATA`; `ERR_FILE` when a
   *   checkpoint cannot be written
   */
  async *train(): AsyncGenerator<TrainingEvent, void, void> {
    try {
      yield* this.#train();
    } finally {
      await this.#memory.release();
    }
  }

  async *#train(): AsyncGenerator<TrainingEvent, void, void> {
    const { options, model } = this;
    this.#trainDataset = yield* preparedData(this.#trainDataset, options, this.#signal);
    const saved = await this.#open();
    const planned = await this.#memory.plan(this.#run);
    if (planned) yield planned;
    this.#maxSteps = yield* countUpdates(this.#data, saved, this.#signal);
    const changed = saved ? changedOptions(saved, { ...options }, this.#maxSteps) : [];
    if (changed.length > 0) {
      yield { type: 'notice', message: `options differ from the checkpoint's: ${changed.join(', ')}` };
    }
    const { lostBest } = this.#checkpoints;
    if (lostBest !== undefined) {
      yield {
        type: 'notice',
        message: `the best checkpoint, ${lostBest}, is not there: the best is looked for anew`,
      };
    }
    const stream = trainingBatches(this.#data, saved?.data);
    try {
      stream.begin();
      this.#position = stream.mark();
      yield await this.#prepare(saved !== undefined);
      if (this.#run.step === 0 && options.evalStrategy !== 'no' && options.evalOnStart) {
        yield* this.#evaluate();
      }
      const config = specAugment(options, model.config);
      this.#lap();
      while (!this.#done && !this.#stopping) {
        const step = await nextStep(stream, this.#data.options, config);
        const update = yield* this.#update(step, stream);
        if (!update) break;
        yield update;
        yield* this.#log(update, step);
        if (step.endsPass) {
          yield { type: 'epoch', epoch: update.epoch, step: update.step, data: stream.drops() };
        }
        if (evaluatesAfter(options, this.#run, this.#maxSteps, step)) {
          yield* this.#evaluate();
          noteEvaluation(this.#run, this.#evaluations.of(update.step) ?? {}, options);
        }
        if (savesAfter(options, this.#run, this.#maxSteps, step)) yield await this.#save();
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
   * @param onProgress told after every batch
   * @throws WhisperError `ERR_INVALID_ARGUMENT` without an `evalDataset`, otherwise as `evaluate`
   */
  async evaluate(onProgress?: (event: EvaluatingEvent) => void): Promise<Evaluation> {
    return (await this.evaluateSets(onProgress))[0]!.evaluation;
  }

  /** As `evaluate`, on every set: the main one and those of `extraEvalDatasets`. */
  async evaluateSets(onProgress?: (event: EvaluatingEvent) => void): Promise<NamedEvaluation[]> {
    const evaluation = this.#evaluations.run(this.#run.step);
    for (;;) {
      const { done, value } = await evaluation.next();
      if (done) return value;
      onProgress?.(value);
    }
  }

  /** The update of the last checkpoint; 0 without one. */
  get #saved(): number {
    return this.#checkpoints.last?.step ?? 0;
  }

  get #stopping(): boolean {
    return this.#signal?.aborted ?? false;
  }

  /** All updates are made, or evaluations have not improved for long enough. */
  get #done(): boolean {
    return this.#run.step >= this.#maxSteps || stopsEarly(this.#run, this.options);
  }

  get #kind(): RunKind {
    return kindOf(this.options, this.model.precision, this.model.lora);
  }

  get #flos(): number {
    return this.#flosPerRow * this.#run.rows;
  }

  get #settings(): RunSettings {
    return runSettings(this.options, this.#run, this.#maxSteps, this.#flos);
  }

  get #data(): TrainingData {
    return runData(this.model, this.#trainDataset, this.options, this.#run);
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
    if (language !== undefined) setLanguage(this.model, language, task);
    const saved = await this.#checkpoints.open();
    if (saved) {
      checkKind(this.#checkpoints.last!.path, saved.kind, this.#kind);
      this.#run = saved.state;
    }
    this.#run.rowsPerPass ??= await this.#trainDataset.count?.();
    return saved;
  }

  async #prepare(resumed: boolean): Promise<TrainingEvent> {
    const { options, model } = this;
    const { embeddings, ...counts } = await countParameters(model.native, options);
    const { num_mel_bins: mels, max_source_positions: positions } = model.config;
    this.#flosPerRow = 6 * mels * 2 * positions * (counts.parameters - embeddings);
    if (resumed) await this.#checkpoints.loadWeights();
    const engine = engineOptions(options, model.precision, model.config);
    await model.native.prepareTraining(engine).catch(async (error) => {
      const shortage = await this.#memory.shortage(1);
      throw outOfMemory(error, () => `gradients and optimizer: ${shortage}`);
    });
    if (resumed) await this.#checkpoints.loadOptimizer();
    return {
      type: 'start',
      step: this.#run.step,
      maxSteps: this.#maxSteps,
      device: model.device,
      precision: model.precision,
      optim: this.#kind.optim,
      ...counts,
      resumedFrom: this.#checkpoints.last?.path,
    };
  }

  /** One step of the model; undefined when the signal ended it, and nothing was updated. */
  async *#update(
    step: TrainingStep,
    stream: BatchStream,
  ): AsyncGenerator<TrainingEvent, StepEvent | SkipEvent | undefined> {
    try {
      const update = yield* makeStep(step, stream, {
        model: this.model,
        options: this.options,
        run: this.#run,
        maxSteps: this.#maxSteps,
        memory: this.#memory,
        signal: this.#signal,
        lap: () => this.#lap(),
      });
      if (update) this.#position = stream.mark();
      return update;
    } catch (error) {
      throw await this.#keep(error);
    }
  }

  *#log(update: StepEvent | SkipEvent, step: TrainingStep): Generator<TrainingEvent> {
    if (!logsAfter(this.options, this.#run, this.#maxSteps, step)) return;
    const { event, row } = logLine(this.#run, update, this.options);
    this.#run.history.push(row);
    yield event;
  }

  async *#evaluate(): AsyncGenerator<TrainingEvent, void, void> {
    const { step, epoch } = this.#run;
    let evaluations: NamedEvaluation[];
    try {
      evaluations = yield* this.#evaluations.run(step);
    } catch (error) {
      if (isCancelled(this.#signal, error)) return;
      throw await this.#keep(error);
    }
    for (const { name, evaluation } of evaluations) {
      this.#run.history.push({ step, epoch, ...loggedMetrics(evaluationMetrics(evaluation, name)) });
      yield { type: 'evaluate', step, epoch, name, ...evaluation };
    }
  }

  async #save(): Promise<TrainingEvent> {
    const { step } = this.#run;
    const saved = await this.#checkpoints.save(
      this.#run,
      { settings: this.#settings, kind: this.#kind, data: this.#position!() },
      this.#evaluations.of(step),
    );
    return { type: 'save', step, ...saved };
  }

  /** After the last update, or the one that the signal let end. */
  async *#finish(stream: BatchStream): AsyncGenerator<TrainingEvent, void, void> {
    const { options } = this;
    const run = this.#run;
    const { step, epoch } = run;
    const done = this.#done;
    let best: string | undefined;
    if (done) {
      run.history.push({ step, ...loggedMetrics(this.metrics()), epoch });
      if (options.loadBestModelAtEnd) best = await this.#checkpoints.loadBest(run);
      if (best !== undefined && run.bestStep !== step) this.#evaluations.forget();
    } else if (step > this.#saved) {
      yield await this.#save();
    }
    await writeFiles(options.outputDir, async (temporary) => {
      await writeFile(join(temporary, 'trainer_state.json'), trainerStateJson(run, this.#settings));
      await writeFile(join(temporary, 'training_args.json'), `${sortedJson(options, 2)}\n`);
    });
    const reason = step >= this.#maxSteps ? 'done' : done ? 'early' : 'stopped';
    const { seconds } = run;
    yield { type: 'end', step, epoch, trainLoss: meanLoss(run), seconds, reason, best, data: stream.drops() };
  }

  /** Saves the last good weights before an error ends the run, and says with it where they are. */
  async #keep(error: unknown): Promise<unknown> {
    if (!(error instanceof WhisperError) || !/^ERR_(DIVERGED|OUT_OF_MEMORY)$/.test(error.code)) return error;
    if (this.#run.step > this.#saved) await this.#save();
    const { last } = this.#checkpoints;
    if (!last) return error;
    const kept = `the model of update ${last.step} is in ${last.path}`;
    return new WhisperError(error.code, `${error.message}; ${kept}`, { cause: error.cause });
  }
}
