// One update's worth of data: its micro-batches, their masks and the weight of each in the gradient.
import type { Batch, BatchStream } from '../data/batches.js';
import type { ModelConfig } from '../model/config.js';
import type { NativeBatch, NativeLosses, NativeStepOptions } from '../native.js';
import type { TrainingArguments } from './arguments.js';
import { learningRateAt } from './schedule.js';
import { maskSpans } from './spec-augment.js';

export interface TrainingStep {
  batches: Batch[];
  /** The same for the engine. */
  micro: NativeBatch[];
  /** What the sum of each micro-batch's token losses is multiplied by. */
  scales: Float32Array;
  /** The weight of each micro-batch's mean loss, where micro-batches are weighed equally. */
  share: number;
  rows: number;
  /** Labels that count. */
  tokens: number;
  audioSeconds: number;
  /** The pass over the data that its last micro-batch is of, from 0. */
  pass: number;
  /** It has the last micro-batch of a pass. */
  endsPass: boolean;
  /** Seconds that passed until all of it was there. */
  dataWait: number;
}

export interface StepSettings {
  gradientAccumulationSteps: number;
  meanOfMeans: boolean;
  carryGradients: boolean;
  seed: number;
}

/**
 * The next step's data. A step ends with the pass, so that the last one of a pass may have fewer micro-batches and its
 * last micro-batch fewer rows. With `carryGradients` micro-batches that are too few at the end of a pass join the first
 * step of the next, which has them beside all of its own.
 */
export async function nextStep(
  stream: BatchStream,
  settings: StepSettings,
  config: ModelConfig,
): Promise<TrainingStep> {
  const asked = performance.now();
  const batches = await nextBatches(stream, settings);
  const dataWait = (performance.now() - asked) / 1000;
  const last = batches.at(-1)!;
  const share = 1 / (settings.carryGradients ? settings.gradientAccumulationSteps : batches.length);
  const tokens = batches.map(({ labels }) => countLabels(labels));
  const micro = batches.map(({ samples, labels, inputs, time, rows, pass }) => {
    const heard = rows.map(({ id }, i) => ({ id, samples: samples[i]!.length }));
    const spans = maskSpans(config, heard, settings.seed, pass);
    return { samples, labels, ...(inputs && { inputs }), time, ...(spans && { maskSpans: spans }) };
  });
  return {
    batches,
    micro,
    scales: gradientScales(tokens, settings.meanOfMeans ? share : undefined),
    share,
    rows: batches.reduce((sum, { rows }) => sum + rows.length, 0),
    tokens: tokens.reduce((sum, count) => sum + count, 0),
    audioSeconds: batches.reduce((sum, { audioSeconds }) => sum + audioSeconds, 0),
    pass: last.pass,
    endsPass: batches.some(({ lastOfPass }) => lastOfPass),
    dataWait,
  };
}

async function nextBatches(
  stream: BatchStream,
  { gradientAccumulationSteps: most, carryGradients }: StepSettings,
): Promise<Batch[]> {
  const batches: Batch[] = [];
  // Of the pass that is being read. A whole pass of too few is not carried any further: nothing would ever be updated.
  let count = 0;
  let carried = false;
  while (count < most) {
    const { value, done } = await stream.next();
    if (done) break;
    batches.push(value);
    count += 1;
    if (!value.lastOfPass || count === most) continue;
    if (!carryGradients || carried) break;
    [count, carried] = [0, true];
  }
  return batches;
}

/**
 * The weight of each micro-batch's summed loss: one over all tokens of the step, so that every token counts the same;
 * or, for the mean of the micro-batches' means, one over its own tokens and its share.
 */
function gradientScales(tokens: readonly number[], share: number | undefined): Float32Array {
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return Float32Array.from(tokens, (count) =>
    share === undefined ? 1 / Math.max(1, total) : share / Math.max(1, count),
  );
}

/** Learning rates of an update. */
export interface Rates {
  /** By `learningRate`. */
  learningRate: number;
  encoderRate: number;
  decoderRate: number;
}

/**
 * The learning rates of an update, the first being 0, of `total`: each part's peak times the same factor.
 *
 * @param plateau another factor, which evaluations have made smaller
 */
export function ratesAt(options: TrainingArguments, update: number, total: number, plateau = 1): Rates {
  const { learningRate, encoderLearningRate, decoderLearningRate } = options;
  const at = (peak: number) => plateau * learningRateAt({ ...options, learningRate: peak }, update, total);
  return {
    learningRate: at(learningRate),
    encoderRate: at(encoderLearningRate ?? learningRate),
    decoderRate: at(decoderLearningRate ?? learningRate),
  };
}

/** What the engine is told of an update beside its micro-batches. */
export function stepOptions(
  options: TrainingArguments,
  { encoderRate, decoderRate }: Rates,
): Omit<NativeStepOptions, 'scales'> {
  return {
    encoderRate,
    decoderRate,
    beta1: options.adamBeta1,
    beta2: options.adamBeta2,
    epsilon: options.adamEpsilon,
    weightDecay: options.weightDecay,
    maxGradNorm: options.maxGradNorm,
    labelSmoothing: options.labelSmoothingFactor,
  };
}

/** The loss that the scales describe, of losses that came back. */
export function stepLoss(losses: readonly NativeLosses[], share: number, meanOfMeans: boolean): number {
  const sums = losses.map(({ sums }) => sums.reduce((total, value) => total + value, 0));
  const tokens = losses.map(({ tokens }) => tokens.reduce((total, value) => total + value, 0));
  if (meanOfMeans) {
    return sums.reduce((total, sum, i) => total + (share * sum) / Math.max(1, tokens[i]!), 0);
  }
  const total = tokens.reduce((sum, count) => sum + count, 0);
  return sums.reduce((sum, value) => sum + value, 0) / Math.max(1, total);
}

/** Says which row's loss is not finite, or that the gradient is not. */
export function whatDiverged(step: TrainingStep, losses: readonly NativeLosses[]): string {
  for (const [i, { sums }] of losses.entries()) {
    const row = sums.findIndex((sum) => !Number.isFinite(sum));
    if (row >= 0) return `the loss of row ${step.batches[i]!.rows[row]!.id} is not a finite number`;
  }
  return `the gradient of rows ${rowNames(step)} is not finite`;
}

/** The first rows of a step, as messages name it. */
export function rowNames({ batches }: TrainingStep): string {
  const ids = batches.flatMap(({ rows }) => rows.map(({ id }) => id));
  return `${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ' …' : ''}`;
}

function countLabels(labels: Int32Array): number {
  let count = 0;
  for (const label of labels) if (label >= 0) count++;
  return count;
}
