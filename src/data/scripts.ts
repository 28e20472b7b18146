// The scripts that languages are written in, to see when a text is not of the language it is said to be of.

/** Unicode's names of the scripts by the codes of languages; those that are not here are written in Latin letters. */
const SCRIPTS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    'ar fa ur ps': ['Arabic'],
    'ha ms': ['Latin', 'Arabic'],
    sd: ['Arabic', 'Devanagari'],
    'ru uk bg mk be ba': ['Cyrillic'],
    'sr bs az uz tk tt': ['Cyrillic', 'Latin'],
    kk: ['Cyrillic', 'Latin', 'Arabic'],
    tg: ['Cyrillic', 'Arabic'],
    mn: ['Cyrillic', 'Mongolian'],
    'zh yue': ['Han', 'Bopomofo'],
    ja: ['Han', 'Hiragana', 'Katakana'],
    ko: ['Hangul', 'Han'],
    'hi mr ne sa': ['Devanagari'],
    'bn as': ['Bengali'],
    pa: ['Gurmukhi', 'Arabic'],
    gu: ['Gujarati'],
    ta: ['Tamil'],
    te: ['Telugu'],
    kn: ['Kannada'],
    ml: ['Malayalam'],
    si: ['Sinhala'],
    th: ['Thai'],
    lo: ['Lao'],
    km: ['Khmer'],
    my: ['Myanmar'],
    bo: ['Tibetan'],
    jw: ['Latin', 'Javanese'],
    su: ['Latin', 'Sundanese'],
    'he yi': ['Hebrew'],
    el: ['Greek'],
    hy: ['Armenian'],
    ka: ['Georgian'],
    am: ['Ethiopic'],
  }).flatMap(([codes, scripts]) => codes.split(' ').map((code) => [code, scripts] as const)),
);

const LETTER = /\p{L}/gu;
const patterns = new Map<string, RegExp>();

/** The usual scripts of a language, by its code. */
export function scriptsOf(code: string): readonly string[] {
  return SCRIPTS.get(code) ?? ['Latin'];
}

/** How many letters a text has, and how many of them are of the usual scripts of a language, given by its code. */
export function countLetters(text: string, code: string): { letters: number; usual: number } {
  const letters = text.match(LETTER)?.length ?? 0;
  return { letters, usual: letters === 0 ? 0 : (text.match(usualLetters(code))?.length ?? 0) };
}

function usualLetters(code: string): RegExp {
  let pattern = patterns.get(code);
  if (!pattern) {
    const scripts = scriptsOf(code).map((script) => `\\p{Script_Extensions=${script}}`);
    pattern = new RegExp(`(?=\\p{L})[${scripts.join('')}]`, 'gu');
    patterns.set(code, pattern);
  }
  return pattern;
}
