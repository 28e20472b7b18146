// Who is told of a training run: the terminal, TensorBoard's event files, the Hub.
import type { TrainingEvent } from '../train/events.js';
import type { Metrics } from '../train/results.js';

/** The trained model lies in the output folder. */
export interface WrittenEvent {
  type: 'written';
  path: string;
}

/** `train_results.json` or `eval_results.json` is written: of the whole training, of the evaluation after it. */
export interface ResultsEvent {
  type: 'results';
  split: 'train' | 'eval';
  step: number;
  metrics: Metrics;
}

/** All that was asked for is done. */
export interface FinishEvent {
  type: 'finish';
}

/** What a run of the train command tells: the trainer's events, and what comes after the last of them. */
export type RunEvent = TrainingEvent | WrittenEvent | ResultsEvent | FinishEvent;

/**
 * Is told every event of a run, in order. The run waits for what `tell` returns, so long work is begun there and awaited
 * in `close`. A listener that fails must not end the run: what it cannot do it says once, on the terminal.
 */
export interface TrainingListener {
  tell(event: RunEvent): void | Promise<void>;
  /** After the last event, however the run ended: waits for what was begun. */
  close(): Promise<void>;
}
