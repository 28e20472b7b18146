// What a resumed run must have in common with the checkpoint it goes on from, and what may differ.
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import type { Lora } from '../model/lora.js';
import { PRECISIONS, type Precision } from '../native.js';
import { type TrainingArguments, trainerOptions } from './arguments.js';
import { lossScalerOf, optimizerOf, trainsPositions } from './engine-options.js';
import { camelCase } from './option.js';
import type { SavedRun } from './state.js';

/** What the state of an optimizer belongs to: another kind of run cannot go on with it. */
export const kindSchema = z.strictObject({
  precision: z.enum(PRECISIONS),
  optim: z.enum(['adamw_torch', 'adamw_hf', 'adamw_bnb_8bit', 'adafactor', 'sgd']),
  optim_8bit_embeddings: z.boolean(),
  freeze_encoder: z.boolean(),
  // A default for checkpoints from before it was an option.
  freeze_decoder: z.boolean().default(false),
  train_encoder_positions: z.boolean().default(false),
  loss_scaler: z.enum(['none', 'torch', 'deepspeed']),
  lora_rank: z.int().nonnegative().default(0),
  lora_alpha: z.number().nonnegative().default(0),
  lora_dropout: z.number().nonnegative().default(0),
  lora_target_modules: z.string().default('none'),
});

/** By the names of the options that decide about it. */
export type RunKind = z.infer<typeof kindSchema>;

export function kindOf(options: TrainingArguments, precision: Precision, lora?: Lora): RunKind {
  return {
    precision,
    optim: optimizerOf(options),
    optim_8bit_embeddings: options.optim8bitEmbeddings,
    freeze_encoder: options.freezeEncoder,
    freeze_decoder: options.freezeDecoder,
    train_encoder_positions: trainsPositions(options),
    loss_scaler: lossScalerOf(options, precision),
    lora_rank: lora?.rank ?? 0,
    lora_alpha: lora?.alpha ?? 0,
    lora_dropout: lora?.dropout ?? 0,
    lora_target_modules: [lora?.targetModules ?? 'none'].flat().join(','),
  };
}

/** Of the checkpoints of 0.1, which do not say: it could do nothing else. */
export function earliestKind(freezeEncoder: boolean): RunKind {
  return {
    precision: 'f32',
    optim: 'adamw_torch',
    optim_8bit_embeddings: false,
    freeze_encoder: freezeEncoder,
    freeze_decoder: false,
    train_encoder_positions: false,
    loss_scaler: 'none',
    lora_rank: 0,
    lora_alpha: 0,
    lora_dropout: 0,
    lora_target_modules: 'none',
  };
}

/**
 * Refuses to go on with the optimizer's state of another kind of run.
 *
 * @param folder of the checkpoint
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line: what differs and what can be done
 */
export function checkKind(folder: string, was: RunKind, is: RunKind): void {
  const names = (Object.keys(was) as (keyof RunKind)[])
    .filter((name) => was[name] !== is[name])
    // Whether there is a loss scaler at all follows from the precision.
    .filter((name) => name !== 'loss_scaler' || was.precision === is.precision);
  if (names.length === 0) return;
  const differences = names.map((name) => `${name} was ${was[name]} and is ${is[name]}`).join(', ');
  const again = names.map((name) => `${name}=${was[name]}`).join(' and ');
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `cannot resume from ${folder}: ${differences}; give ${again} to go on with it, or start a new run from its weights ` +
      `with model_name_or_path=${folder} and another output_dir`,
  );
}

/** Settings that may differ from the checkpoint's without making another run of it. */
const FREE_OPTIONS = [
  'outputDir',
  'preparedDataDir',
  'overwriteOutputDir',
  'resumeFromCheckpoint',
  'loggingSteps',
  'saveTotalLimit',
  'saveAdapterOnly',
  'maxSteps',
  // Compared by what they come to: checkKind.
  'optim',
  'adafactor',
  // The same numbers in another amount of memory.
  'gradientCheckpointing',
  'checkpointingPolicy',
  'memoryBudget',
  'autoBatch',
  'autoFindBatchSize',
];

const DEFAULTS = new Map(
  Object.entries(trainerOptions).map(([name, option]) => [camelCase(name), option.default as unknown]),
);

/** The options whose values differ from those a checkpoint was written with, each in words. */
export function changedOptions(
  saved: SavedRun,
  options: Readonly<Record<string, unknown>>,
  maxSteps: number,
): string[] {
  const changed = Object.entries(options)
    .filter(([name]) => !FREE_OPTIONS.includes(name))
    .map(([name, is]) => ({ name, is, was: saved.options[name] ?? DEFAULTS.get(name) }))
    .filter(({ is, was }) => JSON.stringify(is) !== JSON.stringify(was))
    .map(({ name, is, was }) => `${name} (was ${was}, is ${is})`);
  if (maxSteps !== saved.maxSteps)
    changed.push(`the number of updates (was ${saved.maxSteps}, is ${maxSteps})`);
  return changed;
}
