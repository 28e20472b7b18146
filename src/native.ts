// Finds and loads the native addon, and gives it its types. Explains itself when it cannot.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { WhisperError } from './errors.js';
import type { NativeOps, NativeOpTimes } from './native-ops.js';
import type { NativePlan, NativePlanOptions } from './native-plan.js';

export type { NativeOperand, NativeOperands, NativeOps, NativeOpTimes } from './native-ops.js';
export type { NativePlan, NativePlanOptions } from './native-plan.js';

/** Sizes of a model, as `config.json` has them (native/model/dims.h). */
export interface NativeDims {
  mels: number;
  source: number;
  target: number;
  width: number;
  encoderLayers: number;
  encoderHeads: number;
  encoderFfn: number;
  decoderLayers: number;
  decoderHeads: number;
  decoderFfn: number;
  vocab: number;
  /** pad_token_id, or -1 */
  padding: number;
  /** decoder_start_token_id */
  start: number;
}

/** A micro-batch (native/model/whisper.h: Batch). */
export interface NativeBatch {
  /** Mono 16 kHz audio of each row, of its real length. */
  samples: Float32Array[];
  /** `[rows, time]`, ignored = -100. */
  labels: Int32Array;
  /**
   * `[rows, time]`: the token ids that the decoder reads. Without them the labels shifted right, of which ignored ones are
   * padding: a prompt that is read and not learnt needs them.
   */
  inputs?: Int32Array;
  time: number;
  /** `[n, 5]`: row, first frame, end frame, first mel, end mel; set to zero in the features. */
  maskSpans?: Int32Array;
}

/** Per row: the sum of its token losses and the number of its tokens. */
export interface NativeLosses {
  sums: Float32Array;
  tokens: Int32Array;
}

/** The dtypes of products and stored activations (native/model/params.h). */
export const PRECISIONS = ['f32', 'f32-fast', 'f16', 'bf16'] as const;
export type Precision = (typeof PRECISIONS)[number];

/** native/model/params.h: Lora. */
export interface NativeLora {
  rank: number;
  /** What the product of an adapter is multiplied by: alpha / rank. */
  scale: number;
  /** Of what goes into an adapter, in training. */
  dropout?: number;
  /** Linear layers: `model.encoder.layers.0.self_attn.q_proj`. */
  modules: string[];
}

/** Tokens behind those of a checkpoint (native/model/whisper.h: NewTokens). */
export interface NativeNewTokens {
  /** Per token: another one whose embedding it gets; -1: the mean of all, and a little noise. */
  like: Int32Array;
  /** Of the noise. */
  seed: number;
}

/** native/optim/training.h: TrainingOptions, with the fields of the structures in it side by side. */
export interface NativeTrainingOptions {
  freezeEncoder?: boolean;
  freezeDecoder?: boolean;
  trainEncoderPositions?: boolean;
  /** native/model/checkpointing.h */
  checkpointing?: 'none' | 'encoder' | 'all' | 'every' | 'selective';
  /** With `every`: blocks 0, n, 2n … */
  checkpointEvery?: number;
  optimizer?: 'adamw_torch' | 'adamw_hf' | 'adamw_bnb_8bit' | 'adafactor' | 'sgd';
  eightBitEmbeddings?: boolean;
  guardVanished?: boolean;
  /** native/optim/loss_scaler.h */
  lossScaler?: 'none' | 'torch' | 'deepspeed';
  initialLossScale?: number;
  lossScaleWindow?: number;
  lossScaleHysteresis?: number;
  minLossScale?: number;
  dropout?: number;
  attentionDropout?: number;
  activationDropout?: number;
  encoderLayerdrop?: number;
  decoderLayerdrop?: number;
  /** Of dropout and LayerDrop. */
  seed?: number;
}

/** native/optim/training.h: StepOptions. `scales` has one entry per micro-batch. */
export interface NativeStepOptions {
  scales: Float32Array;
  /** Learning rate of the encoder's parameters. */
  encoderRate: number;
  /** Learning rate of the decoder's parameters. */
  decoderRate: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  maxGradNorm?: number;
  labelSmoothing?: number;
}

export interface NativeStepResult {
  losses: NativeLosses[];
  /** Before clipping, without the loss scale; may not be finite. */
  gradNorm: number;
  /** false: a loss or the norm was not finite, and nothing was updated. */
  finite: boolean;
  /** That this step was made with; 1 without a loss scaler. */
  lossScale: number;
}

/** native/decode/generate.h: GenerateOptions. */
export interface NativeGenerateOptions {
  prompt: Int32Array;
  maxLength: number;
  end: number;
  suppress?: Int32Array;
  beginSuppress?: Int32Array;
}

export interface NativeGenerated {
  tokens: Int32Array;
  logprobs: Float32Array;
}

export interface NativeTensor {
  shape: number[];
  data: Float32Array;
}

/** Asks a running call to stop; it then rejects with ERR_CANCELLED. */
export interface NativeCancel {
  cancel(): void;
}

/** A model on its own thread: calls run in the order they are made, each a promise. */
export interface NativeModel {
  /** For example "cpu (avx2, 2 threads)". */
  readonly device: string;
  /** `newTokens`: those that the files do not have. */
  load(files: string[], newTokens?: NativeNewTokens): Promise<void>;
  initialise(scheme: 'hf' | 'fan_in', seed: number): Promise<void>;
  /**
   * Weights with adapters are saved with their products. `exact`: the files that the weights are from, where beside adapters
   * the model has them in 16 bits only.
   */
  save(path: string, metadata: Record<string, string>, exact?: string[]): Promise<void>;
  /** Of PEFT's `adapter_model.safetensors`. */
  loadAdapters(path: string): Promise<void>;
  saveAdapters(path: string): Promise<void>;
  initialiseAdapters(seed: number): Promise<void>;
  /** Into the weights, for a model that is not trained any more: their products then cost nothing. */
  mergeAdapters(): Promise<void>;
  parameters(): Promise<{ name: string; shape: number[] }[]>;
  prepareTraining(options: NativeTrainingOptions): Promise<void>;
  step(batches: NativeBatch[], options: NativeStepOptions, cancel?: NativeCancel): Promise<NativeStepResult>;
  saveOptimizer(path: string): Promise<void>;
  loadOptimizer(path: string): Promise<void>;
  /** Frees gradients and optimizer states. */
  endTraining(): Promise<void>;
  loss(batch: NativeBatch, cancel?: NativeCancel): Promise<NativeLosses>;
  generate(
    samples: Float32Array[],
    options: NativeGenerateOptions,
    cancel?: NativeCancel,
  ): Promise<NativeGenerated[]>;
  /** `loss` and `generate` of the same audio, which is encoded once. */
  evaluate(
    batch: NativeBatch,
    options: NativeGenerateOptions,
    cancel?: NativeCancel,
  ): Promise<{ losses: NativeLosses; texts: NativeGenerated[] }>;
  /**
   * For benchmarks: runs the encoder over these clips and returns the milliseconds it took, those of the features before
   * it not counted. By the clock of {@link NativeAddon.opTimes}.
   */
  timeEncoder(samples: Float32Array[]): Promise<number>;
  /** For tests: logits `[rows, time, vocab]` of decoder inputs made from the labels. */
  logits(batch: NativeBatch): Promise<NativeTensor>;
  /** For tests: every observed hidden state of a forward pass, by name. */
  observe(batch: NativeBatch): Promise<Record<string, NativeTensor>>;
  /** For tests: a parameter's value, or its gradient after the last `accumulate`. */
  read(name: string, what: 'value' | 'grad'): Promise<NativeTensor>;
  /** For tests: gradients of one batch without an update. */
  accumulate(batch: NativeBatch, scale: number): Promise<NativeLosses>;
  /**
   * Bytes held and the most ever held by the model's device memory, and what a GPU's could still give; `available` is 0
   * where it is the system's memory.
   */
  memory(): Promise<{ live: number; peak: number; available: number }>;
  /** From now on the device memory held may not exceed this; what would rejects with ERR_OUT_OF_MEMORY. 0: no limit. */
  limitMemory(bytes: number): Promise<void>;
  /** Waits for the calls made so far, then frees everything. Later calls reject. */
  dispose(): Promise<void>;
}

/** native/backend.h: Gpu. */
export interface NativeGpu {
  /** For example "cuda:0". */
  device: string;
  name: string;
  /** The compute capability, for example "9.0". */
  capability: string;
  /** Bytes. */
  memory: number;
  /** Why it cannot be opened; empty where it can. */
  problem: string;
}

export interface NativeAddon {
  Cancel: new () => NativeCancel;
  /**
   * `trainable` (default: true): whether weights in 16 bits have f32 masters; beside adapters, `lora`, they have none and
   * are not trained.
   */
  openModel(
    device: string,
    dims: NativeDims,
    precision: Precision,
    trainable?: boolean,
    lora?: NativeLora,
  ): Promise<NativeModel>;
  plan(dims: NativeDims, options: NativePlanOptions): Promise<NativePlan>;
  /** `[frames, mels]` of audio of any length; frames = floor(n / 160). */
  logMel(samples: Float32Array, mels: number): Promise<{ data: Float32Array; frames: number; mels: number }>;
  /** Mean of the channels, then a polyphase FIR filter to the new rate. */
  resample(channels: Float32Array[], from: number, to: number): Promise<Float32Array>;
  /** The same in the thread that calls, without a copy of its arguments. */
  resampleSync(channels: Float32Array[], from: number, to: number): Float32Array;
  /** What this machine and this binary offer. */
  deviceInfo(): {
    devices: string[];
    isa: string;
    isas: string[];
    threads: number;
    /** `present` where a GPU can be opened, otherwise why none can and what to do about it. */
    cuda: string;
    /** Every GPU that the driver shows. */
    gpus: NativeGpu[];
    version: string;
  };
  /**
   * The most that the CPU's arithmetic reaches in registers by the instruction set in use, in FLOP/s, by the dtype of the
   * factors. Measured at each call.
   */
  roofs(): Promise<Record<string, { oneThread: number; allThreads: number }>>;
  /** Every operation of ops.def on host tensors, in camelCase, for the tests. Reads WHISPER_TUNE_ISA at each call. */
  ops(device: string): NativeOps;
  /**
   * For benchmarks: the same operations, each of which runs once to warm up and then `repeats` times, and returns the
   * milliseconds that each of those took. A time is the mean of `calls` calls that are queued in a row and waited for
   * together, which keeps a GPU from waiting for the host. The clock is the wall's or, on one thread of the CPU, the
   * process's CPU time. Nothing is copied back. `fastProducts`: as precision `f32-fast` has them.
   */
  opTimes(device: string, repeats: number, calls: number, fastProducts: boolean): NativeOpTimes;
  /** The package version it was built for. */
  readonly version: string;
}

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('..', import.meta.url));

let loaded: NativeAddon | undefined;

/**
 * The native addon, loaded at the first call: from `WHISPER_TUNE_ADDON` if that is set, else as built in a clone
 * (`build/Release`), else from the package of this platform (`@whisper-tune/linux-x64` and so on).
 *
 * @throws {WhisperError} `ERR_ADDON` saying what was tried, why each attempt failed and what to do.
 */
export function addon(): NativeAddon {
  loaded ??= load();
  return loaded;
}

function load(): NativeAddon {
  const given = process.env.WHISPER_TUNE_ADDON;
  const built = `${root}build/Release/whisper_tune.node`;
  const failures: string[] = [];
  for (const find of given ? [() => given] : [() => built, platformPackage]) {
    const path = find();
    try {
      const native: NativeAddon & { setErrorClass(type: unknown): void } = require(path);
      const { version } = require('../package.json') as { version: string };
      if (native.version !== version) throw new Error(`it is of version ${native.version}, not ${version}`);
      native.setErrorClass(WhisperError);
      return native;
    } catch (cause) {
      failures.push(`${path}: ${firstLine(cause)}`);
    }
  }
  const remedy = given
    ? 'WHISPER_TUNE_ADDON must name a whisper_tune.node of this version'
    : `in a clone run \`npm run build:native\`; elsewhere run \`npm install ${platformPackage()}\` ` +
      '(npm leaves it out under --omit=optional)';
  throw new WhisperError('ERR_ADDON', `cannot load the native addon (${failures.join('; ')}): ${remedy}`);
}

/** The package with this platform's binary: operating system, processor and, on Linux, the C library. */
function platformPackage(): string {
  return `@whisper-tune/${process.platform}-${process.arch}${usesMusl() ? '-musl' : ''}`;
}

function usesMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined;
}

/** Node adds the list of requiring modules on further lines. */
function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!;
}
