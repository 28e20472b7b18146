// Attempts at one thing on a bad line: counted, with growing waits between them.
import { setTimeout as sleep } from 'node:timers/promises';
import { WhisperError } from '../errors.js';
import { HubError } from './errors.js';
import type { HubSettings } from './settings.js';

/** The longest wait before an attempt, but for what the server asks for. */
const LONGEST_WAIT = 30_000;
/** Waits from this one on are told of. */
const WORTH_A_NOTICE = 4000;
/** Bytes after which the line counts as working again. */
const PROGRESS = 1 << 20;

/** A failure that may not happen again. */
export class Transient extends Error {
  readonly status: number | undefined;
  /** Milliseconds that the server asks to wait. */
  readonly after: number | undefined;

  constructor(message: string, more: { status?: number; after?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.status = more.status;
    this.after = more.after;
  }
}

/** Counts attempts at one thing and waits between them. */
export class Attempts {
  readonly #settings: HubSettings;
  readonly #doing: string;
  readonly #signal: AbortSignal | undefined;
  #failed = 0;
  #received = 0;

  constructor(doing: string, settings: HubSettings, signal: AbortSignal | undefined) {
    this.#doing = doing;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** So many bytes came: a line that delivers is not given up, however often it breaks. */
  progressed(bytes: number): void {
    this.#received += bytes;
    if (this.#received < PROGRESS) return;
    this.#received = 0;
    this.#failed = 0;
  }

  /**
   * Waits for the time of the next attempt.
   *
   * @throws what failed, where another attempt would not help or there have been enough
   */
  async next(failure: unknown): Promise<void> {
    if (this.#signal?.aborted) throw cancelled(this.#signal);
    if (!(failure instanceof Transient)) throw failure;
    const { attempts, wait: first } = this.#settings.retries;
    this.#failed++;
    if (this.#failed >= attempts) {
      const { status, cause } = failure;
      const tried = attempts > 1 ? ` (tried ${attempts} times)` : '';
      throw new HubError(`cannot ${this.#doing}: ${failure.message}${tried}`, { status, cause });
    }
    // Between half and all of it, so that many who failed together do not come back together.
    const grown = Math.min(LONGEST_WAIT, first * 2 ** (this.#failed - 1)) * (0.5 + Math.random() / 2);
    const wait = Math.max(grown, failure.after ?? 0);
    if (wait >= WORTH_A_NOTICE) {
      const seconds = Math.round(wait / 1000);
      this.#settings.notice?.(`cannot ${this.#doing}: ${failure.message}; trying again in ${seconds} s`);
    }
    await sleep(wait, undefined, { signal: this.#signal }).catch(() => {
      throw cancelled(this.#signal);
    });
  }
}

export function cancelled(signal: AbortSignal | undefined): WhisperError {
  return new WhisperError('ERR_CANCELLED', 'cancelled', { cause: signal?.reason });
}
