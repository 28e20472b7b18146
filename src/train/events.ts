// What a training run tells while it goes on.
import type { DropReport } from '../data/drops.js';
import type { Evaluation } from '../evaluate/evaluate.js';
import type { NativePlan, Precision } from '../native.js';

/** Before the first update of a run whose micro-batch was planned (`autoBatch`). */
export interface PlanEvent {
  type: 'plan';
  /** Rows of a micro-batch. */
  rows: number;
  /** Micro-batches of an update. */
  microBatches: number;
  /** Tokens of the longest label that was planned for. */
  labels: number;
  /** Bytes that the engine may hold. */
  budget: number;
  /** Bytes of a step. */
  plan: NativePlan;
}

/** Before the first update. */
export interface StartEvent {
  type: 'start';
  /** Updates already made: 0, or those of the checkpoint that training resumes from. */
  step: number;
  maxSteps: number;
  device: string;
  precision: Precision;
  /** `adamw_torch` and so on: aliases under the name they stand for. */
  optim: string;
  parameters: number;
  trainable: number;
  /** The checkpoint that training goes on from. */
  resumedFrom: string | undefined;
}

/** After every update. */
export interface StepEvent {
  type: 'step';
  step: number;
  maxSteps: number;
  /** Passes over the data, with a fraction. */
  epoch: number;
  /** Mean cross-entropy of the step's label tokens (or mean of the micro-batches' means), in nats. */
  loss: number;
  /** The rate this update was made with. */
  learningRate: number;
  /** The encoder's and the decoder's, where `encoderLearningRate` or `decoderLearningRate` makes them others. */
  encoderRate: number;
  decoderRate: number;
  /** Global L2 norm of the gradients before clipping. */
  gradNorm: number;
  /** The loss scale this step was made with; f16 only. */
  lossScale: number | undefined;
  /** Steps skipped so far, whose gradients overflowed; f16 only. */
  skippedSteps: number | undefined;
  rows: number;
  tokens: number;
  audioSeconds: number;
  /** Wall time from the end of the step before. */
  seconds: number;
  /** Of it, what passed until the step's data was there; about 0 where the data is ready in time. */
  dataWait: number;
}

/**
 * In place of a `step`, when gradients overflowed in f16: nothing was updated, the learning-rate schedule stays where it
 * is, and the loss scale goes down. Its loss and its norm may not be finite.
 */
export interface SkipEvent extends Omit<StepEvent, 'type'> {
  type: 'skip';
  /** The loss scale that was too large. */
  lossScale: number;
  skippedSteps: number;
}

/** Every `loggingSteps` updates: what goes into `log_history`. */
export interface LogEvent {
  type: 'log';
  step: number;
  epoch: number;
  /** Mean of the step losses since the last log that were finite; NaN where none was. */
  loss: number;
  learningRate: number;
  gradNorm: number;
  /** Mean per step since the last log, in seconds: what the model waited for data. */
  dataWait: number;
  /** The last step's; f16 only. */
  lossScale: number | undefined;
  skippedSteps: number | undefined;
}

/** While an evaluation goes on, after every batch of it. */
export interface EvaluatingEvent {
  type: 'evaluating';
  step: number;
  /** Of a further evaluation set; undefined for the main one. */
  name?: string | undefined;
  /** Rows evaluated so far. */
  rows: number;
  /** Rows of the data set, those that will be left out included; undefined where it cannot count them. */
  total: number | undefined;
}

/** At the end of an evaluation on one set. */
export interface EvaluateEvent extends Evaluation {
  type: 'evaluate';
  step: number;
  /** Of a further evaluation set; undefined for the main one. */
  name?: string | undefined;
  epoch: number;
}

export interface SaveEvent {
  type: 'save';
  step: number;
  /** The checkpoint's folder. */
  path: string;
  /** Whether it is the best so far. */
  best: boolean;
}

/** At the end of a pass over the training data. */
export interface EpochEvent {
  type: 'epoch';
  /** Passes completed. */
  epoch: number;
  step: number;
  /** Rows of this pass, and those left out by reason. */
  data: DropReport;
}

/** Something the user should know that stops nothing. */
export interface NoticeEvent {
  type: 'notice';
  message: string;
}

export interface EndEvent {
  type: 'end';
  step: number;
  epoch: number;
  /** Mean loss over all steps, those before a resume included. */
  trainLoss: number;
  seconds: number;
  /**
   * Why: all updates were made, evaluations have not improved for long enough (`earlyStoppingPatience`), or the signal
   * fired (a checkpoint is written then).
   */
  reason: 'done' | 'early' | 'stopped';
  /** The checkpoint whose weights the model has now, under `loadBestModelAtEnd`. */
  best: string | undefined;
  /** Rows of the pass that training ended in. */
  data: DropReport;
}

export type TrainingEvent =
  | PlanEvent
  | StartEvent
  | StepEvent
  | SkipEvent
  | LogEvent
  | EvaluatingEvent
  | EvaluateEvent
  | SaveEvent
  | EpochEvent
  | NoticeEvent
  | EndEvent;
