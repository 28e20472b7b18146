// The languages Whisper knows, in the order of their tokens, and how people may spell them.
import { WhisperError } from '../errors.js';

/**
 * Code and name of every language, in the order of the tokens that follow `<|startoftranscript|>`.
 * Vocabularies before large-v3 end with Sundanese; Cantonese came with large-v3.
 * Source: `LANGUAGES` in openai/whisper `tokenizer.py`.
 */
export const LANGUAGES: ReadonlyMap<string, string> = new Map(
  `en english, zh chinese, de german, es spanish, ru russian, ko korean, fr french, ja japanese, pt portuguese,
  tr turkish, pl polish, ca catalan, nl dutch, ar arabic, sv swedish, it italian, id indonesian, hi hindi,
  fi finnish, vi vietnamese, he hebrew, uk ukrainian, el greek, ms malay, cs czech, ro romanian, da danish,
  hu hungarian, ta tamil, no norwegian, th thai, ur urdu, hr croatian, bg bulgarian, lt lithuanian, la latin,
  mi maori, ml malayalam, cy welsh, sk slovak, te telugu, fa persian, lv latvian, bn bengali, sr serbian,
  az azerbaijani, sl slovenian, kn kannada, et estonian, mk macedonian, br breton, eu basque, is icelandic,
  hy armenian, ne nepali, mn mongolian, bs bosnian, kk kazakh, sq albanian, sw swahili, gl galician,
  mr marathi, pa punjabi, si sinhala, km khmer, sn shona, yo yoruba, so somali, af afrikaans, oc occitan,
  ka georgian, be belarusian, tg tajik, sd sindhi, gu gujarati, am amharic, yi yiddish, lo lao, uz uzbek,
  fo faroese, ht haitian creole, ps pashto, tk turkmen, nn nynorsk, mt maltese, sa sanskrit, lb luxembourgish,
  my myanmar, bo tibetan, tl tagalog, mg malagasy, as assamese, tt tatar, haw hawaiian, ln lingala, ha hausa,
  ba bashkir, jw javanese, su sundanese, yue cantonese`
    .split(/,\s+/)
    .map((entry) => {
      const space = entry.indexOf(' ');
      return [entry.slice(0, space), entry.slice(space + 1)] as const;
    }),
);

/** Other names of some languages (openai/whisper `TO_LANGUAGE_CODE`), to their codes. */
export const LANGUAGE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['burmese', 'my'],
  ['valencian', 'ca'],
  ['flemish', 'nl'],
  ['haitian', 'ht'],
  ['letzeburgesch', 'lb'],
  ['pushto', 'ps'],
  ['panjabi', 'pa'],
  ['moldavian', 'ro'],
  ['moldovan', 'ro'],
  ['sinhalese', 'si'],
  ['castilian', 'es'],
  ['mandarin', 'zh'],
]);

const CODE_BY_NAME: ReadonlyMap<string, string> = new Map([
  ...[...LANGUAGES].map(([code, name]) => [name, code] as const),
  ...LANGUAGE_ALIASES,
]);

/**
 * The code of a language given by code (`es`), name (`Spanish`) or alias (`castilian`); upper and lower case
 * and surrounding spaces do not matter.
 *
 * @param own codes that a model knows, where it may know more than Whisper does
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for anything else; the message names the closest spellings.
 */
export function languageCode(language: string, own: ReadonlyMap<string, unknown> = LANGUAGES): string {
  const wanted = language
    .trim()
    .toLowerCase()
    .replace(/^<\|(.+)\|>$/, '$1');
  if (LANGUAGES.has(wanted) || own.has(wanted)) return wanted;
  const code = CODE_BY_NAME.get(wanted);
  if (code !== undefined) return code;
  const near = closestNames(wanted);
  const hint =
    near.length > 0
      ? `did you mean ${near.join(' or ')}?`
      : 'expected a name such as "spanish" or a code such as "es"';
  throw new WhisperError('ERR_INVALID_ARGUMENT', `unknown language ${JSON.stringify(language)}: ${hint}`);
}

/** Up to three known names at most a third of their letters away, or that `wanted` begins, the nearest first. */
function closestNames(wanted: string): string[] {
  if (wanted.length < 2 || wanted.length > 40) return [];
  return [...CODE_BY_NAME]
    .map(([name, code]) => ({
      name,
      code,
      distance: name.startsWith(wanted) ? 0.5 : editDistance(wanted, name),
    }))
    .filter(({ name, distance }) => distance <= Math.ceil(name.length / 3))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name, code }) => `"${name}" (${code})`);
}

/** Edit distance in which two swapped neighbours count once, as typists swap them. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
      }
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
