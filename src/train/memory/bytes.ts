// Amounts of memory as people write them: 16GB is 16·10⁹ bytes, 16GiB is 16·2³⁰.
import type { Form } from '../option.js';

const UNITS = ['', 'K', 'M', 'G', 'T'];

/** Above zero and with a unit, as a bare 16 means sixteen bytes to nobody. */
const SIZE = /^(?=.*[1-9])\s*(\d+(?:\.\d+)?)\s*([KMGT])(i?)B\s*$/i;

/** The form of an option that is a size. */
export const SIZE_FORM: Form = {
  pattern: SIZE,
  words: 'a size above 0 as 16GB or 24GiB (KB, MB, GB, TB, KiB, MiB, GiB, TiB)',
  placeholder: 'SIZE',
};

/** The bytes of a size of that form. */
export function parseBytes(text: string): number {
  const [, amount, letter, binary] = SIZE.exec(text)!;
  const power = UNITS.indexOf(letter!.toUpperCase());
  return Math.floor(Number(amount) * (binary ? 1024 : 1000) ** power);
}

/** For people, in decimal units: `1.53 GB`. */
export function formatBytes(bytes: number): string {
  return inUnits(bytes, Math.round, ' ');
}

/** As an option takes it, and never less than `bytes`: `1.54GB`. */
export function formatBudget(bytes: number): string {
  return inUnits(bytes, Math.ceil, '');
}

/** Three digits, or as many as there are before the point. */
function inUnits(bytes: number, round: (value: number) => number, space: string): string {
  let power = 0;
  while (power + 1 < UNITS.length && bytes >= 999.5 * 1000 ** power) power++;
  const value = bytes / 1000 ** power;
  const digits = power === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${(round(value * 10 ** digits) / 10 ** digits).toFixed(digits)}${space}${UNITS[power]}B`;
}
