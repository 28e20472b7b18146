// Evaluation of a model on a data set: loss, word and character error rates.
import { batches } from '../data/batches.js';
import type { Source } from '../data/dataset.js';
import type { DropReport } from '../data/drops.js';
import { labeller, spokenIn } from '../data/labels.js';
import { WhisperError } from '../errors.js';
import type { Whisper } from '../model/whisper.js';
import { basicNormalizer } from '../processor/normalizers/basic.js';
import { englishNormalizer } from '../processor/normalizers/english.js';
import type { Task } from '../processor/tokenizer.js';
import { runByPrompt } from './by-prompt.js';
import { characterErrorRate, type EditCounts, wordErrorRate } from './wer.js';

/** What texts go through before they are compared. */
export type NormalizerName = 'basic' | 'english' | 'none';

const NORMALIZERS: Record<NormalizerName, (text: string) => string> = {
  basic: (text) => basicNormalizer(text),
  english: (text) => englishNormalizer(text),
  none: (text) => text,
};

export interface EvaluateOptions {
  /** Language of the speech, in the prompt. Default: what generation_config.json says, or none. */
  language?: string | undefined;
  task?: Task | undefined;
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
  signal?: AbortSignal | undefined;
  /** Called after every batch with the rows done so far. */
  onProgress?: ((rows: number) => void) | undefined;
  /** Called for every row, in order. */
  onRow?: ((row: EvaluatedRow) => void) | undefined;
}

export interface EvaluatedRow {
  id: string;
  /** As in the data set. */
  reference: string;
  /** As generated. */
  hypothesis: string;
}

export interface Evaluation {
  /** Mean over rows of the mean cross-entropy per token of their batch, in nats, as transformers' `eval_loss`. */
  loss?: number;
  /** Word error rate in percent. */
  wer?: number;
  /** Character error rate in percent. */
  cer?: number;
  /** What the word error rate is made of. */
  words?: EditCounts;
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
 * normalised; pairs whose reference is empty then do not count. Source: `compute_metrics` of the Whisper fine-tuning
 * event's script (huggingface/community-events).
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
  const { tokenizer, config } = model;
  const prompt = { language: options.language ?? model.generation.language ?? undefined, task: options.task };
  const normalize = NORMALIZERS[options.normalizer ?? 'basic'];
  if (!normalize) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `normalizer must be one of ${Object.keys(NORMALIZERS).join(', ')}, got ${options.normalizer}`,
    );
  }
  // Wrong prompts are found before the first clip is decoded.
  const labels = labeller(tokenizer, prompt);

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
    maxDuration: (model.windowSamples + 0.5) / 16000,
    ...(options.lowerCase && { lowerCase: true }),
    ...(options.removePunctuation && { normalizeText: (text: string) => basicNormalizer(text).trim() }),
    ...(signal && { signal }),
  });
  const started = performance.now();
  const references: string[] = [];
  const hypotheses: string[] = [];
  const result = { samples: 0, batches: 0, audioSeconds: 0 };
  const wants = { loss: wantsLoss, text: wantsText, maxLength: options.maxLength, signal };
  let lossSum = 0;
  for await (const batch of stream) {
    const { rows } = batch;
    const spoken = rows.map((row) => spokenIn(row, tokenizer, prompt));
    const { losses, texts } = await runByPrompt(model, batch, spoken, wants);
    if (losses) lossSum += (sum(losses.sums) / Math.max(1, sum(losses.tokens))) * rows.length;
    for (const [i, { text }] of texts.entries()) {
      const row = rows[i]!;
      options.onRow?.({ id: row.id, reference: row.text, hypothesis: text });
      const reference = normalize(row.text);
      if (reference.trim() === '') continue;
      references.push(reference);
      hypotheses.push(normalize(text));
    }
    result.samples += rows.length;
    result.batches += 1;
    result.audioSeconds += batch.audioSeconds;
    yield result.samples;
  }
  const evaluation: Evaluation = {
    ...result,
    seconds: (performance.now() - started) / 1000,
    dropped: stream.drops().dropped,
  };
  if (wantsLoss) evaluation.loss = lossSum / result.samples;
  if (wantsText) {
    const { wer, ...words } = wordErrorRate(references, hypotheses);
    evaluation.wer = wer;
    evaluation.words = words;
    evaluation.cer = characterErrorRate(references, hypotheses).cer;
  }
  return evaluation;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
