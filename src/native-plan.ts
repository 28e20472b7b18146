// Types of the addon's memory planner.
import type { NativeLora, NativeTrainingOptions, Precision } from './native.js';

export interface NativePlanOptions {
  /** Where it would run; only whether that is a GPU matters. Default cpu. */
  device?: string;
  batch: number;
  /** Tokens per row. */
  labels: number;
  training: boolean;
  precision?: Precision;
  lora?: NativeLora;
  options?: NativeTrainingOptions;
}

/** Bytes, from a dry run of the same schedule. */
export interface NativePlan {
  /** What layers compute with; in f32 the masters themselves. */
  weights: number;
  /** f32 masters behind weights of 16 bits; 0 in f32. */
  masters: number;
  gradients: number;
  optimizer: number;
  /** The most that activations and workspace hold at once. */
  activations: number;
  /** The most that one operation takes for itself while it runs, within the above. */
  workspace: number;
  peak: number;
  parameters: number;
  trainable: number;
}
