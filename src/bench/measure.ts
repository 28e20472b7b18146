// Measuring: a clock, turns taken round by round so that everyone meets the same machine, and what to say of the times.
import { WhisperError } from '../errors.js';

/** Milliseconds. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** The middle and the ends of at least one time; of an even number of them the mean of the middle two. */
export function spreadOf(times: readonly number[]): Spread {
  const sorted = times.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  return { median: (low + high) / 2, min: sorted[0]!, max: sorted.at(-1)! };
}

/** Does the work and returns the milliseconds that it took, or those of each time that it was done. */
export type Turn = () => Promise<readonly number[]>;

export interface TurnOptions {
  /** Counted rounds; one more before them warms up. */
  rounds: number;
  signal?: AbortSignal | undefined;
  /** Before each round; the one that warms up is 0. */
  onRound?: ((round: number) => void) | undefined;
}

/**
 * The times of every turn, all of them taken one after the other in each round.
 *
 * @throws WhisperError `ERR_CANCELLED` after the turn in which the signal fired
 */
export async function takeTurns(turns: readonly Turn[], options: TurnOptions): Promise<number[][]> {
  const times = turns.map((): number[] => []);
  for (let round = -1; round < options.rounds; round++) {
    options.onRound?.(round + 1);
    for (const [i, turn] of turns.entries()) {
      // A signal from a terminal ends a peer too, whose turn then fails.
      const took = await turn().catch((error: unknown) =>
        options.signal?.aborted ? [] : Promise.reject(error),
      );
      if (options.signal?.aborted) throw new WhisperError('ERR_CANCELLED', 'the benchmark was cancelled');
      if (round >= 0) times[i]!.push(...took);
    }
  }
  return times;
}

/** The process's CPU time, or the wall's. */
export type Clock = 'cpu' | 'wall';

/**
 * Which clock times the work of a back end: on one thread of the CPU the process's CPU time, which other programs hardly
 * disturb.
 *
 * @param deviceName as the back end says it: `cpu (avx2, 1 thread)`
 */
export function clockOf(deviceName: string, threads: number): Clock {
  return deviceName.startsWith('cpu') && threads === 1 ? 'cpu' : 'wall';
}

/** The milliseconds that work takes. */
export async function timed(clock: Clock, work: () => Promise<unknown>): Promise<number> {
  const now = clock === 'cpu' ? cpuMilliseconds : () => performance.now();
  const started = now();
  await work();
  return now() - started;
}

function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
