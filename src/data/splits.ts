// What a split's name says: several splits after each other or in turn, and slices of them.
import { WhisperError } from '../errors.js';
import { concatenate, type Source } from './dataset.js';
import { mix } from './mix.js';
import { countRows, sliceRows } from './slice.js';

/** One term of `train[:10%]+validation`. Boundaries are as they were written: negative ones count from the end. */
export interface SplitTerm {
  text: string;
  name: string;
  from?: number;
  to?: number;
  /** The boundaries are hundredths of the rows. */
  percent: boolean;
}

export interface CombineOptions {
  /**
   * One row of each split in turn, until the first of them ends, as the fine-tuning event's script reads `a+b`; otherwise
   * one split after the other.
   */
  alternate?: boolean;
  /** With `alternate`: all splits give as many rows, as in that script without streaming. */
  wholeRounds?: boolean;
}

const term = /^([^[\]()]+)(?:\[(?:(-?\d[\d_]*)(%)?)?:(?:(-?\d[\d_]*)(%)?)?\])?$/;

/**
 * Reads the instructions of Hugging Face datasets (`ReadInstruction.from_spec`): `train+validation`, `train[:10%]`,
 * `train[100:200]`, `train[-5%:]`, and sums of them.
 *
 * @throws WhisperError ERR_INVALID_ARGUMENT for a text that is none
 */
export function parseSplits(text: string): SplitTerm[] {
  return text.split('+').map((part) => {
    const written = part.trim();
    const [whole, name, from, fromPercent, to, toPercent] = term.exec(written) ?? [];
    const boundaries = [from, to].map((boundary) =>
      boundary === undefined ? undefined : Number(boundary.replaceAll('_', '')),
    );
    const percent = Boolean(fromPercent ?? toPercent);
    const wrong =
      whole === undefined || (percent && boundaries.some((boundary) => Math.abs(boundary ?? 0) > 100));
    if (wrong) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${JSON.stringify(written)} is no split: expected a name or a slice of one, as train, train[:10%], train[100:200] or train[-5%:], several joined by +`,
      );
    }
    const [first, end] = boundaries;
    return {
      ...{ text: written, name: name!.trim(), percent },
      ...(first !== undefined && { from: first }),
      ...(end !== undefined && { to: end }),
    };
  });
}

/** To the nearest whole number, halves to the even one: Python's `round`. */
function roundToEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** The slice of a source that a term asks for. */
async function slice(source: Source, { text, from, to, percent }: SplitTerm): Promise<Source> {
  const fromEnd = (from ?? 0) < 0 || (to ?? 0) < 0;
  if (!percent && !fromEnd) return sliceRows(source, from ?? 0, to ?? Infinity);
  const rows = await countRows(source, text);
  const absolute = (boundary: number): number => {
    const row = percent ? roundToEven((boundary * rows) / 100) : boundary;
    return Math.min(rows, row < 0 ? Math.max(0, rows + row) : row);
  };
  return sliceRows(source, absolute(from ?? 0), to === undefined ? Infinity : absolute(to));
}

/**
 * Opens the splits that a text names and puts them together.
 *
 * @param open opens one split by its name
 * @throws WhisperError ERR_INVALID_ARGUMENT for a text that names none; ERR_DATA where a slice needs a number of rows that
 *   the source cannot say
 */
export async function combineSplits(
  text: string,
  open: (name: string) => Promise<Source>,
  { alternate = false, wholeRounds = false }: CombineOptions = {},
): Promise<Source> {
  const sources: Source[] = [];
  for (const wanted of parseSplits(text)) sources.push(await slice(await open(wanted.name), wanted));
  if (!alternate || sources.length === 1) return concatenate(sources);
  return mix(
    sources.map((source) => ({ source })),
    { stoppingStrategy: 'first_exhausted', wholeRounds },
  );
}
