// How many rows fit memory, known before they are tried, and what would make more of them fit.
import { freemem } from 'node:os';
import { WhisperError } from '../../errors.js';
import type { ModelSizes } from '../../model/sizes.js';
import {
  addon,
  type NativeLora,
  type NativePlan,
  type NativeTrainingOptions,
  type Precision,
} from '../../native.js';
import { formatBudget, formatBytes } from './bytes.js';

/** A training as far as its memory depends on it, but for the rows of a micro-batch. */
export interface Workload extends ModelSizes {
  /** Where it runs, as {@link NativeModel.device} says it. */
  device: string;
  precision: Precision;
  engine: NativeTrainingOptions;
  /** Adapters beside the weights, if any. */
  lora?: NativeLora | undefined;
  /** Tokens of the longest label. */
  labels: number;
}

/** The bytes of a training step with micro-batches of `rows` rows. */
export function planStep(workload: Workload, rows: number): Promise<NativePlan> {
  const { device, dims, precision, engine, lora, labels } = workload;
  // A step in which no block is skipped is the largest.
  const options = { ...engine, encoderLayerdrop: 0, decoderLayerdrop: 0 };
  const what = { device, batch: rows, labels, training: true, precision, options };
  return addon().plan(dims, { ...what, ...(lora && { lora }) });
}

/** What to have ready for a plan: it is right within two percent (test/model/plan.test.ts). */
export function bytesFor({ peak }: NativePlan): number {
  return Math.ceil(1.02 * peak);
}

/**
 * The largest of some micro-batches that fits a budget, and its plan; undefined when none does.
 *
 * @param rows sizes to choose from, ascending
 * @param budget bytes
 */
export async function largestFitting(
  workload: Workload,
  rows: readonly number[],
  budget: number,
): Promise<{ rows: number; plan: NativePlan } | undefined> {
  let best: { rows: number; plan: NativePlan } | undefined;
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const plan = await planStep(workload, rows[middle]!);
    if (bytesFor(plan) <= budget) {
      best = { rows: rows[middle]!, plan };
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return best;
}

/** The whole numbers that divide `count`, ascending: micro-batches that can make up an update of so many rows. */
export function divisors(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((rows) => count % rows === 0);
}

/**
 * Memory that a run may plan with: what the model holds already, and four fifths of what the system can give besides. The
 * rest is for Node, audio on its way, and what the system needs in an hour and not now.
 */
export function availableBytes(held: number): number {
  const available = process.availableMemory?.() ?? freemem();
  return held + Math.floor(0.8 * available);
}

/**
 * What a run may plan with on a GPU: what the model holds, and nine tenths of what the card can give besides. The rest is
 * for gaps between blocks of different sizes.
 */
export function availableOnDevice(held: number, available: number): number {
  return held + Math.floor(0.9 * available);
}

/** A plan in words: what a step with so many rows takes. */
export function describePlan({
  peak,
  weights,
  masters,
  gradients,
  optimizer,
  activations,
}: NativePlan): string {
  const parts = Object.entries({ weights, masters, gradients, optimizer, activations })
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${name} ${formatBytes(bytes)}`);
  return `${formatBytes(peak)} (${parts.join(', ')})`;
}

/** Options that may spare memory, and what each makes of a workload that does not have it. */
const SWITCHES: readonly { option: string; change: (workload: Workload) => Workload }[] = [
  { option: 'bf16', change: (w) => (w.precision === 'f32' ? { ...w, precision: 'bf16' } : w) },
  {
    option: 'optim=adamw_bnb_8bit',
    change: (w) =>
      /^adamw_(torch|hf)$/.test(w.engine.optimizer!) ? engine(w, { optimizer: 'adamw_bnb_8bit' }) : w,
  },
  { option: 'gradient_checkpointing', change: (w) => engine(w, { checkpointing: 'all' }) },
  { option: 'freeze_encoder', change: (w) => engine(w, { freezeEncoder: true }) },
];

function engine(workload: Workload, changes: NativeTrainingOptions): Workload {
  return { ...workload, engine: { ...workload.engine, ...changes } };
}

/**
 * In words: the smallest budget that works, which is that of one row, and what each option that spares memory would make
 * of it.
 */
export async function smallestBudget(workload: Workload): Promise<string> {
  const bytes = async (w: Workload) => bytesFor(await planStep(w, 1));
  const now = await bytes(workload);
  const helping: string[] = [];
  let all = workload;
  for (const { option, change } of SWITCHES) {
    const changed = await bytes(change(workload));
    if (changed >= now) continue;
    helping.push(`with ${option} ${formatBudget(changed)}`);
    all = change(all);
  }
  if (helping.length > 1) helping.push(`with all of these ${formatBudget(await bytes(all))}`);
  const help = helping.length > 0 ? `; ${helping.join(', ')}` : '';
  return `the smallest memory_budget that works is ${formatBudget(now)} (one row, a label of ${workload.labels} tokens)${help}`;
}

/** An error that says that memory does not suffice, in other words; any other as it is. */
export function outOfMemory(error: unknown, words: (message: string) => string): unknown {
  if (!isOutOfMemory(error)) return error;
  return new WhisperError('ERR_OUT_OF_MEMORY', words(error.message), { cause: error });
}

export function isOutOfMemory(error: unknown): error is WhisperError {
  return error instanceof WhisperError && error.code === 'ERR_OUT_OF_MEMORY';
}
