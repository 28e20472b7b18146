// Evaluation with a stand-in for the engine: what is heard of long clips, what counts, and what rows tell.
import { describe, expect, it } from 'vitest';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { type EvaluatedRow, type EvaluateOptions, evaluate } from '../../src/evaluate/evaluate.js';
import { fakeWhisper } from '../train/fake-model.js';

/** Clips of given seconds; the model hears how long what it is given is. */
async function evaluated(
  clips: readonly { seconds: number; text: string; language?: string }[],
  options: EvaluateOptions = {},
  hear = (samples: Float32Array) => `${samples.length / 16000} seconds`,
) {
  const { model, native } = await fakeWhisper();
  native.hear = (samples) => model.tokenizer.encode(hear(samples));
  const data = clips.map(({ seconds, ...row }, i) => ({
    id: `row-${i}`,
    ...row,
    audio: { samples: new Float32Array(16000 * seconds).fill(0.1), sampleRate: 16000 },
  }));
  const rows: EvaluatedRow[] = [];
  const evaluation = await evaluate(model, fromIterable(data), {
    loss: false,
    onRow: (row) => rows.push(row),
    ...options,
  });
  return { rows, evaluation, native };
}

describe('clips longer than the window of 3 s', () => {
  const clips = [
    { seconds: 1, text: '1 seconds' },
    { seconds: 7, text: '3 seconds 3 seconds 1 seconds' },
    { seconds: 2, text: '2 seconds' },
  ];

  it('are left out and told of', async () => {
    const { rows, evaluation } = await evaluated(clips);
    expect(rows.map(({ id }) => id)).toEqual(['row-0', 'row-2']);
    expect(evaluation.dropped['too-long']).toEqual({ count: 1, first: { id: 'row-1', detail: '7.00 s' } });
    expect(evaluation.audioSeconds).toBe(3);
  });

  it('are transcribed whole', async () => {
    const { rows, evaluation } = await evaluated(clips, { longAudio: 'transcribe' });
    expect(rows.map(({ hypothesis }) => hypothesis)).toEqual(clips.map(({ text }) => text));
    expect(evaluation).toMatchObject({ wer: 0, ser: 0, samples: 3, audioSeconds: 10, dropped: {} });
    expect(rows[1]!.averageLogprob).toBeUndefined();
    expect(rows[2]!.averageLogprob).toBe(0);
  });

  it('are heard by their beginning', async () => {
    const { rows, evaluation } = await evaluated(clips, { longAudio: 'truncate', loss: true });
    expect(rows[1]).toMatchObject({ hypothesis: '3 seconds', samples: { length: 48000 } });
    expect(evaluation).toMatchObject({ words: { deletions: 4, hits: 6 }, audioSeconds: 6 });
  });

  it('have no loss when they are transcribed', async () => {
    const refused = (options: EvaluateOptions) => expect(evaluated(clips, options)).rejects;
    const code = 'ERR_INVALID_ARGUMENT';
    await refused({ longAudio: 'transcribe', loss: true }).toMatchObject({ code });
    await refused({ longAudio: 'whole' as never }).toMatchObject({
      code,
      message: /drop, transcribe, truncate/,
    });
  });
});

it('tells rates by normaliser and language, and what counts nowhere', async () => {
  const { rows, evaluation } = await evaluated(
    [
      { seconds: 1, text: '¡1 Seconds!', language: 'es' },
      { seconds: 2, text: 'two seconds', language: 'Hindi' },
      { seconds: 1, text: '' },
      { seconds: 1, text: 'ignore_time_segment_in_scoring' },
    ],
    { normalizer: 'marks' },
  );
  expect(evaluation.wer).toBe(25);
  expect(Object.keys(evaluation.rates!)).toEqual(['marks', 'basic', 'none']);
  expect(evaluation.rates!.none!.wer).toBe(75);
  expect(evaluation.languages).toMatchObject({ es: { wer: 0, sentences: 1 }, hi: { wer: 50 } });
  expect(evaluation.unscored).toEqual({ empty: 1, ignored: 1 });
  expect(evaluation.hallucinations).toMatchObject({ emptyReferences: 1, emptyReferencesWithText: 1 });
  expect(rows.map(({ score }) => (typeof score === 'string' ? score : score.hypothesis))).toEqual([
    '1 seconds',
    '2 seconds',
    'empty',
    'ignored',
  ]);
});
