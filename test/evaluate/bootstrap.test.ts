// Confidence intervals and comparisons by the bootstrap, against what is known of simple cases.
import { describe, expect, it } from 'vitest';
import { compare, Tallies } from '../../src/evaluate/bootstrap.js';

/** Utterances of ten words and fifty characters with so many errors each. */
function tallies(errors: readonly number[], id = (i: number) => `row-${i}`): Tallies {
  const made = new Tallies();
  const counts = (substitutions: number, referenceLength: number) => ({
    substitutions,
    deletions: 0,
    insertions: 0,
    hits: referenceLength - substitutions,
    referenceLength,
  });
  for (const [i, count] of errors.entries()) {
    const score = { reference: '', hypothesis: '', words: counts(count, 10), characters: counts(count, 50) };
    made.add({ id: id(i), score });
  }
  return made;
}

const pattern = (length: number, errors: (i: number) => number) =>
  Array.from({ length }, (_, i) => errors(i));

describe('intervals', () => {
  it('are as wide as the normal approximation says', async () => {
    // Of 400 utterances a quarter has 4 errors in 10 words: a mean of 10 %, standard deviation sqrt(0.75 / 0.25) * 10 %.
    const { wer, cer } = await tallies(pattern(400, (i) => (i % 4 === 0 ? 4 : 0))).intervals();
    const half = (1.96 * Math.sqrt(3) * 10) / Math.sqrt(400);
    expect(wer.low).toBeGreaterThan(10 - 1.15 * half);
    expect(wer.low).toBeLessThan(10 - 0.85 * half);
    expect(wer.high).toBeGreaterThan(10 + 0.85 * half);
    expect(wer.high).toBeLessThan(10 + 1.15 * half);
    expect(cer.low).toBeCloseTo(wer.low / 5, 10);
  });

  it('depend on the seed alone', async () => {
    const data = tallies(pattern(50, (i) => i % 3));
    const first = await data.intervals();
    expect(await data.intervals()).toEqual(first);
    expect(await data.intervals({ seed: 43 })).not.toEqual(first);
    const narrow = await data.intervals({ level: 0.5 });
    expect(narrow.wer.low).toBeGreaterThan(first.wer.low);
    expect(narrow.wer.high).toBeLessThan(first.wer.high);
  });

  it('are a point where all utterances are alike', async () => {
    expect(await tallies([2, 2, 2]).intervals()).toEqual({
      wer: { low: 20, high: 20 },
      cer: { low: 4, high: 4 },
    });
  });

  it('are refused where they mean nothing', async () => {
    await expect(tallies([]).intervals()).rejects.toMatchObject({ code: 'ERR_DATA' });
    for (const options of [{ resamples: 0 }, { level: 1 }, { level: Number.NaN }]) {
      await expect(tallies([1]).intervals(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
    const signal = AbortSignal.abort();
    await expect(tallies([1]).intervals({ signal })).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
  });
});

describe('compare', () => {
  it('finds a small difference in every utterance that intervals cannot tell', async () => {
    const [good, bad] = [pattern(200, (i) => i % 8), pattern(200, (i) => (i % 8) + (i % 5 === 0 ? 1 : 0))];
    const [a, b] = [tallies(good), tallies(bad)];
    expect((await a.intervals()).wer.high).toBeGreaterThan((await b.intervals()).wer.low);
    const { utterances, better } = await compare([a, b]);
    expect(utterances).toBe(200);
    expect(better).toEqual([
      [0.5, 1],
      [0, 0.5],
    ]);
  });

  it('pairs utterances by name, and those of one name by their order', async () => {
    const names = ['a', 'b', 'a', 'c'];
    const one = tallies([1, 5, 2, 9], (i) => names[i]!);
    const two = tallies([2, 1, 5], (i) => ['x', 'a', 'b'][i]!);
    expect(await compare([one, two])).toEqual({
      utterances: 2,
      better: [
        [0.5, 0.5],
        [0.5, 0.5],
      ],
    });
    await expect(compare([one, tallies([1], () => 'z')])).rejects.toMatchObject({ code: 'ERR_DATA' });
  });

  it('is sure of nothing where models differ by chance', async () => {
    const { better } = await compare([tallies([1, 2, 3, 4]), tallies([4, 3, 2, 1])]);
    expect(better[0]![1]).toBeGreaterThan(0.2);
    expect(better[0]![1]).toBeLessThan(0.8);
    expect(better[0]![1]! + better[1]![0]!).toBeCloseTo(1, 12);
  });
});
