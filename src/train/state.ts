// What a run remembers: trainer_state.json as transformers writes it, and beside it what an exact resume needs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { BatchesState } from '../data/batches.js';
import { readJson, sortedJson } from '../files/json.js';
import type { TrainingArguments } from './arguments.js';
import { type Cadence, cadenceOf } from './cadence.js';
import { NO_PATIENCE, type Patience } from './improvement.js';
import { NO_PLATEAU, type Plateau } from './plateau.js';
import { earliestKind, kindSchema, type RunKind } from './resume.js';

/** Where reading the data goes on, the sums of losses, and the settings that must stay the same. */
export const STATE_FILE = 'whisper_tune_state.json';

/** One line of `log_history`: a training line, an evaluation line or the summary at the end. */
export type HistoryRow = { step: number; epoch: number } & Record<string, number>;

/** The run's own part of the state. */
export interface RunState {
  /** Steps made, those that were skipped included. */
  step: number;
  /** Steps whose gradients overflowed in f16, so that nothing was updated. */
  skipped: number;
  /** Of them, the last ones without an update between. */
  skippedInRow: number;
  /** Passes over the data, with a fraction. */
  epoch: number;
  history: HistoryRow[];
  bestMetric: number | undefined;
  bestStep: number | undefined;
  /** Folder of the best checkpoint. */
  bestCheckpoint: string | undefined;
  /** Sum of the losses of all steps whose loss was finite, and how many those are. */
  lossSum: number;
  losses: number;
  /** Of the steps since the last log line: losses that were finite, and the seconds that all of them waited for data. */
  unlogged: { lossSum: number; losses: number; dataWait: number; steps: number };
  /** Rows trained on. */
  rows: number;
  /** Rows of the training data, those that are dropped included; undefined where that is not known yet. */
  rowsPerPass: number | undefined;
  /** Rows and number of the micro-batches of an update, where they are not those of the options. */
  microBatches: { rows: number; count: number } | undefined;
  /** Rows that are computed at a time, since memory did not suffice for whole micro-batches. */
  rowsAtOnce: number | undefined;
  /** Wall time of training, over all resumes. */
  seconds: number;
  patience: Patience;
  plateau: Plateau;
}

const NOTHING_UNLOGGED: RunState['unlogged'] = { lossSum: 0, losses: 0, dataWait: 0, steps: 0 };

export function newRunState(): RunState {
  return {
    step: 0,
    skipped: 0,
    skippedInRow: 0,
    epoch: 0,
    history: [],
    bestMetric: undefined,
    bestStep: undefined,
    bestCheckpoint: undefined,
    lossSum: 0,
    losses: 0,
    unlogged: NOTHING_UNLOGGED,
    rows: 0,
    rowsPerPass: undefined,
    microBatches: undefined,
    rowsAtOnce: undefined,
    seconds: 0,
    patience: NO_PATIENCE,
    plateau: NO_PLATEAU,
  };
}

/** What a step adds to the counts. */
export interface CountedStep {
  loss: number;
  rows: number;
  seconds: number;
  dataWait: number;
  /** Nothing was updated. */
  skipped: boolean;
}

/**
 * Adds one step. A loss that is not finite counts nowhere, as under transformers' logging_nan_inf_filter.
 *
 * @param filter false: it makes the mean of the log's next line what it is itself
 */
export function countStep(
  run: RunState,
  { loss, rows, seconds, dataWait, skipped }: CountedStep,
  filter: boolean,
): void {
  run.step += 1;
  run.skipped += skipped ? 1 : 0;
  run.skippedInRow = skipped ? run.skippedInRow + 1 : 0;
  const finite = Number.isFinite(loss);
  run.lossSum += finite ? loss : 0;
  run.losses += finite ? 1 : 0;
  const { unlogged } = run;
  run.unlogged = {
    lossSum: unlogged.lossSum + (finite || !filter ? loss : 0),
    losses: unlogged.losses + (finite || !filter ? 1 : 0),
    dataWait: unlogged.dataWait + dataWait,
    steps: unlogged.steps + 1,
  };
  run.rows += rows;
  run.seconds += seconds;
}

/** Means over the steps since it was called before: the loss, NaN where none was finite, and the wait for data. */
export function takeMeans(run: RunState): { loss: number; dataWait: number } {
  const { lossSum, losses, dataWait, steps } = run.unlogged;
  run.unlogged = NOTHING_UNLOGGED;
  return { loss: lossSum / losses, dataWait: dataWait / steps };
}

/** The mean loss of all steps. */
export function meanLoss({ lossSum, losses }: RunState): number {
  return lossSum / Math.max(1, losses);
}

/** Settings of the run that `trainer_state.json` repeats. */
export interface RunSettings {
  maxSteps: number;
  epochs: number;
  cadence: Cadence;
  batchSize: number;
  earlyStopping: { patience: number; threshold: number } | undefined;
  /** Counted as transformers does: 6 × features × parameters. */
  flos: number;
}

export function runSettings(
  options: TrainingArguments,
  run: RunState,
  maxSteps: number,
  flos: number,
): RunSettings {
  const { earlyStoppingPatience: patience, earlyStoppingThreshold: threshold } = options;
  return {
    maxSteps,
    epochs: options.maxSteps > 0 ? Math.ceil(run.epoch) : options.numTrainEpochs,
    cadence: cadenceOf(options, maxSteps),
    earlyStopping: patience === undefined ? undefined : { patience, threshold },
    batchSize: run.microBatches?.rows ?? options.perDeviceTrainBatchSize,
    flos,
  };
}

/** The content of `trainer_state.json` (transformers, trainer_callback.py: TrainerState). */
export function trainerStateJson(state: RunState, settings: RunSettings): string {
  return `${sortedJson(
    {
      best_global_step: state.bestStep ?? null,
      best_metric: state.bestMetric ?? null,
      best_model_checkpoint: state.bestCheckpoint ?? null,
      epoch: state.epoch,
      eval_steps: settings.cadence.evaluation,
      global_step: state.step,
      is_hyper_param_search: false,
      is_local_process_zero: true,
      is_world_process_zero: true,
      log_history: state.history,
      logging_steps: settings.cadence.logging,
      max_steps: settings.maxSteps,
      num_input_tokens_seen: 0,
      num_train_epochs: settings.epochs,
      save_steps: settings.cadence.saving,
      stateful_callbacks: statefulCallbacks(state, settings),
      total_flos: settings.flos,
      train_batch_size: settings.batchSize,
      trial_name: null,
      trial_params: null,
    },
    2,
  )}\n`;
}

/** Of transformers' EarlyStoppingCallback, where a run has one. */
function statefulCallbacks({ patience }: RunState, { earlyStopping }: RunSettings): object {
  if (!earlyStopping) return {};
  const { patience: most, threshold } = earlyStopping;
  return {
    EarlyStoppingCallback: {
      args: { early_stopping_patience: most, early_stopping_threshold: threshold },
      attributes: { early_stopping_patience_counter: patience.bad },
    },
  };
}

const historySchema = z.looseObject({
  best_global_step: z.int().nullish(),
  best_metric: z.number().nullable(),
  best_model_checkpoint: z.string().nullable(),
  epoch: z.number(),
  global_step: z.int().nonnegative(),
  log_history: z.array(z.record(z.string(), z.number())),
});

const ownSchema = z.strictObject({
  version: z.literal(1),
  max_steps: z.int().positive(),
  // What is optional, checkpoints of 0.1 do not have.
  skipped: z.int().nonnegative().default(0),
  skipped_in_row: z.int().nonnegative().default(0),
  loss_sum: z.number(),
  losses: z.int().nonnegative().optional(),
  unlogged: z.strictObject({
    // JSON has no NaN.
    lossSum: z
      .number()
      .nullable()
      .transform((sum) => sum ?? Number.NaN),
    losses: z.int().nonnegative().optional(),
    dataWait: z.number().nonnegative().default(0),
    steps: z.int().nonnegative(),
  }),
  rows: z.int().nonnegative(),
  rows_per_pass: z.int().positive().nullable(),
  micro_batches: z
    .strictObject({ rows: z.int().positive(), count: z.int().positive() })
    .nullable()
    .default(null),
  rows_at_once: z.int().positive().nullable().default(null),
  seconds: z.number().nonnegative(),
  patience: z
    .strictObject({ best: z.number().optional(), bad: z.int().nonnegative() })
    .default({ bad: 0 })
    .transform((found): Patience => ({ ...NO_PATIENCE, ...found })),
  plateau: z
    .strictObject({
      factor: z.number(),
      best: z.number().optional(),
      bad: z.int().nonnegative(),
      cooldown: z.int().nonnegative(),
    })
    .default({ factor: 1, bad: 0, cooldown: 0 })
    .transform((found): Plateau => ({ ...NO_PLATEAU, ...found })),
  kind: kindSchema.optional(),
  options: z.record(z.string(), z.unknown()),
  // Checked where it is used, by the data pipeline.
  data: z.custom<BatchesState>((value) => value !== null && typeof value === 'object'),
});

/** What a checkpoint keeps beside the state. */
export interface RunRecord {
  settings: RunSettings;
  kind: RunKind;
  options: Record<string, unknown>;
  data: BatchesState;
}

/** Writes both files into a checkpoint folder. */
export async function writeRunState(
  folder: string,
  state: RunState,
  { settings, kind, options, data }: RunRecord,
): Promise<void> {
  await writeFile(join(folder, 'trainer_state.json'), trainerStateJson(state, settings));
  const own: z.input<typeof ownSchema> = {
    version: 1,
    max_steps: settings.maxSteps,
    skipped: state.skipped,
    skipped_in_row: state.skippedInRow,
    loss_sum: state.lossSum,
    losses: state.losses,
    unlogged: state.unlogged,
    rows: state.rows,
    rows_per_pass: state.rowsPerPass ?? null,
    micro_batches: state.microBatches ?? null,
    rows_at_once: state.rowsAtOnce ?? null,
    seconds: state.seconds,
    patience: state.patience,
    plateau: state.plateau,
    kind,
    options,
    data,
  };
  await writeFile(join(folder, STATE_FILE), `${sortedJson(own, 1)}\n`);
}

export interface SavedRun {
  state: RunState;
  maxSteps: number;
  kind: RunKind;
  options: Record<string, unknown>;
  data: BatchesState;
}

/**
 * Reads both files of a checkpoint folder.
 *
 * @throws WhisperError `ERR_FILE` or `ERR_CONFIG` naming the file and the key
 */
export async function readRunState(folder: string): Promise<SavedRun> {
  const shared = await readJson(join(folder, 'trainer_state.json'), historySchema);
  const own = await readJson(join(folder, STATE_FILE), ownSchema);
  return {
    state: {
      step: shared.global_step,
      skipped: own.skipped,
      skippedInRow: own.skipped_in_row,
      epoch: shared.epoch,
      history: shared.log_history as HistoryRow[],
      bestMetric: shared.best_metric ?? undefined,
      bestStep: shared.best_global_step ?? undefined,
      bestCheckpoint: shared.best_model_checkpoint ?? undefined,
      lossSum: own.loss_sum,
      losses: own.losses ?? shared.global_step,
      unlogged: { ...own.unlogged, losses: own.unlogged.losses ?? own.unlogged.steps },
      rows: own.rows,
      rowsPerPass: own.rows_per_pass ?? undefined,
      microBatches: own.micro_batches ?? undefined,
      rowsAtOnce: own.rows_at_once ?? undefined,
      seconds: own.seconds,
      patience: own.patience,
      plateau: own.plateau,
    },
    maxSteps: own.max_steps,
    kind: own.kind ?? earliestKind(own.options.freezeEncoder === true),
    options: own.options,
    data: own.data,
  };
}
