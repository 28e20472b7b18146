// Evaluated rows and evaluations for the tests of reports, made of texts alone.
import type { EvaluatedRow, Evaluation } from '../../src/evaluate/evaluate.js';
import { HallucinationCounter, symptomsOf } from '../../src/evaluate/hallucinations.js';
import { Score } from '../../src/evaluate/score.js';

export interface Said {
  id?: string;
  reference: string;
  hypothesis: string;
  language?: string;
  seconds?: number;
}

/** What an evaluation of such rows gives. */
export function evaluated(said: readonly Said[]): { rows: EvaluatedRow[]; evaluation: Evaluation } {
  const score = new Score('basic');
  const counter = new HallucinationCounter();
  const rows = said.map(({ id, reference, hypothesis, language, seconds = 1 }, i): EvaluatedRow => {
    const samples = new Float32Array(16000 * seconds).fill(0.5);
    const symptoms = symptomsOf({ reference, hypothesis }, samples);
    const row = {
      id: id ?? `row-${i}`,
      reference,
      hypothesis,
      samples,
      ...(language !== undefined && { language }),
      score: score.add(reference, hypothesis, language),
      symptoms,
    };
    counter.add(symptoms, row.score === 'empty');
    return row;
  });
  const rates = score.rates();
  const { wer, cer, ser, words } = rates.get('basic')!;
  const languages = score.languages();
  const evaluation: Evaluation = {
    wer,
    cer,
    ser,
    words,
    rates: Object.fromEntries(rates),
    ...(languages.size > 0 && { languages: Object.fromEntries(languages) }),
    hallucinations: counter.counts,
    unscored: score.unscored,
    samples: rows.length,
    batches: 1,
    audioSeconds: rows.reduce((sum, { samples }) => sum + samples.length / 16000, 0),
    seconds: 2,
    dropped: {},
  };
  return { rows, evaluation };
}
