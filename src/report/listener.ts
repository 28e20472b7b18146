// Who is told of a training run: the terminal, TensorBoard's event files, the Hub.
import type { TrainingEvent } from '../train/events.js';

/**
 * Is told every event of a run, in order. The run waits for what `tell` returns, so long work is begun there and awaited
 * in `close`. A listener that fails must not end the run: what it cannot do it says once, on the terminal.
 */
export interface TrainingListener {
  tell(event: TrainingEvent): void | Promise<void>;
  /** After the last event, however the run ended: waits for what was begun. */
  close(): Promise<void>;
}
