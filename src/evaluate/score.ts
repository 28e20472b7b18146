// Scoring of utterances: the edits of each under several normalisers, and their sums over a data set.
import { basicNormalizer } from '../processor/normalizers/basic.js';
import {
  addEdits,
  charactersOf,
  countEdits,
  type EditCounts,
  errorsOf,
  noEdits,
  wordsOf,
} from './alignment.js';
import { type NormalizerName, normalizerOf } from './normalizers.js';
import { percent } from './wer.js';

/** One reference against one hypothesis, both normalised. */
export interface UtteranceScore {
  reference: string;
  hypothesis: string;
  words: EditCounts;
  characters: EditCounts;
}

/** Error rates in percent. */
export interface Rates {
  wer: number;
  cer: number;
  /** Sentences with at least one error. */
  ser: number;
  /** What the word error rate is made of. */
  words: EditCounts;
  characters: EditCounts;
  /** Utterances whose reference is not empty under the normaliser. */
  sentences: number;
}

/** TED-LIUM's mark of a stretch that is not to be scored, after normalisation. */
const IGNORED = 'ignore time segment in scoring';

/** Why a reference counts in no error rate: it is empty, or says that it is not to be scored. */
export type Unscored = 'empty' | 'ignored';

/** Sums over utterances under one normaliser. */
class RateSums {
  readonly words = noEdits();
  readonly characters = noEdits();
  sentences = 0;
  wrong = 0;

  add({ words, characters }: UtteranceScore): void {
    addEdits(this.words, words);
    addEdits(this.characters, characters);
    this.sentences += 1;
    this.wrong += Number(errorsOf(words) > 0);
  }

  /** @throws WhisperError `ERR_DATA` where nothing was added */
  rates(references: number): Rates {
    return {
      wer: percent(this.words, 'word', references),
      cer: percent(this.characters, 'character', references),
      ser: (100 * this.wrong) / this.sentences,
      words: { ...this.words },
      characters: { ...this.characters },
      sentences: this.sentences,
    };
  }
}

/** Scores utterances one by one and keeps their sums, not their texts. */
export class Score {
  readonly unscored: Record<Unscored, number> = { empty: 0, ignored: 0 };
  readonly #main: NormalizerName;
  readonly #sums: Map<NormalizerName, RateSums>;
  readonly #languages = new Map<string, RateSums>();
  #references = 0;

  /** @throws WhisperError `ERR_INVALID_ARGUMENT` for a name that is no normaliser's */
  constructor(normalizer: NormalizerName) {
    normalizerOf(normalizer);
    this.#main = normalizer;
    const names = new Set<NormalizerName>([normalizer, 'basic', 'marks', 'none']);
    this.#sums = new Map([...names].map((name) => [name, new RateSums()]));
  }

  /** The score under the chosen normaliser, or why there is none. */
  add(reference: string, hypothesis: string, language: string | undefined): UtteranceScore | Unscored {
    this.#references += 1;
    // As in the event's evaluation script, the mark is looked for in the normalised reference.
    if (basicNormalizer(reference).trim() === IGNORED) {
      this.unscored.ignored += 1;
      return 'ignored';
    }
    let main: UtteranceScore | undefined;
    const scores: UtteranceScore[] = [];
    for (const [name, sums] of this.#sums) {
      const normalize = normalizerOf(name);
      const texts = { reference: normalize(reference), hypothesis: normalize(hypothesis) };
      if (texts.reference.trim() === '') continue;
      // Most normalisers leave most texts alike.
      const same = scores.find(
        (score) => score.reference === texts.reference && score.hypothesis === texts.hypothesis,
      );
      const score = same ?? scoreTexts(texts.reference, texts.hypothesis);
      scores.push(score);
      sums.add(score);
      if (name === this.#main) main = score;
    }
    if (!main) {
      this.unscored.empty += 1;
      return 'empty';
    }
    if (language !== undefined) {
      const sums = this.#languages.get(language) ?? new RateSums();
      this.#languages.set(language, sums);
      sums.add(main);
    }
    return main;
  }

  /**
   * Rates by normaliser, the chosen one first; of the others those that are defined.
   *
   * @throws WhisperError `ERR_DATA` where no reference has a word under the chosen one
   */
  rates(): Map<NormalizerName, Rates> {
    const defined = [...this.#sums].filter(
      ([name, sums]) => name === this.#main || sums.words.referenceLength > 0,
    );
    return new Map(defined.map(([name, sums]) => [name, sums.rates(this.#references)]));
  }

  /** Rates of the rows of each language, under the chosen normaliser, most words first. */
  languages(): Map<string, Rates> {
    return new Map(
      [...this.#languages]
        .filter(([, sums]) => sums.words.referenceLength > 0)
        .map(([language, sums]) => [language, sums.rates(this.#references)] as const)
        .sort(([, a], [, b]) => b.words.referenceLength - a.words.referenceLength),
    );
  }
}

function scoreTexts(reference: string, hypothesis: string): UtteranceScore {
  return {
    reference,
    hypothesis,
    words: countEdits(wordsOf(reference), wordsOf(hypothesis)),
    characters: countEdits(charactersOf(reference), charactersOf(hypothesis)),
  };
}
