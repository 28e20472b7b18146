// The vocabulary and the arithmetic of spelled-out English numbers.
import { DIGIT } from './python-text.js';

interface Suffixed {
  amount: bigint;
  suffix: string;
}

export const ZEROS: ReadonlySet<string> = new Set(['o', 'oh', 'zero']);

export const ONES: ReadonlyMap<string, bigint> = new Map(
  (
    'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
    'eighteen nineteen'
  )
    .split(' ')
    .map((word, i) => [word, BigInt(i + 1)] as const),
);

const IRREGULAR_ORDINALS: ReadonlyMap<string, string> = new Map([
  ['one', 'first'],
  ['two', 'second'],
  ['three', 'third'],
  ['five', 'fifth'],
  ['twelve', 'twelfth'],
]);
const ORDINAL_SUFFIXES: ReadonlyMap<string, string> = new Map([
  ['first', 'st'],
  ['second', 'nd'],
  ['third', 'rd'],
]);

// "eighth" and "nineth": the original has no "ninth".
const ordinal = (word: string) => IRREGULAR_ORDINALS.get(word) ?? word + (word.endsWith('t') ? 'h' : 'th');

export const ONES_SUFFIXED: ReadonlyMap<string, Suffixed> = new Map<string, Suffixed>([
  ['zeroth', { amount: 0n, suffix: 'th' }],
  ...[...ONES].flatMap(([word, amount]): [string, Suffixed][] => {
    const th = ordinal(word);
    return [
      [word === 'six' ? 'sixes' : `${word}s`, { amount, suffix: 's' }],
      [th, { amount, suffix: ORDINAL_SUFFIXES.get(th) ?? 'th' }],
    ];
  }),
]);

export const TENS: ReadonlyMap<string, bigint> = new Map(
  'twenty thirty forty fifty sixty seventy eighty ninety'
    .split(' ')
    .map((word, i) => [word, BigInt(10 * (i + 2))] as const),
);

export const TENS_SUFFIXED: ReadonlyMap<string, Suffixed> = new Map(
  [...TENS].flatMap(([word, amount]): [string, Suffixed][] => [
    [word.replace('y', 'ies'), { amount, suffix: 's' }],
    [word.replace('y', 'ieth'), { amount, suffix: 'th' }],
  ]),
);

export const MULTIPLIERS: ReadonlyMap<string, bigint> = new Map<string, bigint>([
  ['hundred', 100n],
  ...(
    'thousand million billion trillion quadrillion quintillion sextillion septillion octillion nonillion ' +
    'decillion'
  )
    .split(' ')
    .map((word, i): [string, bigint] => [word, 1000n ** BigInt(i + 1)]),
]);

export const MULTIPLIERS_SUFFIXED: ReadonlyMap<string, Suffixed> = new Map(
  [...MULTIPLIERS].flatMap(([word, amount]): [string, Suffixed][] => [
    [`${word}s`, { amount, suffix: 's' }],
    [`${word}th`, { amount, suffix: 'th' }],
  ]),
);

/** Words that may open a number of decimals after "point". */
export const DECIMALS: ReadonlySet<string> = new Set([...ONES.keys(), ...TENS.keys(), ...ZEROS]);

export const SIGNS: ReadonlyMap<string, string> = new Map([
  ['minus', '-'],
  ['negative', '-'],
  ['plus', '+'],
  ['positive', '+'],
]);

export const CURRENCIES: ReadonlyMap<string, string> = new Map([
  ['pound', '£'],
  ['pounds', '£'],
  ['euro', '€'],
  ['euros', '€'],
  ['dollar', '$'],
  ['dollars', '$'],
  ['cent', '¢'],
  ['cents', '¢'],
]);

/** Characters that may stand before a numeral. */
export const PREFIXES: ReadonlySet<string> = new Set([...SIGNS.values(), ...CURRENCIES.values()]);

export const NUMBER_WORDS: ReadonlySet<string> = new Set([
  ...ZEROS,
  ...ONES.keys(),
  ...ONES_SUFFIXED.keys(),
  ...TENS.keys(),
  ...TENS_SUFFIXED.keys(),
  ...MULTIPLIERS.keys(),
  ...MULTIPLIERS_SUFFIXED.keys(),
  ...SIGNS.keys(),
  ...CURRENCIES.keys(),
  'per',
  'percent',
  'and',
  'double',
  'triple',
  'point',
]);

const NUMERAL = new RegExp(`^${DIGIT}+(\\.${DIGIT}+)?$`, 'u');
// What Python's `Fraction` reads of the strings that occur here: "12", "1.5", "12.", ".5".
const FRACTION = new RegExp(`^(?=[.]?${DIGIT})(${DIGIT}*)(?:\\.(${DIGIT}*))?$`, 'u');
const ANY_DIGIT = new RegExp(DIGIT, 'u');

/** Whether `word` is a number in figures, in any script: "12", "1.5". */
export function isNumeral(word: string): boolean {
  return NUMERAL.test(word);
}

/** The integer a numeral stands for ("12", "3.0"), undefined for one with a fraction. */
export function asInteger(numeral: string): bigint | undefined {
  return scaled(numeral, 1n);
}

/** `value` times `multiplier` where that is an integer ("2.5" million), undefined where not ("1.2.3"). */
export function scaled(value: bigint | string, multiplier: bigint): bigint | undefined {
  if (typeof value === 'bigint') return value * multiplier;
  const parts = FRACTION.exec(value);
  if (parts === null) return undefined;
  // Zeros at the end of the decimals would only make the numbers longer.
  const decimals = toAsciiDigits(parts[2] ?? '').replace(/0+$/, '');
  const product = BigInt(toAsciiDigits(parts[1]!) + decimals) * multiplier;
  const unit = 10n ** BigInt(decimals.length);
  return product % unit === 0n ? product / unit : undefined;
}

/** Every script's decimal digits stand in runs from zero to nine, so the distance to the run's start is the digit. */
function toAsciiDigits(digits: string): string {
  return digits.replace(/[^0-9]/gu, (digit) => {
    const code = digit.codePointAt(0)!;
    let start = code;
    while (ANY_DIGIT.test(String.fromCodePoint(start - 1))) start -= 1;
    return String((code - start) % 10);
  });
}
