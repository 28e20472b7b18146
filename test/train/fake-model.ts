// A stand-in for the engine: four weights whose updates depend on everything a training step is given.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WhisperError } from '../../src/errors.js';
import { readModelConfig } from '../../src/model/config.js';
import { completeGenerationConfig } from '../../src/model/generation-config.js';
import { describeWindows } from '../../src/model/preprocessor-config.js';
import { Whisper } from '../../src/model/whisper.js';
import type {
  NativeBatch,
  NativeGenerated,
  NativeGenerateOptions,
  NativeLosses,
  NativeModel,
  NativeStepOptions,
  NativeStepResult,
  NativeTrainingOptions,
  Precision,
} from '../../src/native.js';
import { WhisperTokenizer } from '../../src/processor/tokenizer.js';

/** The quickstart's configuration and tokenizer: 1,977 tokens, windows of 3 s, 64 decoder positions. */
export const modelFolder = fileURLToPath(new URL('../../scripts/quickstart/model', import.meta.url));

export class FakeNative implements NativeModel {
  readonly device = 'fake';
  weights = [1, 2, 3, 4];
  moments = [0, 0, 0, 0];
  /** What `prepareTraining` was given. */
  training: NativeTrainingOptions = {};
  /** GradScaler's: the scale, and updates since it changed. */
  scaler = { scale: 1, clean: 0 };
  /** Whether the gradients of a step overflow at a loss scale. */
  overflows: (lossScale: number, batches: NativeBatch[]) => boolean = () => false;
  /** Rows of a batch that memory suffices for. */
  fits = Infinity;
  readonly limits: number[] = [];
  /** Steps that were computed, those that overflowed included. */
  readonly steps: { batches: NativeBatch[]; options: NativeStepOptions }[] = [];
  readonly generations: { rows: number; options: NativeGenerateOptions }[] = [];
  readonly log: string[] = [];
  /** The text that `generate` gives for a clip, as tokens. */
  hear: (samples: Float32Array) => number[] = () => [];
  /** Called before each step; may make its loss anything. */
  lossOf: (batch: NativeBatch, row: number) => number = (batch, row) =>
    1 + Math.abs(Math.sin(batch.labels[row * batch.time + 3]! + batch.samples[row]!.length));

  async load(files: string[]): Promise<void> {
    this.log.push('load');
    this.weights = JSON.parse(readFileSync(files[0]!, 'utf8'));
  }
  async initialise(): Promise<void> {}
  async save(path: string): Promise<void> {
    writeFileSync(path, JSON.stringify(this.weights));
  }
  async loadAdapters(): Promise<void> {}
  async saveAdapters(): Promise<void> {}
  async initialiseAdapters(): Promise<void> {}
  async mergeAdapters(): Promise<void> {}
  async parameters() {
    return [
      { name: 'model.encoder.embed_positions.weight', shape: [2, 5] },
      { name: 'model.encoder.conv1.bias', shape: [7] },
      { name: 'model.decoder.embed_tokens.weight', shape: [3, 5] },
      { name: 'model.decoder.layer_norm.bias', shape: [2, 2] },
    ];
  }
  async prepareTraining(options: NativeTrainingOptions): Promise<void> {
    this.log.push('prepareTraining');
    this.training = options;
    this.moments = [0, 0, 0, 0];
    this.scaler = { scale: options.lossScaler === 'none' ? 1 : options.initialLossScale!, clean: 0 };
  }
  async step(batches: NativeBatch[], options: NativeStepOptions): Promise<NativeStepResult> {
    const rows = Math.max(...batches.map(({ samples }) => samples.length));
    if (rows > this.fits) throw new WhisperError('ERR_OUT_OF_MEMORY', `fake: ${rows} rows do not fit`);
    this.steps.push({ batches, options });
    const losses = batches.map((batch) => this.losses(batch));
    const lossScale = this.scaler.scale;
    const overflow = this.overflows(lossScale, batches);
    const finite = !overflow && losses.every(({ sums }) => sums.every(Number.isFinite));
    this.rescale(finite);
    if (finite) {
      for (const [i, batch] of batches.entries()) {
        const spans = batch.maskSpans?.reduce((hash, value) => (hash * 31 + value) % 1009, 7) ?? 0;
        const drive = losses[i]!.sums.reduce((sum, value) => sum + value, spans / 1009);
        this.moments = this.moments.map(
          (m, k) => 0.9 * m + options.scales[i]! * drive * Math.cos(k + batch.time),
        );
      }
      this.weights = this.weights.map((w, k) => w - options.decoderRate * this.moments[k]!);
    }
    return { losses, gradNorm: overflow ? Infinity : this.moments[0]!, finite, lossScale };
  }
  async saveOptimizer(path: string): Promise<void> {
    writeFileSync(path, JSON.stringify({ moments: this.moments, scaler: this.scaler }));
  }
  async loadOptimizer(path: string): Promise<void> {
    this.log.push('loadOptimizer');
    Object.assign(this, JSON.parse(readFileSync(path, 'utf8')));
  }
  async endTraining(): Promise<void> {
    this.log.push('endTraining');
  }
  async loss(batch: NativeBatch): Promise<NativeLosses> {
    return this.losses(batch);
  }
  async generate(samples: Float32Array[], options: NativeGenerateOptions): Promise<NativeGenerated[]> {
    this.generations.push({ rows: samples.length, options });
    return samples.map((clip) => {
      const tokens = Int32Array.from(this.hear(clip));
      return { tokens, logprobs: new Float32Array(tokens.length) };
    });
  }
  async evaluate(batch: NativeBatch, options: NativeGenerateOptions) {
    return { losses: this.losses(batch), texts: await this.generate(batch.samples, options) };
  }
  async logits(): Promise<never> {
    throw new Error('not in the stand-in');
  }
  observe = this.logits;
  timeEncoder = this.logits;
  read = this.logits;
  accumulate = this.logits;
  async memory() {
    return { live: 0, peak: 0, available: 0 };
  }
  async limitMemory(bytes: number): Promise<void> {
    this.limits.push(bytes);
  }
  async dispose(): Promise<void> {}

  /** torch.amp.GradScaler.update */
  private rescale(finite: boolean): void {
    if (this.training.lossScaler !== 'torch') return;
    const { scale, clean } = this.scaler;
    if (!finite) this.scaler = { scale: scale / 2, clean: 0 };
    else if (clean + 1 === this.training.lossScaleWindow) this.scaler = { scale: 2 * scale, clean: 0 };
    else this.scaler = { scale, clean: clean + 1 };
  }

  private losses(batch: NativeBatch): NativeLosses {
    const rows = batch.samples.length;
    const tokens = Int32Array.from({ length: rows }, (_, row) => {
      const labels = batch.labels.subarray(row * batch.time, (row + 1) * batch.time);
      return labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);
    });
    const sums = Float32Array.from({ length: rows }, (_, row) => tokens[row]! * this.lossOf(batch, row));
    return { sums, tokens };
  }
}

/** A model around the stand-in. */
export async function fakeWhisper(
  precision: Precision = 'f32',
): Promise<{ model: Whisper; native: FakeNative }> {
  const config = await readModelConfig(modelFolder);
  const tokenizer = await WhisperTokenizer.fromPretrained(modelFolder);
  const native = new FakeNative();
  const generation = completeGenerationConfig({}, config, tokenizer);
  const preprocessor = describeWindows(config);
  const parts = { folder: modelFolder, config, generation, preprocessor, tokenizer, precision, native };
  const model = new Whisper(parts);
  return { model, native };
}

/** Rows of silence, each of another length, so that the stand-in can tell them apart. */
export function rows(count: number, text = (i: number) => `turn ${'on off'.split(' ')[i % 2]} the light`) {
  return Array.from({ length: count }, (_, i) => ({
    id: `row-${i}`,
    audio: { samples: new Float32Array(1600 + 16 * i), sampleRate: 16000 },
    text: text(i),
  }));
}
