// Batches: what is in them, their order over passes, and that it does not depend on the threads.
import { describe, expect, it } from 'vitest';
import { batches, startOfPass } from '../../src/data/batches.js';
import type { Decoder } from '../../src/data/decode/pool.js';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { base, collect, end, row, rows, start, textsOf } from './rows.js';

describe('batches', () => {
  it('puts rows together, padded, with the start token left out', async () => {
    const source = fromIterable([row(7), row(123), row(1, 0.02)]);
    const [first, second] = await collect({ ...base, source, batchSize: 2, passes: 1 });
    expect(first).toEqual({
      samples: [new Float32Array(160).fill(7), new Float32Array(160).fill(123)],
      // "t7" and "t123", each with the end token.
      labels: Int32Array.of(116, 55, end, -100, -100, 116, 49, 50, 51, end),
      time: 5,
      rows: [
        { id: 'row 0', text: 't7' },
        { id: 'row 1', text: 't123' },
      ],
      audioSeconds: 0.02,
      pass: 0,
      lastOfPass: false,
    });
    expect(second!.samples).toEqual([new Float32Array(320).fill(1)]);
    expect(second!.lastOfPass).toBe(true);
  });

  it('keeps the start token when a row does not begin with it', async () => {
    const labels = ({ text }: { text: string }) => (text === 't0' ? [9, end] : [start, 9, end]);
    const [batch] = await collect({ ...base, labels, source: fromIterable(rows(2)), passes: 1 });
    expect([...batch!.labels]).toEqual([9, end, -100, start, 9, end]);
  });

  it('repeats passes in another order, the partial last batch of each used', async () => {
    const all = await collect({ ...base, source: fromIterable(rows(10)), shuffleBuffer: 5, seed: 3 }, 9);
    expect(all.map(({ pass, lastOfPass, samples }) => [pass, lastOfPass, samples.length])).toEqual(
      [0, 1, 2].flatMap((pass) => [
        [pass, false, 4],
        [pass, false, 4],
        [pass, true, 2],
      ]),
    );
    const passes = [0, 1, 2].map((pass) => textsOf(all.slice(3 * pass, 3 * pass + 3)).flat());
    for (const pass of passes) expect([...pass].sort()).toEqual(rows(10).map(({ text }) => text));
    expect(passes[0]).not.toEqual(passes[1]);
    expect(passes[1]).not.toEqual(passes[2]);
  });

  it('leaves the last batch of a pass out where it is not full and not wanted', async () => {
    const partial = await collect({ ...base, source: fromIterable(rows(10)), dropLast: true, passes: 2 });
    expect(partial.map(({ pass, lastOfPass, samples }) => [pass, lastOfPass, samples.length])).toEqual([
      [0, false, 4],
      [0, true, 4],
      [1, false, 4],
      [1, true, 4],
    ]);
    const full = await collect({ ...base, source: fromIterable(rows(8)), dropLast: true, passes: 1 });
    expect(full.map(({ lastOfPass }) => lastOfPass)).toEqual([false, true]);
    const few = collect({ ...base, source: fromIterable(rows(3)), dropLast: true });
    await expect(few).rejects.toThrow(
      'a pass over the rows given has 3 usable rows, not one batch of 4: there is nothing left without its last batch',
    );
  });

  it('goes on from the start of a pass, and with as many bytes in the buffer as before', async () => {
    const encoded = rows(30).map(({ text }) => ({ audio: new Uint8Array(1000), text }));
    const decoder: Decoder = {
      threads: 1,
      async decode() {
        return { outcome: 'decoded', audio: { channels: [Float32Array.of(1)], sampleRate: 16000 } };
      },
    };
    const options = {
      ...base,
      decoder,
      source: fromIterable(encoded),
      shuffleBuffer: 20,
      shuffleBytes: 5000,
    };
    const stream = batches(options);
    for (let i = 0; i < 10; i++) await stream.next();
    const state = stream.state();
    await stream.return();
    expect(state.pass).toBe(1);
    expect(state.shuffle!.buffer).toHaveLength(4);
    const again = batches({ ...options, state: startOfPass(state) });
    const texts: string[] = [];
    for (let i = 0; i < 8; i++) texts.push(...(await again.next()).value!.rows.map(({ text }) => text));
    await again.return();
    expect(texts.sort()).toEqual(
      rows(30)
        .map(({ text }) => text)
        .sort(),
    );
    expect(again.state().pass).toBe(2);
  });

  it('marks a full last batch as the last, also when only dropped rows follow', async () => {
    const source = fromIterable([...rows(8), { ...row(8), text: ' ' }, { ...row(9), text: '' }]);
    const stream = batches({ ...base, source, passes: 1 });
    const first = await stream.next();
    expect(first.value!.lastOfPass).toBe(false);
    expect(stream.drops()).toEqual({ rows: 4, kept: 4, dropped: {} });
    expect((await stream.next()).value!.lastOfPass).toBe(true);
    expect(stream.drops().dropped).toEqual({
      'empty-text': { count: 2, first: { id: 'row 8', detail: 'no text' } },
    });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it('has an order that does not depend on which thread is faster', async () => {
    const source = fromIterable(rows(40).map(({ text }, i) => ({ audio: new Uint8Array([i]), text })));
    // Answers come back in a shuffled order, by chained microtasks and not by time.
    const answer = (turns: (job: number) => number): Decoder => ({
      threads: 8,
      async decode({ bytes }) {
        const index = bytes![0]!;
        for (let turn = turns(index); turn > 0; turn--) await null;
        return { outcome: 'decoded', audio: { channels: [Float32Array.of(index)], sampleRate: 16000 } };
      },
    });
    const run = (decoder: Decoder, concurrency: number) =>
      collect({ ...base, source, decoder, concurrency, shuffleBuffer: 8, passes: 2 });
    const one = await run(
      answer(() => 0),
      1,
    );
    expect(
      await run(
        answer((i) => (i * 37) % 101),
        16,
      ),
    ).toEqual(one);
    expect(
      await run(
        answer((i) => 100 - (i % 50)),
        5,
      ),
    ).toEqual(one);
  });
});
