// How sure an error rate is: bootstrap confidence intervals, and the probability that one model is better than another.
// M. Bisani, H. Ney: "Bootstrap Estimates for Confidence Intervals in ASR Performance Evaluation", ICASSP 2004.
import { setImmediate as untilOthersRan } from 'node:timers/promises';
import { philox, type Words } from '../data/random.js';
import { WhisperError } from '../errors.js';
import { type EditCounts, errorsOf } from './alignment.js';
import type { EvaluatedRow } from './evaluate.js';

export interface BootstrapOptions {
  /** Default: 1000. */
  resamples?: number | undefined;
  /** Default: 42. The same seed draws the same utterances for every model. */
  seed?: number | undefined;
  /** Share of the resamples inside an interval. Default: 0.95. */
  level?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Percent. */
export interface Interval {
  low: number;
  high: number;
}

/** The errors of each utterance and the length of its reference. */
interface Counts {
  errors: number[];
  lengths: number[];
}

/** What bootstrapping needs of an evaluation: the edits of each of its rows that has a score. */
export class Tallies {
  readonly #words: Counts = { errors: [], lengths: [] };
  readonly #characters: Counts = { errors: [], lengths: [] };
  /** Where an utterance stands; rows of the same name are told apart by their order. */
  readonly #places = new Map<string, number>();
  readonly #namesakes = new Map<string, number>();

  /** Takes a row as `onRow` of an evaluation is given it. */
  add({ id, score }: Pick<EvaluatedRow, 'id' | 'score'>): void {
    const before = this.#namesakes.get(id) ?? 0;
    this.#namesakes.set(id, before + 1);
    if (typeof score === 'string') return;
    this.#places.set(`${before} ${id}`, this.#places.size);
    push(this.#words, score.words);
    push(this.#characters, score.characters);
  }

  /**
   * The intervals of the word and the character error rate by the percentile method: utterances are drawn with
   * replacement, as many as there are, and the rate of each such resample is computed.
   *
   * @throws WhisperError `ERR_DATA` where there is no utterance, `ERR_INVALID_ARGUMENT`, `ERR_CANCELLED`
   */
  async intervals(options: BootstrapOptions = {}): Promise<{ wer: Interval; cer: Interval }> {
    const [wer, cer] = await resampledRates([this.#words, this.#characters], options);
    const { level = 0.95 } = options;
    return { wer: interval(wer!, level), cer: interval(cer!, level) };
  }

  /** The words' edits of the utterances that all of them have, in one order. */
  static inCommon(all: readonly Tallies[]): Counts[] {
    const [first, ...others] = all;
    if (!first) return [];
    const names = [...first.#places.keys()].filter((name) =>
      others.every((tallies) => tallies.#places.has(name)),
    );
    return all.map((tallies) => {
      const places = names.map((name) => tallies.#places.get(name)!);
      const pick = (values: readonly number[]) => places.map((place) => values[place]!);
      return { errors: pick(tallies.#words.errors), lengths: pick(tallies.#words.lengths) };
    });
  }
}

/** How models compare on the utterances that all of them have. */
export interface Comparison {
  utterances: number;
  /**
   * `[a][b]`: the probability that model a has a lower word error rate than model b: the share of the resamples, the same
   * for both, in which it does, a tie counting half.
   */
  better: number[][];
}

/**
 * Compares models by the paired bootstrap.
 *
 * @throws WhisperError `ERR_DATA` where they have no utterance in common, `ERR_INVALID_ARGUMENT`, `ERR_CANCELLED`
 */
export async function compare(
  models: readonly Tallies[],
  options: BootstrapOptions = {},
): Promise<Comparison> {
  const counts = Tallies.inCommon(models);
  const rates = await resampledRates(counts, options);
  const better = rates.map((a) =>
    rates.map((b) => a.reduce((sum, rate, i) => sum + won(rate, b[i]!), 0) / a.length),
  );
  return { utterances: counts[0]?.errors.length ?? 0, better };
}

function won(a: number, b: number): number {
  if (a === b) return 0.5;
  return a < b ? 1 : 0;
}

function push(counts: Counts, edits: EditCounts): void {
  counts.errors.push(errorsOf(edits));
  counts.lengths.push(edits.referenceLength);
}

/** The rates in percent of each set of counts over the same resamples of their utterances. */
async function resampledRates(sets: readonly Counts[], options: BootstrapOptions): Promise<Float64Array[]> {
  const { resamples = 1000, seed = 42, level = 0.95, signal } = options;
  const utterances = sets[0]?.errors.length ?? 0;
  if (utterances === 0) throw new WhisperError('ERR_DATA', 'there is no utterance to draw resamples from');
  if (!Number.isInteger(resamples) || resamples < 1 || !(level > 0 && level < 1)) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `bootstrapping needs at least 1 resample and a level between 0 and 1, got ${resamples} and ${level}`,
    );
  }
  const rates = sets.map(() => new Float64Array(resamples));
  let rested = performance.now();
  for (let resample = 0; resample < resamples; resample++) {
    if (performance.now() - rested > 20) {
      await untilOthersRan();
      rested = performance.now();
    }
    if (signal?.aborted) throw new WhisperError('ERR_CANCELLED', 'cancelled', { cause: signal.reason });
    const drawn = draw(utterances, resample, seed);
    for (const [set, { errors, lengths }] of sets.entries()) {
      let [error, length] = [0, 0];
      for (let i = 0; i < utterances; i++) {
        error += errors[drawn[i]!]!;
        length += lengths[drawn[i]!]!;
      }
      rates[set]![resample] = (100 * error) / length;
    }
  }
  return rates;
}

/** As many utterances as there are, drawn with replacement: a function of the seed and the resample's number. */
function draw(utterances: number, resample: number, seed: number): Uint32Array {
  const drawn = new Uint32Array(utterances);
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32)] as const;
  for (let i = 0; i < utterances; i += 4) {
    const counter: Words = [i, resample, 0, 0];
    const words = philox(counter, key);
    // The upper half of a product with n is a number below n; uneven by n / 2^32 at most.
    for (let j = 0; j < 4; j++) drawn[i + j] = (words[j]! * utterances) / 2 ** 32;
  }
  return drawn;
}

/** The middle part of values; between two of them by their distance. */
function interval(values: Float64Array, level: number): Interval {
  const sorted = values.toSorted();
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = sorted[Math.floor(place)]!;
    return below + (place % 1) * (sorted[Math.ceil(place)]! - below);
  };
  return { low: at((1 - level) / 2), high: at((1 + level) / 2) };
}
