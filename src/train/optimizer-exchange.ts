// Optimizers between whisper-tune and Hugging Face: optimizer.safetensors to optimizer.pt and back, without Python. Tensors
// are streamed from file to file: twelve gigabytes of AdamW's moments pass through a few megabytes of memory.
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { readJson } from '../files/json.js';
import { SafetensorsFile, writeSafetensors } from '../files/safetensors.js';
import { TorchFile, writeTorchFile } from '../files/torch-file.js';
import { checkModelFolder } from '../model/checkpoint.js';
import { readModelConfig } from '../model/config.js';
import { namedParameters } from '../model/named-parameters.js';
import type { Precision } from '../native.js';
import type { OptimizerName } from './engine-options.js';
import { exportState, readNotes } from './exchange/export.js';
import { ratesOf, type Trained } from './exchange/groups.js';
import { type ImportedState, importState } from './exchange/import.js';
import { findRates, type GivenRates, schedulerState } from './exchange/rates.js';
import { Weights } from './exchange/rms.js';

export interface ImportOptions {
  /** Folder of the model that the optimizer trains. */
  model: string;
  /** Of the run that goes on with it: the engine refuses another's file. Default: `f32`. */
  precision?: Precision | undefined;
  /** Updates made; needed where neither the file nor a trainer_state.json beside it says, which is only so for sgd. */
  step?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface ExportOptions extends GivenRates {
  /** Folder of the model that the optimizer trains. */
  model: string;
  /** Write scheduler.pt beside it too: transformers' Trainer loads neither without the other. Default: false. */
  scheduler?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** What a conversion found. */
export interface Exchanged {
  optimizer: OptimizerName;
  /** Updates made. */
  step: number;
  trained: Trained;
  /** Parameters of which a file had states that the engine does not keep. */
  dropped: string[];
  /** Learning rate, weight decay and the like, by the names of the options of training. */
  rates: Record<string, number>;
}

/**
 * Makes an optimizer's file for the engine from `optimizer.pt` of transformers' Trainer: of torch's AdamW (fused or not),
 * transformers' AdamW and Adafactor, bitsandbytes' AdamW with 8-bit moments (of any version, paged or not), and SGD without
 * momentum. Which parameters it trained follows from how many there are: all, or those of the encoder or the decoder.
 *
 * Moments are taken as they are; the engine codes those of bitsandbytes again where its blocks are others. The random
 * numbers of dropout go on from the number of updates, and the loss scale of f16 from a `scaler.pt` beside the source,
 * where there is one. Learning rate, betas and the like are options of training here and stand in no file: the result
 * says which the optimizer had.
 *
 * ```ts
 * const { rates } = await importOptimizer('hf/checkpoint-500/optimizer.pt', 'optimizer.safetensors', {
 *   model: 'hf/checkpoint-500',
 * });
 * ```
 *
 * @param source the file of torch.save
 * @param target the safetensors file to write
 * @throws WhisperError `ERR_FILE`, `ERR_CORRUPT_FILE`, `ERR_SHAPE_MISMATCH` for another model's, `ERR_INVALID_ARGUMENT` for
 *   an optimizer that the engine does not have; nothing is written then
 */
export async function importOptimizer(
  source: string,
  target: string,
  options: ImportOptions,
): Promise<Exchanged> {
  const parameters = namedParameters(await readModelConfig(await checkModelFolder(options.model)));
  const file = await TorchFile.open(source);
  try {
    const state = await importState(file, parameters);
    const step = state.step ?? options.step ?? (await stepBeside(source));
    const metadata = await metadataOf(state, step, options.precision ?? 'f32', dirname(source));
    await writeSafetensors(target, state.tensors, metadata, options.signal);
    const { optimizer, trained, dropped, rates } = state;
    return { optimizer, step, trained, dropped, rates };
  } finally {
    await file.close();
  }
}

/** What the engine asks of an optimizer's file (native/optim/training.cpp: Training::load). */
async function metadataOf(
  { optimizer, trained, tensors }: ImportedState,
  step: number,
  precision: Precision,
  folder: string,
): Promise<Record<string, string>> {
  const scaler = precision === 'f16' ? await readScaler(folder) : { kind: 'none', scale: 1, clean: 0 };
  const embedding = tensors.get('state1.model.decoder.embed_tokens.weight');
  return {
    format: 'pt',
    optimizer,
    precision,
    trained,
    step: String(step),
    batches: String(step),
    loss_scaler: scaler.kind,
    loss_scale: String(scaler.scale),
    loss_scale_clean_steps: String(scaler.clean),
    loss_scale_hysteresis: '0',
    ...(optimizer === 'adamw_bnb_8bit' ? { eight_bit_embeddings: String(embedding?.type === 'U8') } : {}),
  };
}

/** torch's GradScaler as transformers saves it beside the optimizer; its first state where there is none. */
async function readScaler(folder: string): Promise<{ kind: string; scale: number; clean: number }> {
  const path = join(folder, 'scaler.pt');
  if (!(await exists(path))) return { kind: 'torch', scale: 65536, clean: 0 };
  const file = await TorchFile.open(path);
  await file.close();
  const content = file.content instanceof Map ? file.content : new Map();
  const scale: unknown = content.get('scale');
  const clean: unknown = content.get('_growth_tracker');
  if (
    typeof scale !== 'number' ||
    !(scale > 0 && scale < 2 ** 128) ||
    typeof clean !== 'bigint' ||
    clean < 0n
  ) {
    throw new WhisperError(
      'ERR_CORRUPT_FILE',
      `${path}: expected a GradScaler, with scale and _growth_tracker`,
    );
  }
  return { kind: 'torch', scale, clean: Number(clean) };
}

async function stepBeside(source: string): Promise<number> {
  const path = join(dirname(source), 'trainer_state.json');
  if (await exists(path))
    return (await readJson(path, z.looseObject({ global_step: z.int().nonnegative() }))).global_step;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `${source} does not say how many updates were made, and no trainer_state.json beside it does: a step is needed`,
  );
}

/**
 * Makes `optimizer.pt` for transformers' Trainer from the engine's file: what `torch.load` reads and the `load_state_dict`
 * of the same optimizer takes. 8-bit moments of convolutions are coded again, in torch's order; all else is copied.
 *
 * Rates that are not given are those of the `training_args.json` beside the source, or the defaults of training. The
 * Trainer resumes from a folder only where it finds `scheduler.pt` too, and the model's files with `trainer_state.json`,
 * which a checkpoint of a run has.
 *
 * ```ts
 * const folder = 'whisper-small-es/checkpoint-500';
 * await exportOptimizer(`${folder}/optimizer.safetensors`, `${folder}/optimizer.pt`, { model: folder, scheduler: true });
 * ```
 *
 * @param source the engine's file
 * @param target the file of torch.save to write
 * @throws WhisperError `ERR_FILE`, `ERR_CORRUPT_FILE`, `ERR_SHAPE_MISMATCH` for another model's; nothing is written then
 */
export async function exportOptimizer(
  source: string,
  target: string,
  options: ExportOptions,
): Promise<Exchanged> {
  const model = await checkModelFolder(options.model);
  const parameters = namedParameters(await readModelConfig(model));
  const file = await SafetensorsFile.open(source);
  let weights: Weights | undefined;
  try {
    const { optimizer, trained, step } = readNotes(file);
    const rates = await findRates(dirname(source), step, options);
    if (optimizer === 'adafactor') weights = await Weights.open(model);
    const state = await exportState(file, parameters, rates, (name) => weights!.rms(name));
    await writeTorchFile(target, new Map(Object.entries(state)), options.signal);
    if (options.scheduler) {
      await writeTorchFile(
        join(dirname(target), 'scheduler.pt'),
        schedulerState(step, rates),
        options.signal,
      );
    }
    return { optimizer, step, trained, dropped: [], rates: ratesOf(state.param_groups[0]!) };
  } finally {
    await file.close();
    await weights?.close();
  }
}
