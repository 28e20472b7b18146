// How a batch stream flows: how far it works ahead, how it ends, fails and is cancelled, and what memory it holds.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { batches } from '../../src/data/batches.js';
import type { Decoder } from '../../src/data/decode/pool.js';
import { fromIterable, type UserRow } from '../../src/data/sources/iterable.js';
import { base, end, row, rows, start } from './rows.js';

describe('the flow', () => {
  /** A decoder that counts what it is asked and answers only when told to. */
  function manual() {
    const waiting: (() => void)[] = [];
    let asked = 0;
    const decoder: Decoder = {
      threads: 2,
      async decode() {
        asked += 1;
        await new Promise<void>((resolve) => waiting.push(resolve));
        return { outcome: 'decoded', audio: { channels: [Float32Array.of(1)], sampleRate: 16000 } };
      },
    };
    const settle = async () => {
      for (let i = 0; i < 200; i++) await new Promise(setImmediate);
    };
    /** Answers everything, until nothing more is asked. */
    const answer = async () => {
      for (let quiet = 0; quiet < 3; quiet++) {
        await settle();
        if (waiting.length > 0) quiet = -1;
        for (const resolve of waiting.splice(0)) resolve();
      }
    };
    return { decoder, settle, answer, asked: () => asked, waiting };
  }
  const encoded = (count: number): UserRow[] =>
    rows(count).map(({ text }) => ({ audio: new Uint8Array(1), text }));

  it('works ahead while the consumer is busy, and no further', async () => {
    const { decoder, settle, answer, asked } = manual();
    const source = fromIterable(encoded(100));
    const stream = batches({ ...base, decoder, source, batchSize: 2, prefetch: 2, concurrency: 3 });
    await settle();
    // Nothing before the first batch is asked for.
    expect(asked()).toBe(0);
    const first = stream.next();
    await settle();
    expect(asked()).toBe(3);
    await answer();
    await first;
    await answer();
    // One batch consumed, two ready, one row of look-ahead, and what the threads have.
    const ahead = asked();
    expect(ahead).toBeGreaterThanOrEqual(6);
    expect(ahead).toBeLessThanOrEqual(2 + 2 * 2 + 1 + 3);
    await stream.next();
    await answer();
    expect(asked()).toBe(ahead + 2);
    const done = stream.return();
    await answer();
    await done;
  });

  it('begins before the first batch is asked for when told to, and goes no further', async () => {
    const { decoder, answer, asked } = manual();
    const source = fromIterable(encoded(100));
    const stream = batches({ ...base, decoder, source, batchSize: 2, prefetch: 2, concurrency: 3 });
    stream.begin();
    await answer();
    // Two batches ready, one row of look-ahead, and what the threads have.
    expect(asked()).toBe(2 * 2 + 1 + 3);
    expect((await stream.next()).value!.rows.map(({ text }) => text)).toEqual(['t0', 't1']);
    const done = stream.return();
    await answer();
    await done;
  });

  it('leaves nothing running after return', async () => {
    const { decoder, settle, asked, waiting } = manual();
    let closed = 0;
    async function* forever() {
      try {
        for (let i = 0; ; i++) yield { audio: new Uint8Array(1), text: `t${i}` };
      } finally {
        closed += 1;
      }
    }
    const stream = batches({ ...base, decoder, source: fromIterable(forever), concurrency: 3 });
    const next = stream.next();
    await settle();
    let returned = false;
    const done = stream.return().then(() => {
      returned = true;
    });
    await settle();
    expect(returned).toBe(false);
    waiting.shift()!();
    await settle();
    // The others are still being decoded.
    expect(returned).toBe(false);
    for (const resolve of waiting.splice(0)) resolve();
    await done;
    expect(await next).toEqual({ done: true, value: undefined });
    const before = asked();
    await settle();
    expect(asked()).toBe(before);
    expect(closed).toBe(1);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it('rejects with ERR_CANCELLED after an abort, before and while waiting', async () => {
    const early = batches({ ...base, source: fromIterable(rows(9)), signal: AbortSignal.abort() });
    await expect(early.next()).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    const { decoder, settle, waiting } = manual();
    const controller = new AbortController();
    const stream = batches({ ...base, decoder, source: fromIterable(encoded(9)), signal: controller.signal });
    const next = stream.next();
    const outcome = expect(next).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
      message: 'reading the rows given was cancelled',
    });
    await settle();
    controller.abort();
    for (const resolve of waiting.splice(0)) resolve();
    await outcome;
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
  });

  it('passes errors of the source on, after the batches before them', async () => {
    async function* failing() {
      yield* rows(6);
      throw new Error('the disk is gone');
    }
    const stream = batches({ ...base, source: fromIterable(failing), batchSize: 2 });
    const texts: string[][] = [];
    await expect(
      (async () => {
        for await (const batch of stream) texts.push(batch.rows.map(({ text }) => text));
      })(),
    ).rejects.toThrow('the disk is gone');
    expect(texts).toEqual([
      ['t0', 't1'],
      ['t2', 't3'],
    ]);
  });

  it('stops at a row that fails, with what is begun finished', async () => {
    const { decoder, settle, waiting } = manual();
    const labels = ({ text }: { text: string }) => {
      if (text === 't1') throw new Error('t1 is bad');
      return [start, end];
    };
    let closed = false;
    function* source() {
      try {
        yield* encoded(9);
      } finally {
        closed = true;
      }
    }
    const options = { ...base, decoder, labels, batchSize: 1, concurrency: 3 };
    const stream = batches({ ...options, source: fromIterable(source) });
    let rejected = false;
    const outcome = expect(
      stream.next().catch((error) => {
        rejected = true;
        throw error;
      }),
    ).rejects.toThrow('t1 is bad');
    await settle();
    for (const resolve of waiting.splice(0, 2)) resolve();
    await settle();
    expect(rejected).toBe(false);
    for (const resolve of waiting.splice(0)) resolve();
    await outcome;
    await settle();
    expect(waiting).toHaveLength(0);
    expect(closed).toBe(true);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it('refuses settings that make no sense, at once', () => {
    const source = fromIterable(rows(1));
    expect(() => batches({ ...base, source, batchSize: 0 })).toThrow(
      'batchSize must be an integer of at least 1, got 0',
    );
    expect(() => batches({ ...base, source, seed: -1 })).toThrow(
      'seed must be an integer of at least 0, got -1',
    );
    expect(() => batches({ ...base, source, prefetch: 0.5 })).toThrow(
      'prefetch must be an integer of at least 0, got 0.5',
    );
  });

  it('holds as much memory after 100,000 rows as after 10,000', { timeout: 120_000 }, async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    function* many() {
      for (let i = 0; i < 100_000; i++) yield row(i, 0.01);
    }
    const stream = batches({
      ...base,
      source: fromIterable(many),
      shuffleBuffer: 500,
      batchSize: 50,
      passes: 1,
    });
    const held: number[] = [];
    let count = 0;
    for await (const batch of stream) {
      count += batch.samples.length;
      if (count % 10_000 === 0) {
        collectGarbage();
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        held.push(heapUsed + arrayBuffers);
      }
    }
    expect(count).toBe(100_000);
    // All rows together have 64 MB of samples; freed buffers are given back a little later, hence the room.
    expect(Math.max(...held.slice(1)) - held[0]!).toBeLessThan(20e6);
  });
});
