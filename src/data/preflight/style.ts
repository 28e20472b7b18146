// How texts of a source are written: with capitals or without, with punctuation or without.

const MARK = /[.,?!;:…。、，？！।؟،]/u;
const UPPER = /\p{Lu}/u;
const LOWER = /\p{Ll}/u;
/** Fewer rows say nothing of a source. */
const fewest = 20;

/** The style of one source's rows. */
export class Style {
  readonly name: string;
  /** The first row, as an example. */
  readonly first: { row: string; text: string };
  #rows = 0;
  #cased = 0;
  #withUpper = 0;
  #onlyUpper = 0;
  #punctuated = 0;

  constructor(name: string, row: string, text: string) {
    this.name = name;
    this.first = { row, text };
  }

  add(text: string): void {
    this.#rows += 1;
    const [upper, lower] = [UPPER.test(text), LOWER.test(text)];
    if (upper || lower) this.#cased += 1;
    if (upper) this.#withUpper += 1;
    if (upper && !lower) this.#onlyUpper += 1;
    if (MARK.test(text)) this.#punctuated += 1;
  }

  /** In words, as `lower case, no punctuation`; undefined where the rows are too few to tell. */
  describe(): string | undefined {
    if (this.#rows < fewest) return undefined;
    const punctuation = this.#punctuated >= 0.1 * this.#rows ? 'punctuation' : 'no punctuation';
    const casing = this.#casing();
    return casing === undefined ? punctuation : `${casing}, ${punctuation}`;
  }

  /** Undefined for scripts without capitals. */
  #casing(): string | undefined {
    if (this.#cased < 0.1 * this.#rows) return undefined;
    if (this.#onlyUpper >= 0.9 * this.#cased) return 'upper case';
    return this.#withUpper <= 0.1 * this.#cased ? 'lower case' : 'capitals';
  }
}

/** Where a row is from: its file, of numbered shards all of them. */
export function originOf(row: string): string {
  const file = /^(.+?):\d/.exec(row)?.[1] ?? 'rows';
  return file.replace(/\d+/g, 'N');
}
