// Opening a model: configurations, tokenizer, weights and adapters of its folders, put together.
import { join } from 'node:path';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { addon, type NativeModel, type NativeNewTokens, PRECISIONS, type Precision } from '../native.js';
import { WhisperTokenizer } from '../processor/tokenizer.js';
import { formatBytes } from '../train/memory/bytes.js';
import { ADAPTER_WEIGHTS, isAdapterFolder, loraOf, readAdapter } from './adapter.js';
import { type ModelConfig, nativeDims, readModelConfig } from './config.js';
import { type FindOptions, findModel } from './find.js';
import {
  completeGenerationConfig,
  type GenerationConfig,
  readGenerationConfig,
} from './generation-config.js';
import { type Lora, type LoraOptions, nativeLora, resolveLora } from './lora.js';
import { type PreprocessorConfig, readPreprocessorConfig } from './preprocessor-config.js';
import { type NewTokenOptions, resize } from './resize.js';

export interface LoadOptions extends FindOptions, NewTokenOptions {
  /** `auto` (the first GPU if there is one, else the CPU), `cpu`, `cuda` or `cuda:N`. Default: `auto`. */
  device?: string | undefined;
  /**
   * Type of weights in products and of stored activations. Sums, masters and optimizer states are in f32 with each.
   * On the CPU `bf16` saves time where the instruction set has products of bf16 (`avx512bf16`, `amx`) and memory
   * everywhere, `f16` memory only. `f32-fast` is f32 by three products of bf16 each: faster than f32 with AMX, of 16
   * instead of 24 bits of accuracy, refused where there is neither. Default: `f32`.
   */
  precision?: Precision | undefined;
  /**
   * Whether the model will be trained: if not, weights in 16 bits have no f32 masters, and an adapter goes into the weights,
   * where it costs nothing. Default: true.
   */
  trainable?: boolean | undefined;
  /** Low-rank adapters (LoRA), which are trained instead of the weights. */
  lora?: LoraOptions | undefined;
  /** Folder of an adapter of the model, by PEFT or by `savePretrained`; it can be trained on. */
  adapter?: string | undefined;
  /** Of what is random: new adapters, new tokens, all weights of `fromConfig`. Default: 42. */
  seed?: number | undefined;
}

/** Everything a model is made of; what `openParts` puts together. */
export interface WhisperParts {
  /** The folder it came from. */
  folder: string;
  /** What others call it: an id on the Hub, or its folder. */
  name?: string;
  config: ModelConfig;
  generation: GenerationConfig;
  preprocessor: PreprocessorConfig;
  tokenizer: WhisperTokenizer;
  precision: Precision;
  native: NativeModel;
  lora?: Lora | undefined;
}

/** Where a model and its adapter are. */
export interface Found {
  folder: string;
  /** What others call the model: an id on the Hub, or its folder. */
  name: string;
  adapter: string | undefined;
}

/**
 * Finds the weights of a model and its adapter. Where a folder holds an adapter alone, its model is the one that
 * `adapter_config.json` names.
 *
 * @throws WhisperError as `findModel`, `ERR_CONFIG` for an adapter that names no model
 */
export async function findWeights(model: string, options: LoadOptions): Promise<Found> {
  if (options.adapter !== undefined || !(await isAdapterFolder(model))) {
    const folder = await findModel(model, 'weights', options);
    const name = (await exists(model)) ? folder : model.replace(/@.*$/, '');
    return { folder, name, adapter: options.adapter };
  }
  const { base_model_name_or_path: name } = (await readAdapter(model)).config;
  if (!name) {
    throw new WhisperError(
      'ERR_CONFIG',
      `${model} holds an adapter and does not say of which model: give the model, and this folder as adapter`,
    );
  }
  const folder = await findModel(name, 'weights', { ...options, revision: undefined }).catch(
    (cause: WhisperError) => {
      throw new WhisperError(cause.code, `${model} holds an adapter of ${name}: ${cause.message}`, { cause });
    },
  );
  return { folder, name, adapter: model };
}

/**
 * Opens a model.
 *
 * @param fill gives it its weights
 * @throws WhisperError as `Whisper.fromPretrained`
 */
export async function openParts(
  { folder, name, adapter }: Found,
  options: LoadOptions,
  fill: (native: NativeModel, newTokens: NativeNewTokens | undefined) => Promise<void>,
): Promise<WhisperParts> {
  const { device = 'auto', precision = 'f32', trainable = true, seed = 42 } = options;
  if (!PRECISIONS.includes(precision)) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `precision must be one of ${PRECISIONS.join(', ')}, got ${JSON.stringify(precision)}`,
    );
  }
  const found = await readModelConfig(folder);
  const preprocessor = await readPreprocessorConfig(folder, found);
  const original = await WhisperTokenizer.fromPretrained(folder);
  checkTokens(folder, found, original);
  const resized = resize(found, original, options, seed);
  const { config, tokenizer } = resized ?? { config: found, tokenizer: original };
  const generation = completeGenerationConfig(await readGenerationConfig(folder), config, tokenizer);
  const lora = await chooseLora({ ...options, adapter }, config);
  if (lora && resized) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      'new tokens cannot be trained by adapters (LoRA), which leave the embedding as it is: train the model without them, ' +
        'or write it with its new tokens first (savePretrained) and adapt that one',
    );
  }
  const native = await openNative(folder, { device, precision, trainable, lora }, config, async (native) => {
    await fill(native, resized?.newTokens);
    if (adapter !== undefined) await native.loadAdapters(join(adapter, ADAPTER_WEIGHTS));
    else if (lora) await native.initialiseAdapters(seed);
    if (lora && !trainable) await native.mergeAdapters();
  });
  return { folder, name, config, generation, preprocessor, tokenizer, precision, native, lora };
}

async function chooseLora({ lora, adapter }: LoadOptions, config: ModelConfig): Promise<Lora | undefined> {
  if (lora && adapter !== undefined) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `new adapters (LoRA) and the adapter ${adapter} exclude each other: that one says its own rank and layers`,
    );
  }
  if (adapter !== undefined) return loraOf(await readAdapter(adapter), nativeDims(config));
  return lora && resolveLora(lora, nativeDims(config));
}

interface Opened {
  device: string;
  precision: Precision;
  trainable: boolean;
  lora: Lora | undefined;
}

async function openNative(
  folder: string,
  { device, precision, trainable, lora }: Opened,
  config: ModelConfig,
  fill: (native: NativeModel) => Promise<void>,
): Promise<NativeModel> {
  const dims = nativeDims(config);
  const adapters = lora && nativeLora(lora);
  let native: NativeModel | undefined;
  try {
    native = await addon().openModel(device, dims, precision, trainable, adapters);
    await fill(native);
    return native;
  } catch (error) {
    await native?.dispose();
    if (!(error instanceof WhisperError) || error.code !== 'ERR_OUT_OF_MEMORY') throw error;
    const what = { device, batch: 1, labels: 1, training: trainable, precision };
    const plan = await addon().plan(dims, { ...what, ...(adapters && { lora: adapters }) });
    const bytes = formatBytes(plan.weights + plan.masters);
    throw new WhisperError(
      'ERR_OUT_OF_MEMORY',
      `${folder}: the weights in ${precision} take ${bytes} by plan: ${error.message}`,
      { cause: error },
    );
  }
}

/** A tokenizer of another model would train and decode nonsense without any other error. */
function checkTokens(folder: string, config: ModelConfig, tokenizer: WhisperTokenizer): void {
  const refuse = (message: string): never => {
    throw new WhisperError('ERR_CONFIG', `${folder}: ${message}`);
  };
  if (tokenizer.vocabSize > config.vocab_size) {
    refuse(
      `the tokenizer has ${tokenizer.vocabSize} tokens, and config.json says vocab_size ${config.vocab_size}`,
    );
  }
  if (tokenizer.sot !== config.decoder_start_token_id) {
    refuse(
      `<|startoftranscript|> is token ${tokenizer.sot}, and config.json says decoder_start_token_id ` +
        `${config.decoder_start_token_id}`,
    );
  }
  if (tokenizer.eot !== config.eos_token_id) {
    refuse(
      `<|endoftext|> is token ${tokenizer.eot}, and config.json says eos_token_id ${config.eos_token_id}`,
    );
  }
}
