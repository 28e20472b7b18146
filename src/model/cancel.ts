// Calls of the engine that an AbortSignal stops.
import { WhisperError } from '../errors.js';
import { addon, type NativeCancel } from '../native.js';

/**
 * Runs a call of the engine that the signal can stop.
 *
 * @throws WhisperError `ERR_CANCELLED` when it did
 */
export async function cancellable<T>(
  signal: AbortSignal | undefined,
  run: (cancel: NativeCancel | undefined) => Promise<T>,
): Promise<T> {
  if (!signal) return run(undefined);
  if (signal.aborted) throw new WhisperError('ERR_CANCELLED', 'cancelled', { cause: signal.reason });
  const cancel = new (addon().Cancel)();
  const stop = () => cancel.cancel();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await run(cancel);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What `run` gives, or undefined when it was the signal that ended it. */
export async function unlessCancelled<T>(
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isCancelled(signal, error)) return undefined;
    throw error;
  }
}

/** Whether it was the signal that ended what threw the error. */
export function isCancelled(signal: AbortSignal | undefined, error: unknown): boolean {
  return signal?.aborted === true && error instanceof WhisperError && error.code === 'ERR_CANCELLED';
}
