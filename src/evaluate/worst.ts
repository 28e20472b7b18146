// The utterances with the most errors of an evaluation, with their clips as far as a budget of bytes allows.
import { wavFile } from '../files/wav-writer.js';
import { errorsOf } from './alignment.js';
import type { EvaluatedRow } from './evaluate.js';
import { type UtteranceRecord, utteranceRecord } from './utterances.js';

/** An utterance with at least one error. */
export interface BadUtterance {
  record: UtteranceRecord;
  /** Its place in the evaluation, from 0. */
  index: number;
  /** Substitutions, deletions and insertions of words. */
  errors: number;
  /** The clip as a WAV file, where the budget suffices. */
  clip?: Buffer;
}

export interface WorstOptions {
  /** Utterances to keep. */
  count: number;
  /** Bytes of all clips together. */
  clipBytes: number;
}

/** Keeps the worst of the rows it is given: most errors first, then the highest rate, then the first. */
export class WorstUtterances {
  readonly #options: WorstOptions;
  readonly #kept: BadUtterance[] = [];
  #bytes = 0;
  #index = 0;

  constructor(options: WorstOptions) {
    this.#options = options;
  }

  add(row: EvaluatedRow): void {
    const index = this.#index++;
    if (typeof row.score === 'string') return;
    const utterance: BadUtterance = {
      record: utteranceRecord(row),
      index,
      errors: errorsOf(row.score.words),
    };
    const { count, clipBytes } = this.#options;
    const after = this.#kept.findIndex((kept) => compareBadness(utterance, kept) < 0);
    const place = after < 0 ? this.#kept.length : after;
    if (utterance.errors === 0 || place >= count) return;
    // What the clip takes is known before it is made.
    if (44 + 2 * row.samples.length <= clipBytes) {
      utterance.clip = wavFile(row.samples);
      this.#bytes += utterance.clip.length;
    }
    this.#kept.splice(place, 0, utterance);
    for (const gone of this.#kept.splice(count)) this.#dropClip(gone);
    // The least bad give their clips up first: they can only fall in rank.
    for (let i = this.#kept.length - 1; this.#bytes > clipBytes; i--) this.#dropClip(this.#kept[i]!);
  }

  /** The worst first. */
  list(): readonly BadUtterance[] {
    return this.#kept;
  }

  #dropClip(utterance: BadUtterance): void {
    this.#bytes -= utterance.clip?.length ?? 0;
    delete utterance.clip;
  }
}

function compareBadness(a: BadUtterance, b: BadUtterance): number {
  return b.errors - a.errors || (b.record.wer ?? 0) - (a.record.wer ?? 0) || a.index - b.index;
}
