// A Whisper model: loaded from a checkpoint folder, saved to one, and run.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WhisperError } from '../errors.js';
import { sortedJson } from '../files/json.js';
import {
  addon,
  type NativeBatch,
  type NativeLosses,
  type NativeModel,
  PRECISIONS,
  type Precision,
} from '../native.js';
import { WhisperTokenizer } from '../processor/tokenizer.js';
import { formatBytes } from '../train/memory/bytes.js';
import { cancellable } from './cancel.js';
import { writeFiles, writeFolder } from './checkpoint.js';
import { type ModelConfig, nativeDims, readModelConfig, windowSamples } from './config.js';
import { type FindOptions, findModel } from './find.js';
import {
  completeGenerationConfig,
  type GenerationConfig,
  readGenerationConfig,
} from './generation-config.js';
import { type Generated, type GenerateOptions, nativeOptions, textOf } from './greedy.js';
import { type PreprocessorConfig, readPreprocessorConfig } from './preprocessor-config.js';
import { withWeights } from './weights.js';

export interface LoadOptions extends FindOptions {
  /** `auto` (the first GPU if there is one, else the CPU), `cpu`, `cuda` or `cuda:N`. Default: `auto`. */
  device?: string | undefined;
  /**
   * Type of weights in products and of stored activations. Sums, masters and optimizer states are in f32 with each.
   * On the CPU `bf16` saves time where the instruction set has products of bf16 (`avx512bf16`, `amx`) and memory
   * everywhere, `f16` memory only. `f32-fast` is f32 by three products of bf16 each: faster than f32 with AMX, of 16
   * instead of 24 bits of accuracy, refused where there is neither. Default: `f32`.
   */
  precision?: Precision | undefined;
  /** Whether the model will be trained: if not, weights in 16 bits have no f32 masters. Default: true. */
  trainable?: boolean | undefined;
}

export interface InitialiseOptions extends LoadOptions {
  /**
   * `hf`: as transformers does (normal, `init_std`). `fan_in`: scaled by the width of the input, decoder positions
   * starting as sinusoids; small models need it to learn at all. Default: `hf`.
   */
  initialisation?: 'hf' | 'fan_in' | undefined;
  /** Default: 42. */
  seed?: number | undefined;
}

/** Everything a model is made of; `Whisper.fromPretrained` and `fromConfig` put it together. */
export interface WhisperParts {
  /** The folder it came from, for messages. */
  folder: string;
  config: ModelConfig;
  generation: GenerationConfig;
  preprocessor: PreprocessorConfig;
  tokenizer: WhisperTokenizer;
  precision: Precision;
  native: NativeModel;
}

/** A Whisper model with its tokenizer, on a device. Calls run one after the other on the model's own thread. */
export class Whisper {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly generation: GenerationConfig;
  readonly preprocessor: PreprocessorConfig;
  readonly tokenizer: WhisperTokenizer;
  readonly precision: Precision;
  /** The engine's side of the model. */
  readonly native: NativeModel;

  constructor(parts: WhisperParts) {
    this.folder = parts.folder;
    this.config = parts.config;
    this.generation = parts.generation;
    this.preprocessor = parts.preprocessor;
    this.tokenizer = parts.tokenizer;
    this.precision = parts.precision;
    this.native = parts.native;
  }

  /**
   * Loads a checkpoint in the layout of transformers (4 or 5): `config.json`, `model.safetensors` or shards with an index
   * (or `pytorch_model.bin` where that is all there is), a tokenizer, and where present `generation_config.json` and
   * `preprocessor_config.json`.
   *
   * @param model a folder, or an id on the Hub as `openai/whisper-small`, which is downloaded where the cache does not have it
   * @throws WhisperError `ERR_FILE` when the folder or a file is missing, `ERR_HUB` when the Hub has no such model or does
   *   not give it, `ERR_CANCELLED`, `ERR_CONFIG` for configurations and
   *   tokenizers that are wrong or do not fit, `ERR_CORRUPT_FILE` and `ERR_SHAPE_MISMATCH` for weights that do not,
   *   `ERR_OUT_OF_MEMORY`, `ERR_DEVICE_UNAVAILABLE`
   */
  static async fromPretrained(model: string, options: LoadOptions = {}): Promise<Whisper> {
    const folder = await findModel(model, 'weights', options);
    return withWeights(folder, (files) => open(folder, options, (native) => native.load(files)), options);
  }

  /**
   * A model of the sizes that `config.json` of a folder, or of a model on the Hub, says, with its tokenizer and random
   * weights.
   *
   * @throws WhisperError as `fromPretrained`
   */
  static async fromConfig(model: string, options: InitialiseOptions = {}): Promise<Whisper> {
    const { initialisation = 'hf', seed = 42 } = options;
    const folder = await findModel(model, 'configuration', options);
    const { init_std: spread } = await readModelConfig(folder);
    if (initialisation === 'hf' && spread !== 0.02) {
      throw new WhisperError(
        'ERR_CONFIG',
        `${join(folder, 'config.json')}: init_std must be 0.02 to initialise by "hf", got ${spread}`,
      );
    }
    return open(folder, options, (native) => native.initialise(initialisation, seed));
  }

  /** For example `cpu (avx2, 2 threads)`. */
  get device(): string {
    return this.native.device;
  }

  /** Samples at 16 kHz of the audio window the model hears at once: 480,000 (30 s) in every released model. */
  get windowSamples(): number {
    return windowSamples(this.config);
  }

  /**
   * Writes a folder that transformers and the converters of whisper.cpp and CTranslate2 read: weights, configurations,
   * tokenizer. Nothing of an earlier model there is replaced before all of the new one is on the disk.
   *
   * @throws WhisperError `ERR_FILE` when it cannot be written; what was there before stays
   */
  async savePretrained(folder: string): Promise<void> {
    await writeFiles(folder, (temporary) => this.write(temporary));
    // Weights left by an earlier model in shards would be read instead by others.
    await rm(join(folder, 'model.safetensors.index.json'), { force: true });
  }

  /** As `savePretrained`, for a folder that is this model's alone: it appears, or is replaced, as a whole. `more` adds files. */
  async saveCheckpoint(folder: string, more: (temporary: string) => Promise<void>): Promise<void> {
    await writeFolder(folder, async (temporary) => {
      await this.write(temporary);
      await more(temporary);
    });
  }

  private async write(folder: string): Promise<void> {
    const { dtype: _, ...config } = this.config;
    const files: [string, unknown][] = [
      [
        'config.json',
        {
          ...config,
          architectures: ['WhisperForConditionalGeneration'],
          is_encoder_decoder: true,
          num_hidden_layers: this.config.encoder_layers,
          torch_dtype: 'float32',
        },
      ],
      ['generation_config.json', this.generation],
      ['preprocessor_config.json', this.preprocessor],
    ];
    for (const [name, content] of files) await writeFile(join(folder, name), `${sortedJson(content, 2)}\n`);
    await this.tokenizer.savePretrained(folder);
    await this.native.save(join(folder, 'model.safetensors'), { format: 'pt' });
  }

  /**
   * Transcribes (or translates) a batch of clips, greedily.
   *
   * @param samples mono audio at 16 kHz of each clip, none longer than the model's window
   * @returns one text per clip, in order
   * @throws WhisperError `ERR_INVALID_ARGUMENT` for a wrong option or a clip that is too long, `ERR_CANCELLED`
   */
  async generate(samples: readonly Float32Array[], options: GenerateOptions = {}): Promise<Generated[]> {
    if (samples.length === 0) return [];
    this.checkSamples(samples);
    const native = nativeOptions(this, options);
    const rows = await cancellable(options.signal, (cancel) =>
      this.native.generate([...samples], native, cancel),
    );
    return rows.map((row) => textOf(this.tokenizer, row));
  }

  /**
   * The loss of a batch: per row the sum of its tokens' cross-entropies and how many they are.
   *
   * @param batch `labels` is `[rows, time]`, ignored = -100
   */
  async loss(batch: NativeBatch, options: { signal?: AbortSignal | undefined } = {}): Promise<NativeLosses> {
    this.checkSamples(batch.samples);
    return cancellable(options.signal, (cancel) => this.native.loss(batch, cancel));
  }

  /**
   * What `loss` and `generate` say of a batch, with its audio encoded once instead of twice.
   *
   * @throws WhisperError as `generate`
   */
  async lossAndTexts(
    batch: NativeBatch,
    options: GenerateOptions = {},
  ): Promise<{ losses: NativeLosses; texts: Generated[] }> {
    this.checkSamples(batch.samples);
    const native = nativeOptions(this, options);
    const { losses, texts } = await cancellable(options.signal, (cancel) =>
      this.native.evaluate(batch, native, cancel),
    );
    return { losses, texts: texts.map((row) => textOf(this.tokenizer, row)) };
  }

  /** Waits for the calls made so far and frees the model's memory. */
  async dispose(): Promise<void> {
    await this.native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  private checkSamples(samples: readonly Float32Array[]): void {
    for (const [row, clip] of samples.entries()) {
      if (!(clip instanceof Float32Array)) {
        throw new WhisperError(
          'ERR_INVALID_ARGUMENT',
          `samples[${row}] must be a Float32Array, got ${typeof clip}`,
        );
      }
      if (clip.length > this.windowSamples) {
        throw new WhisperError(
          'ERR_INVALID_ARGUMENT',
          `samples[${row}] is ${clip.length / 16000} s long, and the model's window ${this.windowSamples / 16000} s: ` +
            'transcribe() takes longer audio',
        );
      }
    }
  }
}

async function open(
  folder: string,
  { device = 'auto', precision = 'f32', trainable = true }: LoadOptions,
  fill: (native: NativeModel) => Promise<void>,
): Promise<Whisper> {
  if (!PRECISIONS.includes(precision)) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `precision must be one of ${PRECISIONS.join(', ')}, got ${JSON.stringify(precision)}`,
    );
  }
  const config = await readModelConfig(folder);
  const preprocessor = await readPreprocessorConfig(folder, config);
  const tokenizer = await WhisperTokenizer.fromPretrained(folder);
  checkTokens(folder, config, tokenizer);
  const generation = completeGenerationConfig(await readGenerationConfig(folder), config, tokenizer);
  const dims = nativeDims(config);
  let native: NativeModel | undefined;
  try {
    native = await addon().openModel(device, dims, precision, trainable);
    await fill(native);
  } catch (error) {
    await native?.dispose();
    if (!(error instanceof WhisperError) || error.code !== 'ERR_OUT_OF_MEMORY') throw error;
    const plan = await addon().plan(dims, { device, batch: 1, labels: 1, training: trainable, precision });
    const bytes = formatBytes(plan.weights + plan.masters);
    throw new WhisperError(
      'ERR_OUT_OF_MEMORY',
      `${folder}: the weights in ${precision} take ${bytes} by plan: ${error.message}`,
      { cause: error },
    );
  }
  return new Whisper({ folder, config, generation, preprocessor, tokenizer, precision, native });
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
