// The memory of a run: what it may hold, the micro-batches that fit, and what to say when one does not.
import { WhisperError } from '../../errors.js';
import { nativeLora } from '../../model/lora.js';
import { configSizes } from '../../model/sizes.js';
import type { Whisper } from '../../model/whisper.js';
import type { TrainingArguments } from '../arguments.js';
import { engineOptions } from '../engine-options.js';
import type { PlanEvent } from '../events.js';
import type { RunState } from '../state.js';
import { formatBytes, parseBytes } from './bytes.js';
import {
  availableBytes,
  availableOnDevice,
  bytesFor,
  describePlan,
  divisors,
  largestFitting,
  planStep,
  smallestBudget,
  type Workload,
} from './fit.js';

/** Keeps a run within its memory: by a plan before it, and by smaller parts of micro-batches during it. */
export class RunMemory {
  readonly #model: Whisper;
  readonly #options: TrainingArguments;
  readonly #workload: Workload;
  /** Bytes the engine may hold; undefined: as many as there are. */
  #budget: number | undefined;

  constructor(model: Whisper, options: TrainingArguments) {
    const sizes = configSizes(model.config);
    this.#model = model;
    this.#options = options;
    this.#workload = {
      ...sizes,
      device: model.device,
      precision: model.precision,
      engine: engineOptions(options, model.precision, sizes.rates),
      lora: model.lora && nativeLora(model.lora),
      // One long label among a million must not end the run, and reading all of them first would take longer than the
      // decoder's share of the memory is worth.
      labels: options.maxLabelLength ?? sizes.dims.target,
    };
  }

  /** Whether a smaller micro-batch is tried where memory does not suffice. */
  get halves(): boolean {
    return this.#options.autoBatch || this.#options.autoFindBatchSize;
  }

  /**
   * Limits the engine to the budget and, under `autoBatch`, chooses the run's micro-batches: the largest that fit, among
   * those that divide the rows of an update. A resumed run keeps its own while they fit.
   *
   * @throws WhisperError `ERR_OUT_OF_MEMORY` when not even one row fits
   */
  async plan(run: RunState): Promise<PlanEvent | undefined> {
    const { memoryBudget, autoBatch } = this.#options;
    // What an earlier start of this run had to make smaller, this one may be told to leave whole.
    if (!autoBatch) run.microBatches = undefined;
    if (!this.halves) run.rowsAtOnce = undefined;
    if (memoryBudget === undefined && !autoBatch) return undefined;
    const { native } = this.#model;
    const budget = memoryBudget === undefined ? await this.#available() : parseBytes(memoryBudget);
    if (bytesFor(await planStep(this.#workload, 1)) > budget) {
      const what = memoryBudget === undefined ? 'the memory available' : 'memory_budget';
      throw new WhisperError(
        'ERR_OUT_OF_MEMORY',
        `${what}, ${formatBytes(budget)}, is too small to train in: ${await smallestBudget(this.#workload)}`,
      );
    }
    this.#budget = budget;
    await native.limitMemory(budget);
    return autoBatch ? this.#chooseRows(run, budget) : undefined;
  }

  /** Lets the engine hold what it likes again. */
  async release(): Promise<void> {
    if (this.#budget !== undefined) await this.#model.native.limitMemory(0);
  }

  /**
   * How an error goes on when `rows` rows were too many: with the plan of such a step beside the memory there is, and what
   * would help.
   */
  async shortage(rows: number): Promise<string> {
    const { available } = await this.#model.native.memory();
    const card = available > 0 ? `the memory of ${this.#model.device}` : 'memory';
    const where = this.#budget === undefined ? card : formatBytes(this.#budget);
    const what = rows === 1 ? 'one row does' : `micro-batches of ${rows} rows do`;
    const plan = `a step is planned to take ${describePlan(await planStep(this.#workload, rows))}`;
    const room = available > 0 ? ` and ${formatBytes(await this.#available())} are there` : '';
    const smaller = 'auto_batch and auto_find_batch_size go on with smaller micro-batches; ';
    const help = await smallestBudget(this.#workload);
    return `${what} not fit ${where}: ${plan}${room}; ${rows > 1 && !this.halves ? smaller : ''}${help}`;
  }

  /** What the model could hold: of its GPU's memory, or of the system's. */
  async #available(): Promise<number> {
    const { live, available } = await this.#model.native.memory();
    return available > 0 ? availableOnDevice(live, available) : availableBytes(live);
  }

  async #chooseRows(run: RunState, budget: number): Promise<PlanEvent> {
    const { perDeviceTrainBatchSize: batch, gradientAccumulationSteps: accumulation } = this.#options;
    const update = batch * accumulation;
    const before = run.microBatches;
    const kept = before && before.rows * before.count === update ? [before.rows] : [];
    const { rows, plan } =
      (await largestFitting(this.#workload, kept, budget)) ??
      (await largestFitting(this.#workload, divisors(update), budget))!;
    run.microBatches = { rows, count: update / rows };
    return {
      type: 'plan',
      rows,
      microBatches: update / rows,
      labels: this.#workload.labels,
      budget,
      plan,
    };
  }
}
