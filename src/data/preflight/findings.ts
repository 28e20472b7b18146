// What preflight may find in a data set: what it is in words, and what becomes of it in training.

interface Kind {
  words: string;
  /** It ends training, or makes its result say other than it seems to. */
  serious?: true;
}

/** In the order in which they are told. */
const KINDS = {
  'no-rows': { words: 'no rows', serious: true },
  'unknown-language': {
    words: 'a language or task that the model does not know: training ends there',
    serious: true,
  },
  'audio-in-both': { words: 'the same audio in training', serious: true },
  missing: { words: 'no audio file: left out', serious: true },
  undecodable: { words: 'audio that cannot be decoded: left out', serious: true },
  damaged: { words: 'audio that is cut off or damaged: left out' },
  silent: { words: 'audio of nothing but silence' },
  'empty-text': { words: 'no text: left out of training' },
  'long-label': { words: 'labels of more tokens than there are positions' },
  'over-window': { words: 'audio longer than the model hears at once: left out' },
  'too-long': { words: 'audio of max_duration_in_seconds or longer: left out of training' },
  'too-short': { words: 'audio of min_duration_in_seconds or shorter: left out of training' },
  'wrong-script': { words: 'text in another script than the language’s' },
  'rate-outlier': { words: 'far more or less text to a second than usual: it may not belong to the audio' },
  duplicate: { words: 'audio that came before' },
  'text-in-both': { words: 'the same text in training, said by others perhaps' },
  'mixed-style': { words: 'capitals and punctuation unlike in another source: the model learns neither' },
  'no-language': { words: 'no language, of its own or by --language: the prompt names none' },
} as const satisfies Record<string, Kind>;

export type FindingKind = keyof typeof KINDS;

export interface Finding {
  kind: FindingKind;
  /** In words. */
  words: string;
  /** It ends training, or makes its result say other than it seems to. */
  serious: boolean;
  split: string;
  /** Rows; of `mixed-style` sources. */
  count: number;
  example: { row: string; detail: string };
}

/** Counts what is found in a split, with the first row of each kind. */
export class Findings {
  readonly #split: string;
  readonly #found = new Map<FindingKind, { count: number; example: Finding['example'] }>();

  constructor(split: string) {
    this.#split = split;
  }

  add(kind: FindingKind, row: string, detail: string): void {
    const found = this.#found.get(kind);
    if (found) found.count += 1;
    else this.#found.set(kind, { count: 1, example: { row, detail } });
  }

  list(): Finding[] {
    return Object.entries<Kind>(KINDS).flatMap(([name, { words, serious = false }]) => {
      const kind = name as FindingKind;
      const found = this.#found.get(kind);
      return found ? [{ kind, words, serious, split: this.#split, ...found }] : [];
    });
  }
}
