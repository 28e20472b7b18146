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
  /** `[rows, time]`: what the decoder reads, where that is not the labels shifted: a row has a prompt. */
  inputs?: Int32Array;
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
  return {
    samples: rows.map(({ samples }) => samples),
    ...(rows.some(({ prompt }) => prompt) ? withPrompts(rows, startToken) : withoutPrompts(rows, startToken)),
    rows: rows.map(({ id, text, language, task }) => ({
      ...{ id, text },
      ...(language !== undefined && { language }),
      ...(task !== undefined && { task }),
    })),
    audioSeconds: rows.reduce((sum, { samples }) => sum + samples.length, 0) / sampleRate,
  };
}

type Tokens = Pick<Collated, 'labels' | 'inputs' | 'time'>;

function withoutPrompts(rows: readonly PreparedRow[], startToken: number): Tokens {
  const skip = rows.every(({ labels }) => labels[0] === startToken) ? 1 : 0;
  const time = Math.max(0, ...rows.map(({ labels }) => labels.length - skip));
  const labels = new Int32Array(rows.length * time).fill(ignored);
  for (const [i, row] of rows.entries()) labels.set(skip ? row.labels.slice(1) : row.labels, i * time);
  return { labels, time };
}

/**
 * Where there are prompts the decoder reads each row's tokens, from the first of its prompt or its start token to the last
 * but one, and learns what follows each, from the start token on.
 */
function withPrompts(rows: readonly PreparedRow[], startToken: number): Tokens {
  const read = rows.map(({ prompt = [], labels }) => {
    const learnt = labels[0] === startToken ? labels.slice(1) : labels;
    return { before: prompt.length, tokens: [...prompt, startToken, ...learnt] };
  });
  const time = Math.max(...read.map(({ tokens }) => tokens.length - 1));
  const labels = new Int32Array(rows.length * time).fill(ignored);
  // Behind a row's end nothing is learnt: any token will do.
  const inputs = new Int32Array(rows.length * time).fill(startToken);
  for (const [i, { before, tokens }] of read.entries()) {
    inputs.set(tokens.slice(0, -1), i * time);
    labels.set(tokens.slice(before + 1), i * time + before);
  }
  return { labels, inputs, time };
}
