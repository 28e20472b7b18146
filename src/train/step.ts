// One update's worth of data: its micro-batches, their masks and the weight of each in the gradient.
import type { Batch, BatchStream } from '../data/batches.js';
import type { ModelConfig } from '../model/config.js';
import type { NativeBatch, NativeLosses } from '../native.js';
import { maskSpans } from './spec-augment.js';

export interface TrainingStep {
  batches: Batch[];
  /** The same for the engine. */
  micro: NativeBatch[];
  /** What the sum of each micro-batch's token losses is multiplied by. */
  scales: Float32Array;
  rows: number;
  /** Labels that count. */
  tokens: number;
  audioSeconds: number;
  /** The pass over the data, from 0. */
  pass: number;
  endsPass: boolean;
}

export interface StepSettings {
  gradientAccumulationSteps: number;
  meanOfMeans: boolean;
  seed: number;
}

/**
 * The next step's data. A step ends with the pass, so that the last one of a pass may have fewer micro-batches and its
 * last micro-batch fewer rows.
 *
 * @param number of the step, from 0
 */
export async function nextStep(
  stream: BatchStream,
  number: number,
  settings: StepSettings,
  config: ModelConfig,
): Promise<TrainingStep> {
  const batches: Batch[] = [];
  while (batches.length < settings.gradientAccumulationSteps && !batches.at(-1)?.lastOfPass) {
    const { value, done } = await stream.next();
    if (done) break;
    batches.push(value);
  }
  const last = batches.at(-1)!;
  const tokens = batches.map(({ labels }) => countLabels(labels));
  const micro = batches.map(({ samples, labels, time }, i) => {
    const spans = maskSpans(
      config,
      samples.length,
      settings.seed,
      number * settings.gradientAccumulationSteps + i,
    );
    return { samples, labels, time, ...(spans && { maskSpans: spans }) };
  });
  return {
    batches,
    micro,
    scales: gradientScales(tokens, settings.meanOfMeans),
    rows: batches.reduce((sum, { rows }) => sum + rows.length, 0),
    tokens: tokens.reduce((sum, count) => sum + count, 0),
    audioSeconds: batches.reduce((sum, { audioSeconds }) => sum + audioSeconds, 0),
    pass: last.pass,
    endsPass: last.lastOfPass,
  };
}

/**
 * The weight of each micro-batch's summed loss: one over all tokens of the step, so that every token counts the same;
 * or, for the mean of the micro-batches' means, one over its own tokens and the number of micro-batches.
 */
export function gradientScales(tokens: readonly number[], meanOfMeans: boolean): Float32Array {
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return Float32Array.from(tokens, (count) =>
    meanOfMeans ? 1 / (Math.max(1, count) * tokens.length) : 1 / Math.max(1, total),
  );
}

/** The loss that the scales describe, of losses that came back. */
export function stepLoss(losses: readonly NativeLosses[], meanOfMeans: boolean): number {
  const sums = losses.map(({ sums }) => sums.reduce((total, value) => total + value, 0));
  const tokens = losses.map(({ tokens }) => tokens.reduce((total, value) => total + value, 0));
  if (meanOfMeans) return mean(sums.map((sum, i) => sum / Math.max(1, tokens[i]!)));
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return sums.reduce((sum, value) => sum + value, 0) / Math.max(1, total);
}

/** The row whose loss is not finite, or undefined when it is the gradient that is not. */
export function divergedRow(step: TrainingStep, losses: readonly NativeLosses[]): string | undefined {
  for (const [i, { sums }] of losses.entries()) {
    const row = sums.findIndex((sum) => !Number.isFinite(sum));
    if (row >= 0) return step.batches[i]!.rows[row]!.id;
  }
  return undefined;
}

function countLabels(labels: Int32Array): number {
  let count = 0;
  for (const label of labels) if (label >= 0) count++;
  return count;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
