// From a row to what the model is fed: text to labels, audio to samples, and the reasons to leave a row out.
import { WhisperError } from '../errors.js';
import type { Augmentation } from './augment.js';
import type { Row, TimedText } from './dataset.js';
import type { Decoder } from './decode/pool.js';
import { loadSamples, type Resample, sampleRate } from './decode/samples.js';
import { RowDraws } from './draws.js';
import type { DropReason } from './drops.js';

/** A row ready for a batch. `text` is what the labels were made of. */
export interface PreparedRow {
  id: string;
  text: string;
  language?: string;
  task?: string;
  /** Mono, 16 kHz. */
  samples: Float32Array;
  labels: number[];
  /** Times in the samples. */
  segments?: readonly TimedText[];
  /** Tokens that the decoder reads before the labels, and does not learn. */
  prompt?: number[];
}

/** A row without its audio, its texts as they are to be learnt. */
export type Said = Omit<Row, 'audio'>;

/** What the labels of a row depend on beside the row. */
export interface Clip {
  /** Of the audio as the model hears it. */
  seconds: number;
  draws: RowDraws;
}

export type Prepared = { row: PreparedRow } | { reason: DropReason; detail: string };

/** What to do with a label that is longer than the model's decoder. */
export type LongLabelPolicy = 'drop' | 'truncate' | 'error';

export interface PrepareOptions {
  /** The labels of a row: prompt tokens, text and end token. `row.text` is already lower-cased and normalised. */
  labels: (row: Said, clip: Clip) => number[];
  /** The tokens before them, at most as many as given. Default: none. */
  prompt?: (row: Said, clip: Clip, most: number) => number[];
  /** The token every decoder input begins with; a label that has it is one token shorter for the model. */
  startToken: number;
  /** Seconds; rows of that length or shorter are dropped. Undefined: none. */
  minDuration?: number;
  /** Seconds; rows of that length or longer are dropped. Undefined: none. */
  maxDuration?: number;
  /** The decoder's positions. Default 448. */
  maxLabels?: number;
  /** Default `drop`. */
  onLongLabel?: LongLabelPolicy;
  /** Drop rows whose text is empty. Default true. */
  dropEmptyText?: boolean;
  lowerCase?: boolean;
  /** Applied after lower-casing. */
  normalizeText?: (text: string) => string;
  /** Changes clips as training does. */
  augmentation?: Augmentation;
  decoder?: Decoder;
  resample?: Resample;
}

/**
 * Prepares one row. A row is dropped for the cheapest reason first: text, then what the audio file's header says, then
 * its samples, then the label.
 *
 * Durations are strict on both sides, on the decoded samples: kept when `min * 16000 < samples < max * 16000`, as the
 * scripts of the Hugging Face fine-tuning event have it. Audio that is played at another speed is measured before.
 *
 * @param at what is drawn for the row is a function of seed, pass and its name
 * @throws WhisperError ERR_DATA for a long label under the policy `error`, or a clip outside the data set's folder
 */
export async function prepareRow(
  row: Row,
  options: PrepareOptions,
  { seed, pass }: { seed: number; pass: number },
): Promise<Prepared> {
  const { minDuration, maxDuration, normalizeText, augmentation } = options;
  const written = (given: string): string => {
    const text = options.lowerCase ? given.toLowerCase() : given;
    return normalizeText ? normalizeText(text) : text;
  };
  const text = written(row.text);
  if ((options.dropEmptyText ?? true) && text.trim() === '')
    return { reason: 'empty-text', detail: 'no text' };

  const draws = new RowDraws(seed, pass, row.id);
  const change = await augmentation?.change(draws);
  const limits = { minSeconds: minDuration ?? Number.NEGATIVE_INFINITY, maxSeconds: maxDuration ?? Infinity };
  const limited = minDuration !== undefined || maxDuration !== undefined;
  const loaded = await loadSamples(row.audio, {
    ...(limited && { limits }),
    ...(change && { change }),
    ...(options.decoder && { decoder: options.decoder }),
    ...(options.resample && { resample: options.resample }),
  });
  if ('fault' in loaded) return { reason: loaded.fault, detail: loaded.detail };
  if (loaded.damage !== undefined) return { reason: 'damaged', detail: loaded.damage };
  const { samples, speed = 1 } = loaded;
  const duration = `${(samples.length / sampleRate).toFixed(2)} s`;
  if (samples.length <= limits.minSeconds * sampleRate) return { reason: 'too-short', detail: duration };
  if (samples.length >= limits.maxSeconds * sampleRate) return { reason: 'too-long', detail: duration };

  const said: Said = { ...row, text };
  if (row.previous !== undefined) said.previous = written(row.previous);
  if (row.segments) {
    said.segments = row.segments.map(({ start, end, text }) => {
      return { start: start / speed, end: end / speed, text: written(text) };
    });
  }
  const labels = label(said, samples.length, draws, options);
  if ('reason' in labels) return labels;
  const prepared: PreparedRow = { id: row.id, text, samples, ...labels };
  if (said.segments) prepared.segments = said.segments;
  if (row.language !== undefined) prepared.language = row.language;
  if (row.task !== undefined) prepared.task = row.task;
  return { row: prepared };
}

/** Labels that fit the decoder's positions, and what prompt has room before them. */
function label(
  row: Said,
  samples: number,
  draws: RowDraws,
  options: PrepareOptions,
): { labels: number[]; prompt?: number[] } | { reason: DropReason; detail: string } {
  const clip: Clip = { seconds: samples / sampleRate, draws };
  const labels = fitLabels(row, options.labels(row, clip), options);
  if (!Array.isArray(labels)) return labels;
  // The decoder reads the prompt and all labels but the last.
  const prompt = options.prompt?.(row, clip, (options.maxLabels ?? 448) - (labels.length - 1)) ?? [];
  return prompt.length > 0 ? { labels, prompt } : { labels };
}

/** How many labels the decoder has positions for: the start token is its first input, and takes none as a label. */
function mostLabels(labels: number[], { startToken, maxLabels = 448 }: PrepareOptions): number {
  return maxLabels + (labels[0] === startToken ? 1 : 0);
}

/** Whether the decoder has a position for each label (see collate.ts). */
export function labelsFit(labels: number[], options: PrepareOptions): boolean {
  return labels.length <= mostLabels(labels, options);
}

/** The labels, made to fit the decoder's positions by the policy. */
function fitLabels(
  row: Said,
  labels: number[],
  options: PrepareOptions,
): number[] | { reason: DropReason; detail: string } {
  if (labelsFit(labels, options)) return labels;
  const { maxLabels = 448, onLongLabel = 'drop' } = options;
  const most = mostLabels(labels, options);
  const detail = `its label has ${labels.length - (most - maxLabels)} tokens, the model has ${maxLabels} positions`;
  if (onLongLabel === 'drop') return { reason: 'long-label', detail };
  if (onLongLabel === 'error') throw new WhisperError('ERR_DATA', `${row.id}: ${detail}`);
  // The end token stays: a model that never sees it does not learn to stop.
  return [...labels.slice(0, most - 1), labels.at(-1)!];
}
