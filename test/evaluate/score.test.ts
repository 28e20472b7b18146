// Scores of utterances under several normalisers, and the signs of hallucination.
import { describe, expect, it } from 'vitest';
import {
  compressionRatio,
  HallucinationCounter,
  hasLoop,
  loudestDecibels,
  symptomsOf,
} from '../../src/evaluate/hallucinations.js';
import { Score, type UtteranceScore } from '../../src/evaluate/score.js';

describe('Score', () => {
  it('sums edits under each normaliser', () => {
    const score = new Score('basic');
    score.add('Hola, güey!', 'hola guey', undefined);
    score.add('हिन्दी में', 'हिन्द में', undefined);
    const rates = score.rates();
    expect([...rates.keys()]).toEqual(['basic', 'marks', 'none']);
    // The basic normaliser tears "हिन्दी" and "हिन्द" into the same letters.
    expect(rates.get('basic')).toMatchObject({ wer: 100 / 6, ser: 50, sentences: 2 });
    expect(rates.get('marks')).toMatchObject({ wer: 50, ser: 100 });
    expect(rates.get('none')).toMatchObject({ wer: 75 });
    expect(rates.get('none')!.words).toEqual({
      substitutions: 3,
      deletions: 0,
      insertions: 0,
      hits: 1,
      referenceLength: 4,
    });
    expect(rates.get('marks')!.cer).toBeCloseTo((100 * 2) / 19, 10);
  });

  it('puts the chosen normaliser first and adds no other than asked for', () => {
    const score = new Score('english');
    const { words } = score.add('Twenty-five dollars', "it's $25", undefined) as UtteranceScore;
    expect(words).toMatchObject({ insertions: 2, hits: 1 });
    expect([...score.rates().keys()]).toEqual(['english', 'basic', 'marks', 'none']);
  });

  it('tells languages apart, the largest first', () => {
    const score = new Score('basic');
    score.add('a b', 'a b', 'es');
    score.add('a b c', 'a b x', 'hi');
    score.add('a', 'x', 'es');
    const languages = score.languages();
    expect([...languages.keys()]).toEqual(['es', 'hi']);
    expect(languages.get('es')!.wer).toBeCloseTo(100 / 3);
    expect(languages.get('hi')!.wer).toBeCloseTo(100 / 3);
  });

  it('leaves out empty references and those not to be scored', () => {
    const score = new Score('basic');
    expect(score.add('ignore_time_segment_in_scoring', 'something', 'en')).toBe('ignored');
    expect(score.add('[noise] …', 'something', 'en')).toBe('empty');
    expect(score.unscored).toEqual({ empty: 1, ignored: 1 });
    expect(score.languages().size).toBe(0);
    expect(() => score.rates()).toThrow(
      expect.objectContaining({
        code: 'ERR_DATA',
        message: expect.stringContaining('none of the 2 references'),
      }),
    );
  });

  it('refuses a normaliser that is none', () => {
    expect(() => new Score('toString' as never)).toThrow(
      /normalizer must be one of basic, english, marks, none/,
    );
  });
});

describe('signs of hallucination', () => {
  const speech = Float32Array.from({ length: 16000 }, (_, i) => 0.1 * Math.sin(i));

  it('are texts that compress well', () => {
    expect(compressionRatio('')).toBe(0);
    expect(compressionRatio('a short text that says something once')).toBeLessThan(1.2);
    expect(compressionRatio('thank you for watching '.repeat(10))).toBeGreaterThan(2.4);
  });

  it('are loops of words or of letters that the reference does not have', () => {
    expect(hasLoop('tr tr tr tr')).toBe(true);
    expect(hasLoop('Thank you. thank you. Thank you. Thank you.')).toBe(true);
    expect(hasLoop('no no no')).toBe(false);
    expect(hasLoop('ご視聴ありがとうございました'.repeat(4))).toBe(true);
    expect(hasLoop('哈哈哈哈哈哈')).toBe(false);
    expect(hasLoop('a'.repeat(40))).toBe(true);
    expect(hasLoop('one two three one two three one two')).toBe(false);
    const loop = 'ra ra ra ra ra';
    expect(symptomsOf({ reference: loop, hypothesis: loop }, speech).looping).toBe(false);
    expect(symptomsOf({ reference: 'ra', hypothesis: loop }, speech).looping).toBe(true);
  });

  it('are words for silence', () => {
    expect(loudestDecibels(speech)).toBeCloseTo(10 * Math.log10(0.005), 1);
    expect(loudestDecibels(new Float32Array(100))).toBe(Number.NEGATIVE_INFINITY);
    // A word in a long silence is no silence.
    const mostly = new Float32Array(480_000);
    mostly.set(speech.subarray(0, 3000), 100_000);
    expect(symptomsOf({ reference: '', hypothesis: 'a' }, mostly).silent).toBe(false);
    const counter = new HallucinationCounter();
    counter.add(symptomsOf({ reference: '', hypothesis: 'you' }, new Float32Array(16000)), true);
    counter.add(symptomsOf({ reference: 'you', hypothesis: ' ' }, speech), false);
    expect(counter.counts).toEqual({
      compressible: 0,
      loops: 0,
      silent: 1,
      silentWithText: 1,
      emptyReferences: 1,
      emptyReferencesWithText: 1,
      emptyHypotheses: 1,
    });
  });
});
