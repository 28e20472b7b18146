// Word and character error rates with their parts, counted over a whole corpus as jiwer does.
import { WhisperError } from '../errors.js';
import { SPACE } from '../processor/normalizers/python-text.js';

/** Edits that turn the references into the hypotheses. */
export interface EditCounts {
  substitutions: number;
  /** Units of a reference that are missing in its hypothesis. */
  deletions: number;
  /** Units of a hypothesis that its reference does not have. */
  insertions: number;
  hits: number;
  /** Words (WER) or code points (CER) of all references: hits + substitutions + deletions. */
  referenceLength: number;
}

/** `wer` in percent: 100 · (substitutions + deletions + insertions) / referenceLength. It can exceed 100. */
export interface WordErrorRate extends EditCounts {
  wer: number;
}

/** `cer` in percent: 100 · (substitutions + deletions + insertions) / referenceLength. It can exceed 100. */
export interface CharacterErrorRate extends EditCounts {
  cer: number;
}

const LONG_SPACE = new RegExp(`${SPACE}{2,}`, 'gu');
const ENDS = new RegExp(`^${SPACE}+|(?<!${SPACE})${SPACE}+$`, 'gu');

/**
 * Word error rate of `hypotheses[i]` against `references[i]`, over the whole corpus: the edits of all pairs by
 * the words of all references, not a mean of rates. Words are what spaces separate, after runs of white space
 * have become one space and the ends are trimmed; nothing else is normalised here.
 *
 * A pair with an empty reference adds its hypothesis as insertions; drop such pairs first if they should not
 * count. The split into parts follows the alignment of jiwer (rapidfuzz) where several are equally short.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for lists of different lengths, `ERR_DATA` where no reference has
 * a word: the rate is undefined then.
 */
export function wordErrorRate(references: readonly string[], hypotheses: readonly string[]): WordErrorRate {
  const { rate, counts } = errorRate(references, hypotheses, 'word', (text) =>
    text
      .replace(LONG_SPACE, ' ')
      .replace(ENDS, '')
      .split(' ')
      .filter((word) => word !== ''),
  );
  return { wer: rate, ...counts };
}

/**
 * Character error rate: as `wordErrorRate`, over Unicode code points (not grapheme clusters: a letter with a
 * combining accent counts two). Ends are trimmed; spaces inside count like any other character.
 *
 * @throws WhisperError as `wordErrorRate`.
 */
export function characterErrorRate(
  references: readonly string[],
  hypotheses: readonly string[],
): CharacterErrorRate {
  const { rate, counts } = errorRate(references, hypotheses, 'character', (text) =>
    Array.from(text.replace(ENDS, '')),
  );
  return { cer: rate, ...counts };
}

function errorRate(
  references: readonly string[],
  hypotheses: readonly string[],
  unit: string,
  split: (text: string) => string[],
): { rate: number; counts: EditCounts } {
  if (references.length !== hypotheses.length) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `expected one hypothesis per reference, got ${references.length} references and ${hypotheses.length} hypotheses`,
    );
  }
  const counts: EditCounts = { substitutions: 0, deletions: 0, insertions: 0, hits: 0, referenceLength: 0 };
  references.forEach((reference, i) => {
    addEdits(counts, split(reference), split(hypotheses[i]!));
  });
  if (counts.referenceLength === 0) {
    throw new WhisperError(
      'ERR_DATA',
      `the ${unit} error rate is undefined: none of the ${references.length} references has a ${unit}`,
    );
  }
  const edits = counts.substitutions + counts.deletions + counts.insertions;
  return { rate: (100 * edits) / counts.referenceLength, counts };
}

function addEdits(counts: EditCounts, reference: readonly string[], hypothesis: readonly string[]): void {
  let start = 0;
  const shorter = Math.min(reference.length, hypothesis.length);
  while (start < shorter && reference[start] === hypothesis[start]) start += 1;
  let end = 0;
  while (end < shorter - start && reference.at(-1 - end) === hypothesis.at(-1 - end)) end += 1;

  const ids = new Map<string, number>();
  const number = (units: readonly string[]): Int32Array =>
    Int32Array.from(units.slice(start, units.length - end), (item) => {
      const id = ids.get(item) ?? ids.size;
      ids.set(item, id);
      return id;
    });
  const a = number(reference);
  const b = number(hypothesis);
  const { distance, substitutions } = align(a, b);
  const deletions = (distance - substitutions + a.length - b.length) / 2;
  counts.substitutions += substitutions;
  counts.deletions += deletions;
  counts.insertions += distance - substitutions - deletions;
  counts.hits += reference.length - substitutions - deletions;
  counts.referenceLength += reference.length;
}

/**
 * Levenshtein distance and the substitutions on one shortest path, in O(length) memory and
 * O(length · distance) time: a path of d edits stays within d of the diagonal, so a band of that width is
 * enough, and its width is doubled until the distance found fits (Ukkonen, 1985).
 */
function align(a: Int32Array, b: Int32Array): { distance: number; substitutions: number } {
  for (let width = Math.abs(a.length - b.length) + 32; ; width *= 2) {
    const result = alignWithin(a, b, width);
    if (result.distance <= width) return result;
  }
}

function alignWithin(
  a: Int32Array,
  b: Int32Array,
  width: number,
): { distance: number; substitutions: number } {
  const outside = a.length + b.length + 1;
  // Of row i (units of `a` consumed), column j (units of `b` consumed).
  const distance = Int32Array.from({ length: b.length + 1 }, (_, j) => (j <= width ? j : outside));
  const substitutions = new Int32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const unit = a[i - 1];
    const first = Math.max(1, i - width);
    const last = Math.min(b.length, i + width);
    let diagonal = distance[first - 1]!;
    let diagonalSubstitutions = substitutions[first - 1]!;
    distance[first - 1] = first === 1 && i <= width ? i : outside;
    substitutions[first - 1] = 0;
    let left = distance[first - 1]!;
    let leftSubstitutions = 0;
    for (let j = first; j <= last; j++) {
      const above = distance[j]!;
      const aboveSubstitutions = substitutions[j]!;
      const changed = unit === b[j - 1] ? 0 : 1;
      const best = Math.min(above + 1, left + 1, diagonal + changed);
      distance[j] = best;
      // Among equally short paths rapidfuzz, read from the end, takes a deletion where there is one, then an
      // insertion (the count of the left goes on) where that beats the diagonal's distance.
      if (best === above + 1) leftSubstitutions = aboveSubstitutions;
      else if (left >= diagonal) leftSubstitutions = diagonalSubstitutions + changed;
      substitutions[j] = leftSubstitutions;
      left = best;
      diagonal = above;
      diagonalSubstitutions = aboveSubstitutions;
    }
  }
  return { distance: distance[b.length]!, substitutions: substitutions[b.length]! };
}
