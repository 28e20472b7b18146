// Several models on the same data, the best first: a table for people and JSON for machines.
import type { Comparison } from './bootstrap.js';
import { between, type EvaluatedModel, evaluationJson, percent } from './summary.js';
import { textTable } from './table.js';

/** What a leaderboard says of a comparison with the best is worth believing from here on. */
const SIGNIFICANT = 0.95;

export interface Leaderboard {
  /** By word error rate, the lowest first. */
  models: readonly EvaluatedModel[];
  /** Between the models in that order; absent where it was not asked for. */
  comparison?: Comparison | undefined;
}

/** Models in the order of their word error rate. */
export function ranked<T extends EvaluatedModel>(models: readonly T[]): T[] {
  return [...models].sort((a, b) => a.evaluation.wer! - b.evaluation.wer!);
}

/**
 * A table. Its last column is the probability that the best model is better than that of the line; a star says that it is
 * at least 95 %.
 */
export function leaderboardTable({ models, comparison }: Leaderboard): string {
  const [best] = comparison?.better ?? [];
  const rows = models.map(({ name, evaluation, intervals }, place) => {
    const { wer, cer, ser, samples, seconds, audioSeconds } = evaluation;
    const probability = best?.[place];
    const worse = probability === undefined || place === 0 ? '' : percent(100 * probability);
    return [
      name,
      `${percent(wer!)}${between(intervals?.wer)}`,
      `${percent(cer!)}${between(intervals?.cer)}`,
      percent(ser!),
      (samples / seconds).toFixed(2),
      (audioSeconds / seconds).toFixed(1),
      ...(comparison ? [`${worse}${place > 0 && probability! >= SIGNIFICANT ? ' *' : ''}`] : []),
    ];
  });
  const titles = ['model', 'WER', 'CER', 'SER', 'rows/s', 'x real time'];
  return textTable(comparison ? [...titles, 'best is better'] : titles, rows);
}

/** `{ models: [...], utterances, better }`, `better[a][b]` being the probability that model a is better than model b. */
export function leaderboardJson({ models, comparison }: Leaderboard): object {
  return { models: models.map(evaluationJson), ...comparison };
}
