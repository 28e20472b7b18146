// A stand-in for the engine: four weights whose updates depend on everything a training step is given.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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
} from '../../src/native.js';
import { WhisperTokenizer } from '../../src/processor/tokenizer.js';

/** The quickstart's configuration and tokenizer: 1,977 tokens, windows of 3 s, 64 decoder positions. */
export const modelFolder = fileURLToPath(new URL('../../scripts/quickstart/model', import.meta.url));

export class FakeNative implements NativeModel {
  readonly device = 'fake';
  weights = [1, 2, 3, 4];
  moments = [0, 0, 0, 0];
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
  async parameters() {
    return [
      { name: 'model.encoder.embed_positions.weight', shape: [2, 5] },
      { name: 'model.encoder.conv1.bias', shape: [7] },
      { name: 'model.decoder.embed_tokens.weight', shape: [3, 5] },
      { name: 'model.decoder.layer_norm.bias', shape: [2, 2] },
    ];
  }
  async prepareTraining(): Promise<void> {
    this.log.push('prepareTraining');
    this.moments = [0, 0, 0, 0];
  }
  async step(batches: NativeBatch[], options: NativeStepOptions): Promise<NativeStepResult> {
    this.steps.push({ batches, options });
    const losses = batches.map((batch) => this.losses(batch));
    const finite = losses.every(({ sums }) => sums.every(Number.isFinite));
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
    return { losses, gradNorm: this.moments[0]!, finite, lossScale: 1 };
  }
  async saveOptimizer(path: string): Promise<void> {
    writeFileSync(path, JSON.stringify(this.moments));
  }
  async loadOptimizer(path: string): Promise<void> {
    this.log.push('loadOptimizer');
    this.moments = JSON.parse(readFileSync(path, 'utf8'));
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
  async logits(): Promise<never> {
    throw new Error('not in the stand-in');
  }
  observe = this.logits;
  read = this.logits;
  accumulate = this.logits;
  async memory() {
    return { live: 0, peak: 0 };
  }
  async limitMemory(): Promise<void> {}
  async dispose(): Promise<void> {}

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
export async function fakeWhisper(): Promise<{ model: Whisper; native: FakeNative }> {
  const config = await readModelConfig(modelFolder);
  const tokenizer = await WhisperTokenizer.fromPretrained(modelFolder);
  const native = new FakeNative();
  const generation = completeGenerationConfig({}, config, tokenizer);
  const preprocessor = describeWindows(config);
  const model = new Whisper({ folder: modelFolder, config, generation, preprocessor, tokenizer, native });
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
