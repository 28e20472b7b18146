// The language-independent text normaliser of Whisper's evaluation, and the steps the English one shares.
import { collapseSpaces } from './python-text.js';

export interface BasicNormalizerOptions {
  /** Drop accents too: NFKD, then combining marks away and `ø` to `o`, `ß` to `ss`, … Default false. */
  removeDiacritics?: boolean;
  /** Separate every grapheme cluster by a space, for scripts written without spaces. Default false. */
  splitLetters?: boolean;
}

const SYMBOLS = /[\p{M}\p{S}\p{P}]/gu;

// Letters that NFKD does not take apart.
const LATIN_LETTERS: Readonly<Record<string, string>> = {
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  æ: 'ae',
  Æ: 'AE',
  ß: 'ss',
  ẞ: 'SS',
  đ: 'd',
  Đ: 'D',
  ð: 'd',
  Ð: 'D',
  þ: 'th',
  Þ: 'th',
  ł: 'l',
  Ł: 'L',
};
const SYMBOLS_AND_LETTERS = new RegExp(`[\\p{M}\\p{S}\\p{P}${Object.keys(LATIN_LETTERS).join('')}]`, 'gu');
const NONSPACING_MARK = /\p{Mn}/u;

/** Marks, symbols and punctuation become spaces, accents on composed letters stay. */
function removeSymbols(text: string): string {
  return text.normalize('NFKC').replace(SYMBOLS, ' ');
}

/** Symbols and punctuation become spaces, diacritics vanish; the characters of `keep` stay. */
export function removeSymbolsAndDiacritics(text: string, keep = ''): string {
  return text.normalize('NFKD').replace(SYMBOLS_AND_LETTERS, (character) => {
    if (keep.includes(character)) return character;
    return LATIN_LETTERS[character] ?? (NONSPACING_MARK.test(character) ? '' : ' ');
  });
}

/**
 * Deletes `<…>` and `[…]` (any opening with any closing), then `(…)` with something inside.
 * Done by searching for the ends: as regular expressions the two are quadratic where nothing closes.
 */
export function removeBracketed(text: string): string {
  return deleteSpans(deleteSpans(text, /[<[]/g, /[>\]]/g, 0), /\(/g, /\)/g, 1);
}

function deleteSpans(text: string, opening: RegExp, closing: RegExp, minimumInside: number): string {
  let kept = '';
  let position = 0;
  opening.lastIndex = 0;
  for (let open = opening.exec(text); open !== null; open = opening.exec(text)) {
    closing.lastIndex = open.index + 1;
    const close = closing.exec(text);
    if (close === null) break;
    if (close.index - open.index - 1 < minimumInside) continue;
    kept += text.slice(position, open.index);
    position = close.index + 1;
    opening.lastIndex = position;
  }
  return kept + text.slice(position);
}

/**
 * Whisper's normaliser for any language: lower case, text in brackets deleted, marks, symbols and punctuation
 * to spaces, white space collapsed. Ends are not trimmed: `"Hola, güey!"` gives `"hola güey "`.
 *
 * Combining vowel signs count as marks, so Indic, Thai and Arabic words lose them (`"हिन्दी"` gives `"ह न द "`):
 * compare such languages by character error rate on the raw text as well.
 *
 * Source: `BasicTextNormalizer` of openai/whisper and of transformers. Character classes are those of the
 * running Node.js (`process.versions.unicode`).
 */
export function basicNormalizer(text: string, options: BasicNormalizerOptions = {}): string {
  const plain = removeBracketed(text.toLowerCase());
  let clean = (
    options.removeDiacritics ? removeSymbolsAndDiacritics(plain) : removeSymbols(plain)
  ).toLowerCase();
  if (options.splitLetters)
    clean = Array.from(graphemes().segment(clean), ({ segment }) => segment).join(' ');
  return collapseSpaces(clean);
}

let segmenter: Intl.Segmenter | undefined;

function graphemes(): Intl.Segmenter {
  segmenter ??= new Intl.Segmenter('und', { granularity: 'grapheme' });
  return segmenter;
}
