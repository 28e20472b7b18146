// Spelled-out English numbers to figures: "twenty-five dollars" to "$25", "one oh one" to "101".
// A transcription of `EnglishNumberNormalizer` (openai/whisper `normalizers/english.py`, the same in transformers)
// with its quirks, because error rates are only comparable when both sides went through the same ones.

import {
  asInteger,
  CURRENCIES,
  DECIMALS,
  isNumeral,
  MULTIPLIERS,
  MULTIPLIERS_SUFFIXED,
  NUMBER_WORDS,
  ONES,
  ONES_SUFFIXED,
  PREFIXES,
  SIGNS,
  scaled,
  TENS,
  TENS_SUFFIXED,
  ZEROS,
} from './english-number-words.js';
import { SPACE, splitWords, WORD_END, WORD_START } from './python-text.js';

const AND_A_HALF = new RegExp(`${WORD_START}and${SPACE}+a${SPACE}+half${WORD_END}`, 'gu');
const SUFFIX_APART = new RegExp(`([0-9])${SPACE}+(st|nd|rd|th|s)${WORD_END}`, 'gu');
const UNITS_AND_CENTS = new RegExp(`([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})${WORD_END}`, 'gu');
// The unescaped dot is the original's.
const CENTS_ONLY = new RegExp(`[€£$]0[^\\n]([0-9]{1,2})${WORD_END}`, 'gu');
const LONE_ONE = new RegExp(`${WORD_START}1(s?)${WORD_END}`, 'gu');

/** Numbers of lower-case `text` as figures; white space comes back as single spaces. */
export function normalizeEnglishNumbers(text: string): string {
  const figures = [...readNumbers(splitWords(separateNumbers(text)))].join(' ');
  return figures
    .replace(UNITS_AND_CENTS, (_, currency, units, cents) => `${currency}${units}.${cents.padStart(2, '0')}`)
    .replace(CENTS_ONLY, (_, cents) => `¢${Number(cents)}`)
    .replace(LONE_ONE, 'one$1');
}

/** "two and a half" to "two point five", and a space wherever a letter touches a digit ("5 th" excepted). */
function separateNumbers(text: string): string {
  const segments = text.split(AND_A_HALF);
  const parts: string[] = [];
  segments.forEach((segment, i) => {
    const last = splitWords(segment).at(-1);
    if (last === undefined) return;
    parts.push(segment);
    if (i === segments.length - 1) return;
    parts.push(DECIMALS.has(last) || MULTIPLIERS.has(last) ? 'point five' : 'and a half');
  });
  return parts
    .join(' ')
    .replace(/([a-z])([0-9])/gu, '$1 $2')
    .replace(/([0-9])([a-z])/gu, '$1 $2')
    .replace(SUFFIX_APART, '$1$2');
}

/**
 * The state machine. `value` is the number being read: a bigint while it can still be added to, a string once
 * digits have been strung together ("19" then "84"), undefined outside a number; `prefix` its sign or currency.
 */
function* readNumbers(words: readonly string[]): Generator<string> {
  let prefix = '';
  let value: bigint | string | undefined;

  const flush = (result: bigint | string): string => {
    const text = prefix + String(result);
    prefix = '';
    value = undefined;
    return text;
  };
  // Python's `str(value or "")`: a zero that is still a number vanishes.
  const digits = (): string => (value ? String(value) : '');

  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const previous = words[i - 1] ?? '';
    const next = words[i + 1] ?? '';
    const numberFollows = NUMBER_WORDS.has(next) || isNumeral(next);
    // "twenty" strung to other digits ("19 20") and then "one" is 1921: the digit takes the place of the zero.
    const onto = (ones: bigint): string => {
      const before = String(value);
      return (TENS.has(previous) && ones < 10n ? before.slice(0, -1) : before) + ones;
    };
    // Whether `amount` still fits into the zeros at the end of the number: "twenty" + 5, "three hundred" + 12.
    const fits = (number: bigint, amount: bigint): boolean => number % (amount < 10n ? 10n : 100n) === 0n;

    const signed = PREFIXES.has(word[0]!);
    const numeral = signed ? word.slice(1) : word;
    if (isNumeral(numeral)) {
      if (typeof value === 'string' && value.endsWith('.')) {
        value += word; // decimals, parts of an address
        continue;
      }
      if (value !== undefined) yield flush(value);
      if (signed) prefix = word[0]!;
      value = asInteger(numeral) ?? numeral;
    } else if (!NUMBER_WORDS.has(word)) {
      if (value !== undefined) yield flush(value);
      yield flush(word);
    } else if (ZEROS.has(word)) {
      value = `${digits()}0`;
    } else if (ONES.has(word)) {
      const ones = ONES.get(word)!;
      if (value === undefined) value = ones;
      else if (typeof value === 'string' || ONES.has(previous)) value = onto(ones);
      else value = fits(value, ones) ? value + ones : `${value}${ones}`;
    } else if (ONES_SUFFIXED.has(word)) {
      const { amount, suffix } = ONES_SUFFIXED.get(word)!;
      if (value === undefined) yield flush(amount + suffix);
      else if (typeof value === 'string' || ONES.has(previous)) yield flush(onto(amount) + suffix);
      else yield flush(fits(value, amount) ? value + amount + suffix : `${value}${amount}${suffix}`);
    } else if (TENS.has(word)) {
      const tens = TENS.get(word)!;
      if (value === undefined) value = tens;
      else value = typeof value !== 'string' && fits(value, tens) ? value + tens : `${value}${tens}`;
    } else if (TENS_SUFFIXED.has(word)) {
      const { amount, suffix } = TENS_SUFFIXED.get(word)!;
      if (value === undefined) yield flush(amount + suffix);
      else if (typeof value !== 'string' && fits(value, amount)) yield flush(value + amount + suffix);
      else yield flush(`${value}${amount}${suffix}`);
    } else if (MULTIPLIERS.has(word)) {
      const multiplier = MULTIPLIERS.get(word)!;
      if (value === undefined) value = multiplier;
      else if (typeof value === 'string' || value === 0n) {
        const product = scaled(value, multiplier);
        if (product === undefined) yield flush(value);
        value = product ?? multiplier;
      } else value = multiplied(value, multiplier);
    } else if (MULTIPLIERS_SUFFIXED.has(word)) {
      const { amount, suffix } = MULTIPLIERS_SUFFIXED.get(word)!;
      if (value === undefined) yield flush(amount + suffix);
      else if (typeof value === 'string') {
        const product = scaled(value, amount);
        if (product === undefined) yield flush(value);
        yield flush((product ?? amount) + suffix);
      } else yield flush(multiplied(value, amount) + suffix);
    } else if (SIGNS.has(word)) {
      if (value !== undefined) yield flush(value);
      if (numberFollows) prefix = SIGNS.get(word)!;
      else yield flush(word);
    } else if (CURRENCIES.has(word)) {
      if (value === undefined) yield flush(word);
      else {
        prefix = CURRENCIES.get(word)!;
        yield flush(value);
      }
    } else if (word === 'percent' || (word === 'per' && next === 'cent')) {
      if (value === undefined) yield flush(word);
      else {
        yield flush(`${value}%`);
        if (word === 'per') i += 1;
      }
    } else if ((word === 'double' || word === 'triple') && (ONES.has(next) || ZEROS.has(next))) {
      value = digits() + String(ONES.get(next) ?? 0n).repeat(word === 'double' ? 2 : 3);
      i += 1;
    } else if (word === 'and' && numberFollows && MULTIPLIERS.has(previous)) {
      // "two hundred and five": says nothing
    } else if (word === 'point' && numberFollows) {
      if (DECIMALS.has(next) || isNumeral(next)) value = `${digits()}.`;
    } else {
      if (value !== undefined) yield flush(value);
      yield flush(word);
    }
  }
  if (value !== undefined) yield flush(value);
}

/** "two thousand three" + "hundred": only what stands below the thousands is multiplied. */
function multiplied(value: bigint, multiplier: bigint): bigint {
  const below = value % 1000n;
  return value - below + below * multiplier;
}
