// Finds and loads the native addon, and gives it its types. Explains itself when it cannot.

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
  time: number;
  /** `[n, 5]`: row, first frame, end frame, first mel, end mel; set to zero in the features. */
  maskSpans?: Int32Array;
}

/** Per row: the sum of its token losses and the number of its tokens. */
export interface NativeLosses {
  sums: Float32Array;
  tokens: Int32Array;
}

export interface NativeTrainingOptions {
  freezeEncoder?: boolean;
  freezeDecoder?: boolean;
  checkpointing?: boolean;
}

/** native/optim/training.h: StepOptions. `scales` has one entry per micro-batch. */
export interface NativeStepOptions {
  scales: Float32Array;
  learningRate: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
  maxGradNorm?: number;
  labelSmoothing?: number;
}

export interface NativeStepResult {
  losses: NativeLosses[];
  gradNorm: number;
  /** false: a loss or the norm was not finite, and nothing was updated. */
  finite: boolean;
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
  load(files: string[]): Promise<void>;
  initialise(scheme: 'hf' | 'fan_in', seed: number): Promise<void>;
  save(path: string, metadata: Record<string, string>): Promise<void>;
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
  /** For tests: logits `[rows, time, vocab]` of decoder inputs made from the labels. */
  logits(batch: NativeBatch): Promise<NativeTensor>;
  /** For tests: every observed hidden state of a forward pass, by name. */
  observe(batch: NativeBatch): Promise<Record<string, NativeTensor>>;
  /** For tests: a parameter's value, or its gradient after the last `accumulate`. */
  read(name: string, what: 'value' | 'grad'): Promise<NativeTensor>;
  /** For tests: gradients of one batch without an update. */
  accumulate(batch: NativeBatch, scale: number): Promise<NativeLosses>;
  /** Bytes held and the most ever held by the model's device memory. */
  memory(): Promise<{ live: number; peak: number }>;
  /** Waits for the calls made so far, then frees everything. Later calls reject. */
  dispose(): Promise<void>;
}

export interface NativePlanOptions {
  batch: number;
  /** Tokens per row. */
  labels: number;
  training: boolean;
  checkpointing?: boolean;
  freezeEncoder?: boolean;
  freezeDecoder?: boolean;
}

/** Bytes, from a dry run of the same schedule. */
export interface NativePlan {
  weights: number;
  gradients: number;
  optimizer: number;
  /** The most that activations and workspace hold at once. */
  activations: number;
  peak: number;
  parameters: number;
  trainable: number;
}

export interface NativeAddon {
  Cancel: new () => NativeCancel;
  openModel(device: string, dims: NativeDims, precision: 'f32'): Promise<NativeModel>;
  plan(dims: NativeDims, options: NativePlanOptions): Promise<NativePlan>;
  /** `[frames, mels]` of audio of any length; frames = floor(n / 160). */
  logMel(samples: Float32Array, mels: number): Promise<{ data: Float32Array; frames: number; mels: number }>;
  /** Mean of the channels, then a polyphase FIR filter to the new rate. */
  resample(channels: Float32Array[], from: number, to: number): Promise<Float32Array>;
  /** What this machine and this binary offer. */
  deviceInfo(): {
    devices: string[];
    isa: string;
    isas: string[];
    threads: number;
    cuda: 'absent' | 'present';
    version: string;
  };
  /** Every operation of ops.def on host tensors, for the tests. */
  ops(device: string): Record<string, (...operands: unknown[]) => void> & { device: string };
}
