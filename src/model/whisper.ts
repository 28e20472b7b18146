// A Whisper model: loaded from a checkpoint folder, saved to one, and run.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WhisperError } from '../errors.js';
import { sortedJson } from '../files/json.js';
import type { NativeBatch, NativeLosses, NativeModel, Precision } from '../native.js';
import type { WhisperTokenizer } from '../processor/tokenizer.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, writeAdapterConfig } from './adapter.js';
import { cancellable } from './cancel.js';
import { WEIGHTS, writeFiles, writeFolder } from './checkpoint.js';
import { type ModelConfig, readModelConfig, windowSamples } from './config.js';
import { findModel } from './find.js';
import type { GenerationConfig } from './generation-config.js';
import { type Generated, type GenerateOptions, nativeOptions, textOf } from './greedy.js';
import type { Lora } from './lora.js';
import { findWeights, type LoadOptions, openParts, type WhisperParts } from './open.js';
import type { PreprocessorConfig } from './preprocessor-config.js';
import { withWeights } from './weights.js';

export type { LoadOptions, WhisperParts } from './open.js';

export interface InitialiseOptions extends LoadOptions {
  /**
   * `hf`: as transformers does (normal, `init_std`). `fan_in`: scaled by the width of the input, decoder positions
   * starting as sinusoids; small models need it to learn at all. Default: `hf`.
   */
  initialisation?: 'hf' | 'fan_in' | undefined;
}

/** A Whisper model with its tokenizer, on a device. Calls run one after the other on the model's own thread. */
export class Whisper {
  readonly folder: string;
  /** What others call it: an id on the Hub, or its folder. */
  readonly name: string;
  readonly config: ModelConfig;
  readonly generation: GenerationConfig;
  readonly preprocessor: PreprocessorConfig;
  readonly tokenizer: WhisperTokenizer;
  readonly precision: Precision;
  /** Adapters beside the weights, if any. */
  readonly lora: Lora | undefined;
  /** The engine's side of the model. */
  readonly native: NativeModel;

  constructor(parts: WhisperParts) {
    this.folder = parts.folder;
    this.name = parts.name ?? parts.folder;
    this.config = parts.config;
    this.generation = parts.generation;
    this.preprocessor = parts.preprocessor;
    this.tokenizer = parts.tokenizer;
    this.precision = parts.precision;
    this.native = parts.native;
    this.lora = parts.lora;
  }

  /**
   * Loads a checkpoint in the layout of transformers (4 or 5): `config.json`, `model.safetensors` or shards with an index
   * (or `pytorch_model.bin` where that is all there is), a tokenizer, and where present `generation_config.json` and
   * `preprocessor_config.json`. Of a folder that holds an adapter alone, as a checkpoint of training with LoRA, the model is
   * the one that the adapter names.
   *
   * @param model a folder, or an id on the Hub as `openai/whisper-small`, which is downloaded where the cache does not have it
   * @throws WhisperError `ERR_FILE` when the folder or a file is missing, `ERR_HUB` when the Hub has no such model or does
   *   not give it, `ERR_CANCELLED`, `ERR_CONFIG` for configurations and
   *   tokenizers that are wrong or do not fit, `ERR_CORRUPT_FILE` and `ERR_SHAPE_MISMATCH` for weights that do not,
   *   `ERR_OUT_OF_MEMORY`, `ERR_DEVICE_UNAVAILABLE`
   */
  static async fromPretrained(model: string, options: LoadOptions = {}): Promise<Whisper> {
    const found = await findWeights(model, options);
    const load = (files: string[]) =>
      openParts(found, options, (native, newTokens) => native.load(files, newTokens));
    return new Whisper(await withWeights(found.folder, load, options));
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
    if (options.lora || options.adapter !== undefined) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        'adapters (LoRA) learn what trained weights do not do yet: they cannot be had with random ones',
      );
    }
    const fill = (native: NativeModel) => native.initialise(initialisation, seed);
    return new Whisper(await openParts({ folder, name: folder, adapter: undefined }, options, fill));
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
   * Weights with adapters (LoRA) are written with those in them.
   *
   * @param options `adapter`, of a model that has one: `beside` the weights, in a folder `adapter` of its own, as PEFT reads
   *   it (default); `only`, instead of the weights; `none`
   * @throws WhisperError `ERR_FILE` when it cannot be written; what was there before stays
   */
  async savePretrained(
    folder: string,
    { adapter = 'beside' }: { adapter?: 'beside' | 'only' | 'none' } = {},
  ): Promise<void> {
    const only = adapter === 'only';
    if (only && !this.lora) {
      throw new WhisperError('ERR_INVALID_ARGUMENT', `${this.folder} has no adapter to be written alone`);
    }
    await writeFiles(folder, (temporary) => this.write(temporary, only));
    // What an earlier model left, weights in shards or an adapter, others would read instead.
    const stale = ['model.safetensors.index.json', ...(only ? [WEIGHTS] : [ADAPTER_CONFIG, ADAPTER_WEIGHTS])];
    for (const name of stale) await rm(join(folder, name), { force: true });
    const { lora } = this;
    if (lora && adapter === 'beside') {
      await writeFolder(join(folder, 'adapter'), (temporary) => this.writeAdapter(temporary, lora));
    }
  }

  /**
   * As `savePretrained`, for a folder that is this model's alone: it appears, or is replaced, as a whole. Of a model with
   * adapters it has these only, and the place of the weights. `more` adds files.
   */
  async saveCheckpoint(folder: string, more: (temporary: string) => Promise<void>): Promise<void> {
    await writeFolder(folder, async (temporary) => {
      await this.write(temporary, this.lora !== undefined);
      await more(temporary);
    });
  }

  /** Loads the weights of a checkpoint of this very model, or of its adapters. */
  async loadCheckpoint(folder: string): Promise<void> {
    if (this.lora) await this.native.loadAdapters(join(folder, ADAPTER_WEIGHTS));
    else await withWeights(folder, (files) => this.native.load(files));
  }

  private async writeAdapter(folder: string, lora: Lora): Promise<void> {
    await writeAdapterConfig(folder, lora, this.name);
    await this.native.saveAdapters(join(folder, ADAPTER_WEIGHTS));
  }

  private async write(folder: string, adapterOnly: boolean): Promise<void> {
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
    if (adapterOnly && this.lora) return this.writeAdapter(folder, this.lora);
    const save = (exact?: string[]) => this.native.save(join(folder, WEIGHTS), { format: 'pt' }, exact);
    // Beside adapters the engine holds weights in 16 bits only: exact ones are where they came from.
    const inexact = this.lora && /^b?f16$/.test(this.precision);
    await (inexact ? withWeights(this.folder, save) : save());
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
