// An evaluation for machines, as one JSON object, and for people, as a few lines.
import type { DropReport } from '../data/drops.js';
import type { Interval } from './bootstrap.js';
import type { Evaluation } from './evaluate.js';
import type { HallucinationCounts } from './hallucinations.js';
import type { NormalizerName } from './normalizers.js';
import type { Rates } from './score.js';
import { textTable } from './table.js';

/** An evaluation that generated texts, and how sure its rates are where that was asked for. */
export interface EvaluatedModel {
  /** How the model is named in reports. */
  name: string;
  evaluation: Evaluation;
  intervals?: { wer: Interval; cer: Interval } | undefined;
  /** Rows with their texts, for the JSON. */
  predictions?: readonly object[] | undefined;
}

/** Rates in percent, keys as in the files of transformers. */
export function evaluationJson(model: EvaluatedModel): Record<string, unknown> {
  const { name, evaluation, intervals, predictions } = model;
  const { rates = {}, languages, hallucinations, unscored, dropped, loss } = evaluation;
  const { samples, audioSeconds, seconds } = evaluation;
  const [[normalizer, main] = []] = Object.entries(rates);
  const { referenceLength, ...edits } = main!.words;
  return {
    model: name,
    wer: main!.wer,
    cer: main!.cer,
    ser: main!.ser,
    ...(intervals && { wer_interval: pair(intervals.wer), cer_interval: pair(intervals.cer) }),
    ...(loss === undefined ? {} : { loss }),
    samples,
    words: referenceLength,
    ...edits,
    insertion_rate: insertionRate(main!),
    normalizer,
    normalizers: ratesJson(rates),
    ...(languages && { languages: ratesJson(languages) }),
    hallucinations: hallucinationsJson(hallucinations!),
    unscored,
    dropped: Object.fromEntries(Object.entries(dropped).map(([reason, { count }]) => [reason, count])),
    audio_seconds: audioSeconds,
    seconds,
    samples_per_second: samples / seconds,
    audio_seconds_per_second: audioSeconds / seconds,
    ...(predictions && { predictions }),
  };
}

/** What a person wants to know of one evaluation: a line of rates and, where they say something, tables. */
export function describeRates({ evaluation, intervals }: EvaluatedModel): string {
  const { rates = {}, languages = {}, hallucinations, samples, audioSeconds, seconds, loss } = evaluation;
  const [main] = Object.values(rates) as [Rates];
  const { substitutions, deletions, insertions, referenceLength } = main.words;
  const left = leftOut(evaluation.dropped);
  const lines = [
    `WER ${percent(main.wer)}${between(intervals?.wer)}, CER ${percent(main.cer)}${between(intervals?.cer)}` +
      `${loss === undefined ? '' : `, loss ${loss.toFixed(4)}`} ` +
      `(${samples} rows${left > 0 ? `, ${left} left out` : ''}, ${seconds.toFixed(1)} s)`,
    `substitutions ${substitutions}, deletions ${deletions}, insertions ${insertions}, words ${referenceLength}; ` +
      `sentences with an error ${percent(main.ser)}; ${(audioSeconds / seconds).toFixed(1)} x real time`,
    ratesTable('normalizer', rates),
    ...(Object.keys(languages).length > 1 ? [ratesTable('language', languages)] : []),
    ...describeHallucinations(hallucinations!),
  ];
  return lines.join('\n');
}

export function leftOut(dropped: DropReport['dropped']): number {
  return Object.values(dropped).reduce((sum, { count }) => sum + count, 0);
}

/** Insertions by words of the references, in percent: what grows when a model writes what nobody said. */
export function insertionRate({ words }: Rates): number {
  return (100 * words.insertions) / words.referenceLength;
}

/** The symptoms that there are, a line for each. */
export function describeHallucinations(counts: HallucinationCounts): string[] {
  const { compressible, loops, silent, silentWithText } = counts;
  const { emptyReferences, emptyReferencesWithText, emptyHypotheses } = counts;
  const lines: [number, string][] = [
    [compressible, `texts with a compression ratio above 2.4: ${compressible}`],
    [loops, `texts that repeat the same words again and again: ${loops}`],
    [silentWithText, `silent clips that were given a text: ${silentWithText} of ${silent}`],
    [
      emptyReferencesWithText,
      `clips with an empty reference that were given a text: ${emptyReferencesWithText} of ${emptyReferences}`,
    ],
    [emptyHypotheses, `empty texts: ${emptyHypotheses}`],
  ];
  return lines.filter(([count]) => count > 0).map(([, line]) => line);
}

export function ratesTable(title: string, rates: Readonly<Record<string, Rates>>): string {
  const rows = Object.entries(rates).map(([name, { wer, cer, ser, words, sentences }]) => [
    name,
    percent(wer),
    percent(cer),
    percent(ser),
    String(words.referenceLength),
    String(sentences),
  ]);
  return textTable([title, 'WER', 'CER', 'SER', 'words', 'sentences'], rows);
}

export function percent(rate: number): string {
  return `${rate.toFixed(2)} %`;
}

/** ` [11.90, 12.80]`; nothing where there is no interval. */
export function between(interval: Interval | undefined): string {
  return interval ? ` [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]` : '';
}

function pair({ low, high }: Interval): [number, number] {
  return [low, high];
}

function ratesJson(rates: Readonly<Partial<Record<NormalizerName | string, Rates>>>): object {
  return Object.fromEntries(
    Object.entries(rates).map(([name, rates]) => {
      const { wer, cer, ser, words, sentences } = rates!;
      return [name, { wer, cer, ser, words: words.referenceLength, sentences }];
    }),
  );
}

function hallucinationsJson(counts: HallucinationCounts): object {
  return {
    compressible: counts.compressible,
    loops: counts.loops,
    silent: counts.silent,
    silent_with_text: counts.silentWithText,
    empty_references: counts.emptyReferences,
    empty_references_with_text: counts.emptyReferencesWithText,
    empty_hypotheses: counts.emptyHypotheses,
  };
}
