// Python's idea of spaces, digits and words, which JavaScript's `\s`, `\d`, `\w` and `\b` do not share.
// The normalisers are defined by regular expressions of Python's `re`, whose classes are Unicode-aware.

/** `\s` of `re` and the separators of `str.split()`: with U+001C to U+001F and U+0085, without U+FEFF. */
export const SPACE =
  '[\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';

/** `\d` of `re`: decimal digits of every script. */
export const DIGIT = '\\p{Nd}';

/** `\b` before a word character: use it in front of a letter or digit. */
export const WORD_START = '(?<![\\p{L}\\p{N}_])';

/** `\b` after a word character: use it behind a letter or digit. */
export const WORD_END = '(?![\\p{L}\\p{N}_])';

const SPACES = new RegExp(`${SPACE}+`, 'gu');

/** `re.sub(r"\s+", " ", text)`. */
export function collapseSpaces(text: string): string {
  return text.replace(SPACES, ' ');
}

/** `text.split()`: the words between runs of white space, none of them empty. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== '');
}
