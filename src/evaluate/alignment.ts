// Edits between a reference and a hypothesis: counted as jiwer counts them, and laid out unit by unit for display.
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

/** Neither side's unit is missing (a hit or a substitution), or one is. */
export type AlignedUnit =
  | { edit: 'hit' | 'substitution'; reference: string; hypothesis: string }
  | { edit: 'deletion'; reference: string }
  | { edit: 'insertion'; hypothesis: string };

const LONG_SPACE = new RegExp(`${SPACE}{2,}`, 'gu');
const ENDS = new RegExp(`^${SPACE}+|(?<!${SPACE})${SPACE}+$`, 'gu');

/** What spaces separate, after runs of white space have become one space and the ends are trimmed. */
export function wordsOf(text: string): string[] {
  return text
    .replace(LONG_SPACE, ' ')
    .replace(ENDS, '')
    .split(' ')
    .filter((word) => word !== '');
}

/** Code points, the spaces inside included. */
export function charactersOf(text: string): string[] {
  return Array.from(text.replace(ENDS, ''));
}

export function noEdits(): EditCounts {
  return { substitutions: 0, deletions: 0, insertions: 0, hits: 0, referenceLength: 0 };
}

/** Adds counts to others. */
export function addEdits(counts: EditCounts, more: EditCounts): void {
  counts.substitutions += more.substitutions;
  counts.deletions += more.deletions;
  counts.insertions += more.insertions;
  counts.hits += more.hits;
  counts.referenceLength += more.referenceLength;
}

/** Substitutions, deletions and insertions together. */
export function errorsOf({ substitutions, deletions, insertions }: EditCounts): number {
  return substitutions + deletions + insertions;
}

/** The fewest edits; where several alignments are equally short, the split of jiwer (rapidfuzz). */
export function countEdits(reference: readonly string[], hypothesis: readonly string[]): EditCounts {
  const { a, b } = numbered(reference, hypothesis);
  const { distance, substitutions } = shortest(a, b);
  const deletions = (distance - substitutions + a.length - b.length) / 2;
  return {
    substitutions,
    deletions,
    insertions: distance - substitutions - deletions,
    hits: reference.length - substitutions - deletions,
    referenceLength: reference.length,
  };
}

/** The alignment whose edits `countEdits` counts, from the first unit to the last. */
export function align(reference: readonly string[], hypothesis: readonly string[]): AlignedUnit[] {
  const { a, b, start, end } = numbered(reference, hypothesis);
  const { moves, width } = shortest(a, b, true);
  const units: AlignedUnit[] = [];
  const hit = (i: number): AlignedUnit => ({
    edit: 'hit',
    reference: reference[i]!,
    hypothesis: reference[i]!,
  });
  for (let i = 1; i <= end; i++) units.push(hit(reference.length - i));
  // Backwards: ties were decided for paths read from the end.
  for (let i = a.length, j = b.length; i > 0 || j > 0; ) {
    const move = j === 0 ? DELETION : i === 0 ? INSERTION : moves![i * (2 * width + 1) + j - i + width]!;
    if (move === DELETION) {
      i -= 1;
      units.push({ edit: 'deletion', reference: reference[start + i]! });
    } else if (move === INSERTION) {
      j -= 1;
      units.push({ edit: 'insertion', hypothesis: hypothesis[start + j]! });
    } else {
      i -= 1;
      j -= 1;
      const edit = a[i] === b[j] ? 'hit' : 'substitution';
      units.push({ edit, reference: reference[start + i]!, hypothesis: hypothesis[start + j]! });
    }
  }
  for (let i = start; i > 0; i--) units.push(hit(i - 1));
  return units.reverse();
}

/** Both sequences without the beginning and the end they share, with equal numbers for equal units. */
function numbered(reference: readonly string[], hypothesis: readonly string[]) {
  let start = 0;
  const shorter = Math.min(reference.length, hypothesis.length);
  while (start < shorter && reference[start] === hypothesis[start]) start += 1;
  let end = 0;
  while (end < shorter - start && reference.at(-1 - end) === hypothesis.at(-1 - end)) end += 1;

  const ids = new Map<string, number>();
  const number = (units: readonly string[]): Int32Array =>
    Int32Array.from(units.slice(start, units.length - end), (unit) => {
      const id = ids.get(unit) ?? ids.size;
      ids.set(unit, id);
      return id;
    });
  return { a: number(reference), b: number(hypothesis), start, end };
}

const MATCH = 0;
const DELETION = 1;
const INSERTION = 2;

/** Distance and substitutions on one shortest path; the last move into each cell of the band, where asked for. */
interface Path {
  distance: number;
  substitutions: number;
  /** `[a.length + 1, 2 * width + 1]`: row i, column j - i + width. */
  moves?: Uint8Array;
  width: number;
}

/**
 * Levenshtein distance in O(length) memory (moves apart) and O(length · distance) time: a path of d edits stays within
 * d of the diagonal, so a band of that width is enough, and its width is doubled until the distance found fits
 * (Ukkonen, 1985).
 */
function shortest(a: Int32Array, b: Int32Array, wantsMoves = false): Path {
  for (let width = Math.abs(a.length - b.length) + 32; ; width *= 2) {
    const path = shortestWithin(a, b, width, wantsMoves);
    if (path.distance <= width) return path;
  }
}

function shortestWithin(a: Int32Array, b: Int32Array, width: number, wantsMoves: boolean): Path {
  const outside = a.length + b.length + 1;
  const moves = wantsMoves ? new Uint8Array((a.length + 1) * (2 * width + 1)) : undefined;
  // Of row i (units of `a` consumed), column j (units of `b` consumed).
  const distance = Int32Array.from({ length: b.length + 1 }, (_, j) => (j <= width ? j : outside));
  const substitutions = new Int32Array(b.length + 1);
  for (let i = 1; i <= a.length; i++) {
    const unit = a[i - 1];
    const first = Math.max(1, i - width);
    const last = Math.min(b.length, i + width);
    const row = i * (2 * width + 1) - i + width;
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
      let move = INSERTION;
      if (best === above + 1) {
        move = DELETION;
        leftSubstitutions = aboveSubstitutions;
      } else if (left >= diagonal) {
        move = MATCH;
        leftSubstitutions = diagonalSubstitutions + changed;
      }
      if (moves) moves[row + j] = move;
      substitutions[j] = leftSubstitutions;
      left = best;
      diagonal = above;
      diagonalSubstitutions = aboveSubstitutions;
    }
  }
  const path = { distance: distance[b.length]!, substitutions: substitutions[b.length]!, width };
  return moves ? { ...path, moves } : path;
}
