// The check of one split: row by row its text, language and audio, and in the end what only all rows together show.
import { WhisperError } from '../../errors.js';
import { LANGUAGES } from '../../processor/languages.js';
import { basicNormalizer } from '../../processor/normalizers/basic.js';
import type { WhisperTokenizer } from '../../processor/tokenizer.js';
import type { Row } from '../dataset.js';
import { type Examined, shortDigest } from '../decode/examine.js';
import { RowDraws } from '../draws.js';
import { type LabelOptions, labelsOf, localeLanguage, spokenIn } from '../labels.js';
import { countLetters, scriptsOf } from '../scripts.js';
import { type Finding, Findings } from './findings.js';
import { Rates, type Spread, spreadOf } from './spread.js';
import { originOf, Style } from './style.js';

/** What rows are checked against. */
export interface RowChecks {
  /** Language and task of rows that name none, and what their labels have. */
  labels?: LabelOptions;
  /** For the lengths of labels. */
  tokenizer?: WhisperTokenizer | undefined;
  /** The decoder's positions. Default 448. */
  maxLabels?: number;
  /** Seconds that the model hears at once. Default 30. */
  window?: number;
  /** Limits of training, in seconds. */
  minDuration?: number;
  maxDuration?: number;
  /** What texts go through before they are learnt. */
  written?: (text: string) => string;
}

/** Of a split that others are compared with, by digests: what is said in it and its audio. */
export interface Seen {
  texts: ReadonlySet<number>;
  audio: ReadonlySet<number>;
}

export interface SplitReport {
  name: string;
  rows: number;
  /** Of the rows whose audio could be read. */
  hours: number;
  seconds?: Spread;
  /** Tokens of labels, as the decoder has positions for them; only where the tokenizer is known. */
  labels?: Spread;
  /** Rows by the code of their language; those of none under `none`. */
  languages: Record<string, number>;
  /** How each source is written. */
  styles: { source: string; style: string }[];
}

/** What became of a row's audio. */
export type Heard = { examined: Examined } | { fault: 'missing' | 'undecodable'; detail: string };

export class SplitCheck {
  readonly findings: Findings;
  readonly #name: string;
  readonly #trained: boolean;
  readonly #checks: RowChecks;
  readonly #against: Seen | undefined;
  readonly #labels: ReturnType<typeof labelsOf> | undefined;
  readonly #texts = new Set<number>();
  readonly #audio = new Set<number>();
  readonly #languages = new Map<string, number>();
  readonly #styles = new Map<string, Style>();
  readonly #rates = new Map<string, Rates>();
  readonly #seconds: number[] = [];
  readonly #lengths: number[] = [];
  #rows = 0;

  /**
   * @param trained that the split is trained on: limits of training hold
   * @param against a split that should have nothing in common with this one
   */
  constructor(name: string, trained: boolean, checks: RowChecks, against?: Seen) {
    this.#name = name;
    this.#trained = trained;
    this.#checks = checks;
    this.#against = against;
    this.findings = new Findings(name);
    this.#labels = checks.tokenizer && labelsOf(checks.tokenizer, checks.labels ?? {});
  }

  get seen(): Seen {
    return { texts: this.#texts, audio: this.#audio };
  }

  /** @param source that the row is of, where there are several */
  add(row: Row, heard: Heard, source = originOf(row.id)): void {
    this.#rows += 1;
    const written = this.#checks.written?.(row.text) ?? row.text;
    const text = written.trim();
    const { language, known } = this.#addLanguage(row);
    const seconds = this.#addAudio(row.id, heard);
    if (text === '') {
      this.findings.add('empty-text', row.id, 'no text');
      return;
    }
    this.#addText(row.id, text, language, source);
    if (seconds) this.#addRate(row.id, text, seconds, language);
    if (known) this.#addLabels({ ...row, text: written }, seconds ?? 0);
  }

  /** What is known once all rows were added. */
  report(): { split: SplitReport; findings: Finding[] } {
    if (this.#rows === 0) this.findings.add('no-rows', '', 'the split is empty');
    for (const rates of this.#rates.values()) {
      for (const { row, rate, usual } of rates.outliers()) {
        const detail = `${rate.toFixed(1)} characters to a second, usual are ${usual.toFixed(1)}`;
        this.findings.add('rate-outlier', row, detail);
      }
    }
    const split: SplitReport = {
      name: this.#name,
      rows: this.#rows,
      hours: this.#seconds.reduce((sum, seconds) => sum + seconds, 0) / 3600,
      ...(this.#seconds.length > 0 && { seconds: spreadOf(this.#seconds) }),
      ...(this.#lengths.length > 0 && { labels: spreadOf(this.#lengths) }),
      languages: Object.fromEntries([...this.#languages].sort((a, b) => b[1] - a[1])),
      styles: this.#compareStyles(),
    };
    return { split, findings: this.findings.list() };
  }

  /** @returns the code of a row's language, where it has one, and whether the model knows language and task */
  #addLanguage(row: Row): { language: string | undefined; known: boolean } {
    const { tokenizer, labels = {} } = this.#checks;
    const named = row.language ?? labels.language;
    let language: string | undefined;
    let known = true;
    try {
      language = named === undefined ? undefined : localeLanguage(named, tokenizer?.languages);
      if (tokenizer) spokenIn(row, tokenizer, labels);
    } catch (error) {
      if (!(error instanceof WhisperError)) throw error;
      known = false;
      this.findings.add('unknown-language', row.id, error.message.replace(`${row.id}: `, ''));
    }
    const name = language ?? 'none';
    this.#languages.set(name, (this.#languages.get(name) ?? 0) + 1);
    if (named === undefined && (tokenizer?.isMultilingual ?? true)) {
      this.findings.add('no-language', row.id, 'no language');
    }
    return { language, known };
  }

  #addText(id: string, text: string, language: string | undefined, source: string): void {
    const style = this.#styles.get(source) ?? new Style(source, id, text);
    this.#styles.set(source, style);
    style.add(text);
    const digest = shortDigest(basicNormalizer(text).trim());
    this.#texts.add(digest);
    if (this.#against?.texts.has(digest)) this.findings.add('text-in-both', id, quoted(text));
    // Of languages that were added to a model nobody knows how they are written.
    if (language === undefined || !LANGUAGES.has(language)) return;
    const { letters, usual } = countLetters(text, language);
    // A word or two of another script may stand in any text.
    if (letters < 4 || usual >= letters / 2) return;
    const expected = `${LANGUAGES.get(language)} is written in ${scriptsOf(language).join(' or ')}`;
    this.findings.add('wrong-script', id, `${quoted(text)}: ${expected}`);
  }

  /** @returns how long the clip is, where it can be used */
  #addAudio(id: string, heard: Heard): number | undefined {
    if ('fault' in heard) {
      this.findings.add(heard.fault, id, heard.detail);
      return undefined;
    }
    const { seconds, digest, damage, silent } = heard.examined;
    this.#seconds.push(seconds);
    if (damage !== undefined) this.findings.add('damaged', id, damage);
    if (silent) this.findings.add('silent', id, `${seconds.toFixed(2)} s`);
    this.#addLength(id, seconds);
    if (digest !== undefined) {
      if (this.#audio.has(digest)) this.findings.add('duplicate', id, `${seconds.toFixed(2)} s`);
      if (this.#against?.audio.has(digest)) {
        this.findings.add('audio-in-both', id, `${seconds.toFixed(2)} s`);
      }
      this.#audio.add(digest);
    }
    return seconds;
  }

  #addLength(id: string, seconds: number): void {
    const { window = 30, minDuration = 0, maxDuration = Infinity } = this.#checks;
    const length = `${seconds.toFixed(2)} s`;
    // Clips that fill the window to the sample belong to it.
    if (seconds > window + 0.5 / 16000) this.findings.add('over-window', id, length);
    else if (this.#trained && seconds >= maxDuration) this.findings.add('too-long', id, length);
    else if (this.#trained && seconds <= minDuration) this.findings.add('too-short', id, length);
  }

  #addRate(id: string, text: string, seconds: number, language = 'none'): void {
    const rates = this.#rates.get(language) ?? new Rates();
    this.#rates.set(language, rates);
    rates.add(id, [...text].length, seconds);
  }

  #addLabels(row: Row, seconds: number): void {
    if (!this.#labels) return;
    const labels = this.#labels.labels(row, { seconds, draws: new RowDraws(42, 0, row.id) });
    // The start token takes no position of its own (see prepare.ts).
    const length = labels.length - 1;
    this.#lengths.push(length);
    const { maxLabels = 448 } = this.#checks;
    if (length > maxLabels) {
      this.findings.add('long-label', row.id, `${length} tokens, the model has ${maxLabels} positions`);
    }
  }

  /** Tells of every source that is written unlike the first. */
  #compareStyles(): SplitReport['styles'] {
    const styles = [...this.#styles.values()].flatMap((source) => {
      const style = source.describe();
      return style === undefined ? [] : [{ source, style }];
    });
    const usual = styles[0];
    for (const { source, style } of styles) {
      if (style === usual?.style) continue;
      const { row, text } = source.first;
      const detail = `${source.name}: ${style} (${quoted(text)}); ${usual!.source.name}: ${usual!.style}`;
      this.findings.add('mixed-style', row, detail);
    }
    return styles.map(({ source, style }) => ({ source: source.name, style }));
  }
}

/** The beginning of a text, for messages of one line. */
function quoted(text: string): string {
  const characters = [...text];
  return JSON.stringify(characters.length > 40 ? `${characters.slice(0, 40).join('')}…` : text);
}
