// What a training run tells while it goes on.
import type { DropReport } from '../data/drops.js';
import type { Evaluation } from '../evaluate/evaluate.js';

/** Before the first update. */
export interface StartEvent {
  type: 'start';
  /** Updates already made: 0, or those of the checkpoint that training resumes from. */
  step: number;
  maxSteps: number;
  device: string;
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
  /** Global L2 norm of the gradients before clipping. */
  gradNorm: number;
  rows: number;
  tokens: number;
  audioSeconds: number;
  /** Wall time from the end of the step before. */
  seconds: number;
}

/** Every `loggingSteps` updates: what goes into `log_history`. */
export interface LogEvent {
  type: 'log';
  step: number;
  epoch: number;
  /** Mean of the step losses since the last log. */
  loss: number;
  learningRate: number;
  gradNorm: number;
}

export interface EvaluateEvent extends Evaluation {
  type: 'evaluate';
  step: number;
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
  /** Mean loss over all updates, those before a resume included. */
  trainLoss: number;
  seconds: number;
  /** Why: all updates were made, or the signal fired (a checkpoint is written then). */
  reason: 'done' | 'stopped';
  /** The checkpoint whose weights the model has now, under `loadBestModelAtEnd`. */
  best: string | undefined;
  /** Rows of the pass that training ended in. */
  data: DropReport;
}

export type TrainingEvent =
  | StartEvent
  | StepEvent
  | LogEvent
  | EvaluateEvent
  | SaveEvent
  | EpochEvent
  | NoticeEvent
  | EndEvent;
