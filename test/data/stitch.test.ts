// Stitching: which clips become one, what its labels say, and that a run goes on exactly behind each batch.
import { describe, expect, it } from 'vitest';
import { type Batch, type BatchesOptions, batches } from '../../src/data/batches.js';
import type { Clip, Said } from '../../src/data/prepare.js';
import { fromIterable, type UserRow } from '../../src/data/sources/iterable.js';
import { base, collect, end, row, rows, start, textsOf } from './rows.js';

/** A window of 0.05 s: five rows of 0.01 s. */
const stitch = { window: 800 };
const options = { ...base, stitch, passes: 1, batchSize: 2 };
const over = (given: UserRow[], more: Partial<BatchesOptions> = {}) =>
  collect({ ...options, source: fromIterable(given), ...more });

describe('stitching', () => {
  it('joins clips up to the window, samples, texts and names', async () => {
    const [first, second] = await over([row(1), row(2, 0.03), row(3), row(4, 0.02), row(5, 0.03), row(6)]);
    expect(textsOf([first!, second!])).toEqual([['t1 t2 t3', 't4 t5'], ['t6']]);
    expect(first!.rows.map(({ id }) => id)).toEqual(['row 0 + row 1 + row 2', 'row 3 + row 4']);
    expect([...first!.samples[0]!]).toEqual([
      ...Array(160).fill(1),
      ...Array(480).fill(2),
      ...Array(160).fill(3),
    ]);
    // Labels are those of the text that was joined, as if it had been one.
    expect([...first!.labels.subarray(0, first!.time)]).toEqual([...Buffer.from('t1 t2 t3'), end]);
    expect(first!.audioSeconds).toBeCloseTo(0.1);
    expect(second!.lastOfPass).toBe(true);
  });

  it('does not join what is too long for the decoder', async () => {
    const all = await over(rows(5), { maxLabels: 6 });
    expect(textsOf(all).flat()).toEqual(['t0 t1', 't2 t3', 't4']);
  });

  it('does not join different languages and tasks, nor rows with a prompt', async () => {
    const es = { language: 'es' };
    const given = [
      row(0),
      { ...row(1), ...es },
      { ...row(2), ...es },
      { ...row(3), ...es, task: 'translate' },
      row(4),
      row(5),
      row(6),
      row(7),
    ];
    const prompt = ({ text }: Said) => (text === 't5' ? [9, 9] : []);
    const all = await over(given, { prompt, batchSize: 10 });
    expect(textsOf(all)).toEqual([['t0', 't1 t2', 't3', 't4', 't5', 't6 t7']]);
    expect(all[0]!.rows[1]).toEqual({ id: 'row 1 + row 2', text: 't1 t2', language: 'es' });
  });

  it('puts no space between sentences of languages that have none there', async () => {
    const all = await over([
      { ...row(0), language: 'ja' },
      { ...row(1), language: 'ja' },
    ]);
    expect(textsOf(all)).toEqual([['t0t1']]);
    expect(textsOf(await over(rows(2), { stitch: { window: 800, language: 'chinese' } }))).toEqual([
      ['t0t1'],
    ]);
  });

  it('moves the times of segments to where they are in the whole', async () => {
    const seen: [Said, Clip][] = [];
    const labels = (said: Said, clip: Clip) => {
      seen.push([said, clip]);
      return [start, end];
    };
    const segments = [{ start: 0.001, end: 0.009, text: 'x' }];
    await over([row(0, 0.02), { ...row(1), segments }], { labels });
    const [said, clip] = seen.at(-1)!;
    expect(clip.seconds).toBe(0.03);
    expect(said.segments).toEqual([
      { start: 0, end: 0.02, text: 't0' },
      { start: expect.closeTo(0.021), end: expect.closeTo(0.029), text: 'x' },
    ]);
  });

  it('counts the rows that are in it, those that are dropped in their order', async () => {
    const given = rows(12).map((each, i) => (i % 4 === 2 ? { ...each, text: '' } : each));
    const stream = batches({ ...options, source: fromIterable(given), batchSize: 1 });
    const counts: number[][] = [];
    for await (const batch of stream) {
      const { rows: seen, kept } = stream.drops();
      counts.push([batch.rows[0]!.text.split(' ').length, kept, seen]);
    }
    // Nine rows are kept: five, and of the next five that are drawn four.
    expect(counts).toEqual([
      [5, 5, 6],
      [4, 9, 12],
    ]);
  });
});

describe('the state with stitching', () => {
  it.each([1, 2, 3])('goes on bit for bit after every batch of %i', async (batchSize) => {
    const given = rows(23).map((each, i) => ({
      ...each,
      ...(i % 5 === 3 && { text: ' ' }),
      ...row(i, 0.01 + 0.005 * (i % 3)),
      ...(i % 7 === 2 && { text: '' }),
    }));
    const set = { ...options, source: fromIterable(given), shuffleBuffer: 6, seed: 5, passes: 3, batchSize };
    const stream = batches(set);
    const seen: Batch[] = [];
    const states = [JSON.stringify(stream.state())];
    for await (const batch of stream) {
      seen.push(batch);
      states.push(JSON.stringify(stream.state()));
    }
    expect(new Set(seen.map(({ pass }) => pass)).size).toBe(3);
    for (const [done, state] of states.entries()) {
      const resumed = batches({ ...set, state: JSON.parse(state) });
      for (const [i, batch] of seen.entries()) {
        if (i < done) continue;
        expect((await resumed.next()).value).toEqual(batch);
        expect(JSON.stringify(resumed.state())).toBe(states[i + 1]);
      }
      expect((await resumed.next()).done).toBe(true);
    }
  });
});
