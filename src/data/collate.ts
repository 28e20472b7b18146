// From prepared rows to one batch: samples side by side, labels padded to one length.
import { sampleRate } from './decode/samples.js';
import type { PreparedRow } from './prepare.js';

/** Label of a position that is not learned. */
export const ignored = -100;

export interface Collated {
  /** Mono 16 kHz audio of each row, of its real length. */
  samples: Float32Array[];
  /** `[rows, time]`, row after row, padded with -100. */
  labels: Int32Array;
  time: number;
  rows: { id: string; text: string; language?: string; task?: string }[];
  /** The sum of the rows' lengths in seconds. */
  audioSeconds: number;
}

/**
 * Puts rows into a batch. When every row's label begins with the decoder's start token, that column is left out, since
 * the model puts it before its input itself (`DataCollatorSpeechSeq2SeqWithPadding` of the fine-tuning event's script).
 */
export function collate(rows: readonly PreparedRow[], startToken: number): Collated {
  const skip = rows.every(({ labels }) => labels[0] === startToken) ? 1 : 0;
  const time = Math.max(0, ...rows.map(({ labels }) => labels.length - skip));
  const labels = new Int32Array(rows.length * time).fill(ignored);
  for (const [i, row] of rows.entries()) labels.set(skip ? row.labels.slice(1) : row.labels, i * time);
  return {
    samples: rows.map(({ samples }) => samples),
    labels,
    time,
    rows: rows.map(({ samples: _samples, labels: _labels, ...row }) => row),
    audioSeconds: rows.reduce((sum, { samples }) => sum + samples.length, 0) / sampleRate,
  };
}
