// Evaluation of a model on a data set: loss, word and character error rates, and signs of hallucination.
import { type Batch, batches } from '../data/batches.js';
import type { Source } from '../data/dataset.js';
import type { DropReport } from '../data/drops.js';
import { labelsOf, type Spoken, spokenIn } from '../data/labels.js';
import { WhisperError } from '../errors.js';
import type { Whisper } from '../model/whisper.js';
import { basicNormalizer } from '../processor/normalizers/basic.js';
import type { Task } from '../processor/tokenizer.js';
import type { EditCounts } from './alignment.js';
import { type Heard, runByPrompt } from './by-prompt.js';
import {
  HallucinationCounter,
  type HallucinationCounts,
  type Symptoms,
  symptomsOf,
} from './hallucinations.js';
import type { NormalizerName } from './normalizers.js';
import { type Rates, Score, type Unscored, type UtteranceScore } from './score.js';

/** What to do with audio that is longer than the model's window. */
export const LONG_AUDIO = ['drop', 'transcribe', 'truncate'] as const;
export type LongAudio = (typeof LONG_AUDIO)[number];

export interface EvaluateOptions {
  /** Language of the speech, in the prompt. Default: what generation_config.json says, or none. */
  language?: string | undefined;
  task?: Task | undefined;
  /** Generate behind the start token alone: the model itself finds language and task. Default: false. */
  predictLanguage?: boolean | undefined;
  /** Default: 8. */
  batchSize?: number | undefined;
  /** Tokens of a generated text, its prompt included. Default: the decoder's positions. */
  maxLength?: number | undefined;
  /** Applied to references and hypotheses. Default: `basic`. */
  normalizer?: NormalizerName | undefined;
  /** Lower-case the references, and the labels of the loss. */
  lowerCase?: boolean | undefined;
  /** Remove punctuation from the references, and the labels of the loss. */
  removePunctuation?: boolean | undefined;
  /** Measure the loss too. Default: true. */
  loss?: boolean | undefined;
  /** Generate texts, for the error rates. Default: true. */
  generate?: boolean | undefined;
  /**
   * Audio longer than the model's window: `drop` leaves it out and counts it, `transcribe` takes it window by window as
   * {@link transcribe} does (without loss), `truncate` hears its beginning against the whole text, as the event's script
   * does. Default: `drop`.
   */
  longAudio?: LongAudio | undefined;
  signal?: AbortSignal | undefined;
  /** Called after every batch with the rows done so far. */
  onProgress?: ((rows: number) => void) | undefined;
  /** Called for every row, in order; a promise that it returns is waited for. */
  onRow?: ((row: EvaluatedRow) => unknown) | undefined;
}

/** One row with what the model made of it. */
export interface EvaluatedRow {
  id: string;
  /** As in the data set. */
  reference: string;
  /** As generated. */
  hypothesis: string;
  /** Code of the row's own language, where it has one. */
  language?: string;
  /** The clip: mono, 16 kHz. */
  samples: Float32Array;
  /** Mean natural logarithm of the probability of the generated tokens, where the audio was heard in one window. */
  averageLogprob?: number;
  /** Both texts normalised, and their edits; or why the row counts in no error rate. */
  score: UtteranceScore | Unscored;
  symptoms: Symptoms;
}

export interface Evaluation {
  /** Mean over rows of the mean cross-entropy per token of their batch, in nats, as transformers' `eval_loss`. */
  loss?: number;
  /** Word error rate in percent. */
  wer?: number;
  /** Character error rate in percent. */
  cer?: number;
  /** Sentences with an error, in percent. */
  ser?: number;
  /** What the word error rate is made of. */
  words?: EditCounts;
  /** Rates by normaliser: the chosen one first, then `basic`, `marks` and `none`. */
  rates?: Partial<Record<NormalizerName, Rates>>;
  /** Rates by language code, where rows have languages of their own. */
  languages?: Record<string, Rates>;
  hallucinations?: HallucinationCounts;
  /** Rows that were heard but count in no error rate. */
  unscored?: Record<Unscored, number>;
  /** Rows evaluated. */
  samples: number;
  batches: number;
  audioSeconds: number;
  seconds: number;
  /** Rows that could not be evaluated, by reason; audio longer than the model's window is one. */
  dropped: DropReport['dropped'];
}

/**
 * Evaluates a model on a data set, in the order of its file.
 *
 * Error rates are over the whole set (all edits by all words of the references), in percent, after both texts were
 * normalised; pairs whose reference is empty then, or says that it is not to be scored, do not count. Source:
 * `compute_metrics` of the Whisper fine-tuning event's script (huggingface/community-events).
 *
 * @throws WhisperError `ERR_DATA` when no row can be used or no reference has a word, `ERR_INVALID_ARGUMENT` for
 *   wrong options, `ERR_CANCELLED`
 */
export async function evaluate(
  model: Whisper,
  dataset: Source,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const batches = evaluateInBatches(model, dataset, options);
  for (;;) {
    const { done, value } = await batches.next();
    if (done) return value;
    options.onProgress?.(value);
  }
}

/**
 * The same, giving the rows done so far after every batch. Leaving it early leaves nothing running.
 *
 * @throws WhisperError as {@link evaluate}
 */
export async function* evaluateInBatches(
  model: Whisper,
  dataset: Source,
  options: Omit<EvaluateOptions, 'onProgress'> = {},
): AsyncGenerator<number, Evaluation, void> {
  const { loss: wantsLoss = true, generate: wantsText = true, batchSize = 8, signal } = options;
  const { longAudio = 'drop' } = options;
  const { tokenizer, config } = model;
  const prompt = { language: options.language ?? model.generation.language ?? undefined, task: options.task };
  const score = new Score(options.normalizer ?? 'basic');
  checkLongAudio(longAudio, wantsLoss);
  // Wrong prompts are found before the first clip is decoded.
  const { labels } = labelsOf(tokenizer, prompt);

  const stream = batches({
    source: dataset,
    batchSize,
    passes: 1,
    labels,
    startToken: config.decoder_start_token_id,
    maxLabels: config.max_target_positions,
    onLongLabel: 'truncate',
    dropEmptyText: false,
    // Half a sample more than the window: clips that fill it exactly belong to it.
    ...(longAudio === 'drop' && { maxDuration: (model.windowSamples + 0.5) / 16000 }),
    ...(options.lowerCase && { lowerCase: true }),
    ...(options.removePunctuation && { normalizeText: (text: string) => basicNormalizer(text).trim() }),
    ...(signal && { signal }),
  });
  const started = performance.now();
  const symptoms = new HallucinationCounter();
  const result = { samples: 0, batches: 0, audioSeconds: 0 };
  const { maxLength, predictLanguage } = options;
  const wants = { loss: wantsLoss, text: wantsText, maxLength, predictLanguage, signal };
  let lossSum = 0;
  for await (const batch of stream) {
    const heard = longAudio === 'truncate' ? truncated(batch, model.windowSamples) : batch;
    const spoken = batch.rows.map((row) => spokenIn(row, tokenizer, prompt));
    const { losses, texts } = await runByPrompt(model, heard, spoken, wants);
    if (losses) lossSum += (sum(losses.sums) / Math.max(1, sum(losses.tokens))) * batch.rows.length;
    for (const [i, text] of texts.entries()) {
      const row = evaluatedRow(heard, i, text, spoken[i]!, score);
      symptoms.add(row.symptoms, row.score === 'empty');
      await options.onRow?.(row);
    }
    result.samples += batch.rows.length;
    result.batches += 1;
    result.audioSeconds += heard.audioSeconds;
    yield result.samples;
  }
  return {
    ...result,
    seconds: (performance.now() - started) / 1000,
    dropped: stream.drops().dropped,
    ...(wantsLoss && { loss: lossSum / result.samples }),
    ...(wantsText && { ...ratesOf(score), hallucinations: symptoms.counts }),
  };
}

/** @throws WhisperError `ERR_INVALID_ARGUMENT` */
function checkLongAudio(longAudio: LongAudio, wantsLoss: boolean): void {
  if (!LONG_AUDIO.includes(longAudio)) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `longAudio must be one of ${LONG_AUDIO.join(', ')}, got ${longAudio}`,
    );
  }
  if (longAudio === 'transcribe' && wantsLoss) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      'longAudio transcribe measures no loss, which belongs to one window: give loss false',
    );
  }
}

function truncated(batch: Batch, length: number): Batch {
  const samples = batch.samples.map((clip) => clip.subarray(0, length));
  return { ...batch, samples, audioSeconds: sum(samples.map((clip) => clip.length)) / 16000 };
}

function evaluatedRow(
  batch: Batch,
  index: number,
  { text, logprobs }: Heard,
  spoken: Spoken,
  score: Score,
): EvaluatedRow {
  const { id, text: reference, language: own } = batch.rows[index]!;
  const samples = batch.samples[index]!;
  const language = own === undefined ? undefined : (spoken.language ?? 'en');
  return {
    id,
    reference,
    hypothesis: text,
    samples,
    ...(language !== undefined && { language }),
    ...(logprobs && logprobs.length > 0 && { averageLogprob: sum(logprobs) / logprobs.length }),
    score: score.add(reference, text, language),
    symptoms: symptomsOf({ reference, hypothesis: text }, samples),
  };
}

function ratesOf(score: Score) {
  const rates = score.rates();
  const [{ wer, cer, ser, words }] = [...rates.values()] as [Rates];
  const languages = score.languages();
  return {
    wer,
    cer,
    ser,
    words,
    rates: Object.fromEntries(rates),
    ...(languages.size > 0 && { languages: Object.fromEntries(languages) }),
    unscored: { ...score.unscored },
  };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
