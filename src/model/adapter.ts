// Adapter folders in the format of PEFT: adapter_config.json and adapter_model.safetensors.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { readJson, sortedJson } from '../files/json.js';
import { SafetensorsFile } from '../files/safetensors.js';
import type { NativeDims } from '../native.js';
import { type Lora, linearModules } from './lora.js';

export const ADAPTER_CONFIG = 'adapter_config.json';
export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';

const none = z
  .union([z.null(), z.literal(false), z.array(z.never()), z.record(z.string(), z.never())])
  .optional();

// What changes how an adapter computes, and is not done here, must be off.
const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).max(0.999999).default(0),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  use_rslora: z.boolean().nullish(),
  base_model_name_or_path: z.string().nullish(),
  bias: z.literal('none').default('none'),
  alpha_pattern: none,
  rank_pattern: none,
  fan_in_fan_out: none,
  layer_replication: none,
  lora_bias: none,
  modules_to_save: none,
  target_parameters: none,
  trainable_token_indices: none,
  use_bdlora: none,
  use_dora: none,
  use_qalora: none,
});

/** An adapter folder as far as it can be read without its model. */
export interface AdapterFolder {
  folder: string;
  config: z.output<typeof schema>;
}

/** Whether a folder holds an adapter and not the weights of a model. */
export async function isAdapterFolder(folder: string): Promise<boolean> {
  return (await exists(join(folder, ADAPTER_CONFIG))) && !(await exists(join(folder, 'model.safetensors')));
}

/**
 * Reads `adapter_config.json`.
 *
 * @throws WhisperError `ERR_FILE` when the folder has no adapter, `ERR_CONFIG` for one that is no LoRA or of a kind that is
 *   not supported, naming the key
 */
export async function readAdapter(folder: string): Promise<AdapterFolder> {
  for (const name of [ADAPTER_CONFIG, ADAPTER_WEIGHTS]) {
    if (await exists(join(folder, name))) continue;
    const pickled = name === ADAPTER_WEIGHTS && (await exists(join(folder, 'adapter_model.bin')));
    const hint = pickled ? ': save it again with safe_serialization=True' : '';
    throw new WhisperError('ERR_FILE', `cannot open adapter ${folder}: it has no ${name}${hint}`);
  }
  return { folder, config: await readJson(join(folder, ADAPTER_CONFIG), schema) };
}

/**
 * The adapters of a folder for a model of these sizes. Which layers have one is what its weights say: patterns and lists
 * of `adapter_config.json` come to that.
 *
 * @throws WhisperError `ERR_CORRUPT_FILE`, `ERR_SHAPE_MISMATCH` for the adapter of another model
 */
export async function loraOf({ folder, config }: AdapterFolder, dims: NativeDims): Promise<Lora> {
  const path = join(folder, ADAPTER_WEIGHTS);
  const file = await SafetensorsFile.open(path);
  const adapted = new Set<string>();
  for (const name of file.tensors.keys()) {
    const module = /^(?:base_model\.model\.)?(.+)\.lora_[AB]\.weight$/.exec(name)?.[1];
    if (module !== undefined) adapted.add(module.replace(/^(?=(encoder|decoder)\.)/, 'model.'));
  }
  await file.close();
  const known = linearModules(dims);
  const foreign = [...adapted].find((name) => !known.includes(name));
  if (foreign !== undefined || adapted.size === 0) {
    throw new WhisperError(
      'ERR_SHAPE_MISMATCH',
      foreign === undefined
        ? `${path} has no low-rank adapters`
        : `${path} adapts ${foreign}, which this model does not have: it is the adapter of another model`,
    );
  }
  return {
    rank: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    rankStabilised: config.use_rslora ?? false,
    targetModules: config.target_modules ?? [...adapted],
    modules: known.filter((name) => adapted.has(name)),
  };
}

/**
 * Writes `adapter_config.json` as PEFT reads it.
 *
 * @param base the model that the adapter belongs to
 */
export async function writeAdapterConfig(folder: string, lora: Lora, base: string): Promise<void> {
  const config = {
    auto_mapping: {
      base_model_class: 'WhisperForConditionalGeneration',
      parent_library: 'transformers.models.whisper.modeling_whisper',
    },
    base_model_name_or_path: base,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: lora.rank,
    revision: null,
    target_modules: lora.targetModules,
    task_type: null,
    use_dora: false,
    use_rslora: lora.rankStabilised,
  };
  await writeFile(join(folder, ADAPTER_CONFIG), `${sortedJson(config, 2)}\n`);
}
