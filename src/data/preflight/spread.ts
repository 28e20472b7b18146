// How numbers are spread: mean and quantiles of a list, and the rates of text to audio that lie far off the others.

export interface Spread {
  mean: number;
  p50: number;
  p95: number;
  max: number;
}

/** Of at least one number. */
export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = Float64Array.from(numbers).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return { mean, p50: at(0.5), p95: at(0.95), max: sorted.at(-1)! };
}

/** A row whose rate lies far off. */
export interface Outlier {
  row: string;
  /** Characters to a second. */
  rate: number;
  usual: number;
}

/** Rates as far apart as this factor are told of, where the others do not lie as far apart themselves. */
const farOff = 4;
/** So many times the usual distance from the median, in logarithms. */
const deviations = 4;
/** Fewer rows say nothing of what is usual. */
const fewest = 20;

/** Characters to a second of the rows of one language. */
export class Rates {
  readonly #logs: number[] = [];
  readonly #rows: string[] = [];

  add(row: string, characters: number, seconds: number): void {
    this.#logs.push(Math.log(characters / seconds));
    this.#rows.push(row);
  }

  /** Those far off the median, by a distance that outliers do not stretch: the median of all distances from it. */
  outliers(): Outlier[] {
    if (this.#logs.length < fewest) return [];
    const { p50: median } = spreadOf(this.#logs);
    const { p50: distance } = spreadOf(this.#logs.map((value) => Math.abs(value - median)));
    // 1.4826 makes a standard deviation of it where the logarithms are normally distributed.
    const limit = Math.max(Math.log(farOff), deviations * 1.4826 * distance);
    return this.#logs.flatMap((value, i) =>
      Math.abs(value - median) > limit
        ? [{ row: this.#rows[i]!, rate: Math.exp(value), usual: Math.exp(median) }]
        : [],
    );
  }
}
