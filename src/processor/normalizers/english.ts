// The English text normaliser of Whisper's evaluation: contractions, titles, numbers, British spellings.
import { removeBracketed, removeSymbolsAndDiacritics } from './basic.js';
import { normalizeEnglishNumbers } from './english-numbers.js';
import { ENGLISH_SPELLINGS } from './english-spellings.js';
import { collapseSpaces, DIGIT, SPACE, splitWords, WORD_END, WORD_START } from './python-text.js';

export interface EnglishNormalizerOptions {
  /** British to American spelling, word by word. Default: the map of the released checkpoints' normalizer.json. */
  spellings?: ReadonlyMap<string, string>;
}

const FILLERS = new RegExp(`${WORD_START}(hmm|mm|mhm|mmm|uh|um)${WORD_END}`, 'gu');
// The lookbehind keeps a long run of spaces from being tried at each of its positions.
const SPACE_BEFORE_APOSTROPHE = new RegExp(`(?<!${SPACE})${SPACE}+'`, 'gu');
const COMMA_BETWEEN_DIGITS = new RegExp(`(${DIGIT}),(${DIGIT})`, 'gu');

// Whole words, then endings; applied in this order, each over the result of the one before.
const REPLACEMENTS: readonly (readonly [RegExp, string])[] = [
  ...Object.entries({
    "won't": 'will not',
    "can't": 'can not',
    "let's": 'let us',
    "ain't": 'aint',
    "y'all": 'you all',
    wanna: 'want to',
    gotta: 'got to',
    gonna: 'going to',
    "i'ma": 'i am going to',
    imma: 'i am going to',
    woulda: 'would have',
    coulda: 'could have',
    shoulda: 'should have',
    "ma'am": 'madam',
    // Titles bring a space of their own: "dr.smith".
    mr: 'mister ',
    mrs: 'missus ',
    st: 'saint ',
    dr: 'doctor ',
    prof: 'professor ',
    capt: 'captain ',
    gov: 'governor ',
    ald: 'alderman ',
    gen: 'general ',
    sen: 'senator ',
    rep: 'representative ',
    pres: 'president ',
    rev: 'reverend ',
    hon: 'honorable ',
    asst: 'assistant ',
    assoc: 'associate ',
    lt: 'lieutenant ',
    col: 'colonel ',
    jr: 'junior ',
    sr: 'senior ',
    esq: 'esquire ',
  }).map(([word, words]) => [new RegExp(`${WORD_START}${word}${WORD_END}`, 'gu'), words] as const),
  ...Object.entries({
    "'d been": ' had been',
    "'s been": ' has been',
    "'d gone": ' had gone',
    "'s gone": ' has gone',
    "'d done": ' had done', // "'s done" may be "is done"
    "'s got": ' has got',
    "n't": ' not',
    "'re": ' are',
    "'s": ' is',
    "'d": ' would',
    "'ll": ' will',
    "'t": ' not',
    "'ve": ' have',
    "'m": ' am',
  }).map(([ending, words]) => [new RegExp(`${ending}${WORD_END}`, 'gu'), words] as const),
];

/**
 * Whisper's normaliser for English: what `basicNormalizer` does with diacritics removed, and before that
 * fillers (`uh`, `mm`) deleted, contractions and titles written out, spelled numbers as figures
 * (`"twenty-five dollars"` gives `"$25"`), British spellings as American ones. Ends are not trimmed.
 *
 * Source: `EnglishTextNormalizer` of transformers, with the spelling map of its `normalizer.json`. That map is
 * openai/whisper's `english.json` and one entry more, `mm` to `hmm`, so that `"10mm"` becomes `"10 hmm"` here
 * and `"10 mm"` there; pass `spellings` for another map.
 */
export function englishNormalizer(text: string, options: EnglishNormalizerOptions = {}): string {
  const spellings = options.spellings ?? ENGLISH_SPELLINGS;
  let words = removeBracketed(text.toLowerCase()).replace(FILLERS, '').replace(SPACE_BEFORE_APOSTROPHE, "'");
  for (const [pattern, replacement] of REPLACEMENTS) words = words.replace(pattern, replacement);
  words = words.replace(COMMA_BETWEEN_DIGITS, '$1$2').replace(/\.([^0-9]|$)/gu, ' $1');
  words = removeSymbolsAndDiacritics(words, '.%$¢€£');
  words = normalizeEnglishNumbers(words);
  words = splitWords(words)
    .map((word) => spellings.get(word) ?? word)
    .join(' ');
  // Signs that belonged to a number stay, all others go.
  words = words.replace(/[.$¢€£]([^0-9])/gu, ' $1').replace(/([^0-9])%/gu, '$1 ');
  return collapseSpaces(words);
}
