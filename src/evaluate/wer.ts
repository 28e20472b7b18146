// Word and character error rates with their parts, counted over a whole corpus as jiwer does.
import { WhisperError } from '../errors.js';
import {
  addEdits,
  charactersOf,
  countEdits,
  type EditCounts,
  errorsOf,
  noEdits,
  wordsOf,
} from './alignment.js';

/** `wer` in percent: 100 · (substitutions + deletions + insertions) / referenceLength. It can exceed 100. */
export interface WordErrorRate extends EditCounts {
  wer: number;
}

/** `cer` in percent: 100 · (substitutions + deletions + insertions) / referenceLength. It can exceed 100. */
export interface CharacterErrorRate extends EditCounts {
  cer: number;
}

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
  const counts = corpusEdits(references, hypotheses, wordsOf);
  return { wer: percent(counts, 'word', references.length), ...counts };
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
  const counts = corpusEdits(references, hypotheses, charactersOf);
  return { cer: percent(counts, 'character', references.length), ...counts };
}

/**
 * Errors by the length of the references, in percent.
 *
 * @throws WhisperError `ERR_DATA` where the references have no unit at all
 */
export function percent(counts: EditCounts, unit: 'word' | 'character', references: number): number {
  if (counts.referenceLength === 0) {
    throw new WhisperError(
      'ERR_DATA',
      `the ${unit} error rate is undefined: none of the ${references} references has a ${unit}`,
    );
  }
  return (100 * errorsOf(counts)) / counts.referenceLength;
}

function corpusEdits(
  references: readonly string[],
  hypotheses: readonly string[],
  split: (text: string) => string[],
): EditCounts {
  if (references.length !== hypotheses.length) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `expected one hypothesis per reference, got ${references.length} references and ${hypotheses.length} hypotheses`,
    );
  }
  const counts = noEdits();
  references.forEach((reference, i) => {
    addEdits(counts, countEdits(split(reference), split(hypotheses[i]!)));
  });
  return counts;
}
