// The batch stream: order, what is dropped and why, resumption bit for bit, back-pressure, errors and cancelling.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, it } from 'vitest';
import { type Batch, type BatchesOptions, batches, evaluationBatches } from '../../src/data/batches.js';
import { type Decoder, DecoderPool } from '../../src/data/decode/pool.js';
import { describeDrops } from '../../src/data/drops.js';
import { openDataset } from '../../src/data/sources/index.js';
import { fromIterable, type UserRow } from '../../src/data/sources/iterable.js';
import { folder, golden, signal, wav } from './signal.js';

const pool = new DecoderPool({ threads: 2 });
afterAll(() => pool.close());

const start = 1;
const end = 2;

/** A row whose samples and labels say which it is; `seconds` long at 16 kHz. */
function row(index: number, seconds = 0.01): UserRow {
  const samples = new Float32Array(Math.round(seconds * 16000)).fill(index);
  return { audio: { samples, sampleRate: 16000 }, text: `t${index}` };
}

const rows = (count: number) => Array.from({ length: count }, (_, i) => row(i));

const base = {
  labels: ({ text }: { text: string }) => [start, ...Buffer.from(text), end],
  startToken: start,
  batchSize: 4,
  decoder: pool,
};

async function collect(options: BatchesOptions, most = Infinity): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches(options)) {
    all.push(batch);
    if (all.length === most) break;
  }
  return all;
}

const textsOf = (all: Batch[]) => all.map((batch) => batch.rows.map(({ text }) => text));

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

describe('rows that are left out', () => {
  it('are counted by reason with the first of each named', async () => {
    const flac = readFileSync(golden('mono.flac'));
    const mp3 = readFileSync(golden('mono.mp3'));
    const second = wav([signal(16000)]);
    const root = folder({
      'clips/good.wav': second,
      'clips/short.wav': wav([signal(16000, 'left', 0.5)]),
      'clips/long.wav': wav([signal(16000, 'left', 2)]),
      'clips/page.wav': '<!DOCTYPE html>',
      'clips/zero.wav': '',
      'clips/cut.wav': second.subarray(0, 20_000),
      'clips/cut.mp3': mp3.subarray(0, 3000),
      'clips/good.mp3': mp3,
      'clips/eight.flac': flac,
      'train.tsv': [
        'path\tsentence',
        ...[
          'good.wav',
          'short.wav',
          'none.wav',
          'long.wav',
          'page.wav',
          'zero.wav',
          'gone.mp3',
          'cut.wav',
          'cut.mp3',
        ].map((name) => `${name}\t${name}`),
        'good.wav\t',
        'good.mp3\ta label that is too long',
        'good.mp3\tgood.mp3',
      ].join('\n'),
    });
    const source = await openDataset(root, { split: 'train' });
    const stream = batches({ ...base, source, passes: 1, minDuration: 0.5, maxDuration: 2, maxLabels: 12 });
    const { value: batch } = await stream.next();
    expect(batch!.rows.map(({ text }) => text)).toEqual(['good.wav', 'good.mp3']);
    const drops = stream.drops();
    expect(drops).toEqual({
      rows: 12,
      kept: 2,
      dropped: {
        'too-short': { count: 1, first: { id: 'train.tsv:3 short.wav', detail: '0.50 s' } },
        'too-long': { count: 1, first: { id: 'train.tsv:5 long.wav', detail: '2.00 s' } },
        missing: { count: 2, first: { id: 'train.tsv:4 none.wav', detail: 'no such file' } },
        undecodable: {
          count: 2,
          first: { id: 'train.tsv:6 page.wav', detail: expect.stringContaining('no known audio format') },
        },
        damaged: {
          count: 2,
          first: {
            id: 'train.tsv:9 cut.wav',
            detail: 'cut off or damaged: its header promises 1.00 s, 0.62 s are there',
          },
        },
        'empty-text': { count: 1, first: { id: 'train.tsv:11 good.wav', detail: 'no text' } },
        'long-label': {
          count: 1,
          first: {
            id: 'train.tsv:12 good.mp3',
            detail: 'its label has 25 tokens, the model has 12 positions',
          },
        },
      },
    });
    expect(describeDrops(drops)).toMatch(
      /^10 of 12 rows dropped: .*2 missing \(first: train.tsv:4 none.wav, no such file\)/,
    );
    await stream.return();
  });

  it('are strictly inside the duration limits, on the decoded samples', async () => {
    const source = fromIterable([159, 160, 161, 319, 320, 321].map((n) => row(n, n / 16000)));
    const [batch] = await collect({ ...base, source, minDuration: 0.01, maxDuration: 0.02, passes: 1 });
    expect(batch!.rows.map(({ text }) => text)).toEqual(['t161', 't319']);
  });

  it('are an error when nothing is left', async () => {
    const source = fromIterable([
      { audio: '/no/such/file.wav', text: 'x', id: 'first' },
      { audio: '/no/such/other.wav', text: 'y' },
    ]);
    await expect(collect({ ...base, source })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message:
        'no row of the rows given can be used: 2 of 2 rows dropped: 2 missing (first: first, no such file)',
    });
    await expect(collect({ ...base, source: fromIterable([], 'my set') })).rejects.toThrow(
      'my set has no rows',
    );
  });

  it('follow the policy for long labels, counted without the start token', async () => {
    const source = fromIterable([row(0), { ...row(1), text: 'abcd' }, { ...row(2), text: 'abcde' }]);
    const options = { ...base, source, maxLabels: 5, passes: 1 };
    expect(textsOf(await collect(options))).toEqual([['t0', 'abcd']]);
    const [cut] = await collect({ ...options, onLongLabel: 'truncate' });
    expect([...cut!.labels.slice(10)]).toEqual([...Buffer.from('abcd'), end]);
    await expect(collect({ ...options, onLongLabel: 'error' })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: 'row 2: its label has 6 tokens, the model has 5 positions',
    });
  });

  it('are looked at after lower-casing and normalising, which the labels see', async () => {
    const source = fromIterable([
      { ...row(0), text: 'ÀB!' },
      { ...row(1), text: '!' },
    ]);
    const normalizeText = (text: string) => text.replaceAll('!', '');
    const [batch] = await collect({ ...base, source, lowerCase: true, normalizeText, passes: 1 });
    expect(batch!.rows).toEqual([{ id: 'row 0', text: 'àb' }]);
    expect([...batch!.labels]).toEqual([...Buffer.from('àb'), end]);
  });
});

describe('evaluationBatches', () => {
  it('takes every row that can be decoded, in order, once', async () => {
    const long = 'x'.repeat(600);
    const source = fromIterable([
      { ...row(0, 40), text: long },
      { audio: '/no/such/file.wav', text: 'gone' },
      { ...row(2, 0.0001), text: '' },
      row(3),
    ]);
    const stream = evaluationBatches({ ...base, source, batchSize: 2 });
    const all: Batch[] = [];
    for await (const batch of stream) all.push(batch);
    expect(textsOf(all)).toEqual([[long, ''], ['t3']]);
    expect(all[0]!.time).toBe(448);
    expect(all[1]!.lastOfPass).toBe(true);
    expect(Object.keys(stream.drops().dropped)).toEqual(['missing']);
  });
});

describe('the state', () => {
  const root = folder({
    ...Object.fromEntries(
      Array.from({ length: 13 }, (_, i) => [
        `${i}.wav`,
        i === 5 ? '' : wav([signal(16000, 'left', 0.01 + i / 1000)]),
      ]),
    ),
    'train.csv': ['audio,text', ...Array.from({ length: 13 }, (_, i) => `${i}.wav,"text ${i}"`)].join('\n'),
  });

  it.each([
    ['in file order', 1],
    ['shuffled', 6],
    ['shuffled wholly', 50],
  ])('goes on bit for bit after every batch, %s', async (_, shuffleBuffer) => {
    const source = await openDataset(join(root, 'train.csv'));
    const options = { ...base, source, shuffleBuffer, seed: 11, batchSize: 3 };
    const stream = batches(options);
    const seen: Batch[] = [];
    const states = [JSON.stringify(stream.state())];
    const drops = [stream.drops()];
    while (seen.length < 10) {
      seen.push((await stream.next()).value!);
      states.push(JSON.stringify(stream.state()));
      drops.push(stream.drops());
    }
    await stream.return();
    // Twelve usable rows are four batches: ten reach into the third pass.
    expect(seen.map(({ pass }) => pass)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    for (let done = 0; done < 10; done++) {
      const resumed = batches({
        ...options,
        source: await openDataset(join(root, 'train.csv')),
        state: JSON.parse(states[done]!),
      });
      expect(JSON.stringify(resumed.state())).toBe(states[done]);
      for (let i = done; i < 10; i++) {
        expect((await resumed.next()).value).toEqual(seen[i]);
        expect(JSON.stringify(resumed.state())).toBe(states[i + 1]);
        expect(resumed.drops()).toEqual(drops[i + 1]);
      }
      await resumed.return();
    }
  });

  it('is of the batches consumed, however many are prepared', async () => {
    const run = async (prefetch: number) => {
      const stream = batches({ ...base, source: fromIterable(rows(30)), shuffleBuffer: 5, prefetch });
      await stream.next();
      await stream.next();
      const state = stream.state();
      await stream.return();
      return state;
    };
    expect(await run(5)).toEqual(await run(0));
  });

  it('is refused with other settings', () => {
    const source = fromIterable(rows(4));
    const state = batches({ ...base, source, seed: 1, shuffleBuffer: 2 }).state();
    const message = (options: object) => () => batches({ ...base, source, state, ...options });
    expect(message({ seed: 2, shuffleBuffer: 2 })).toThrow(
      'the seed was 1 when the checkpoint was written and is 2 now',
    );
    expect(message({ seed: 1, shuffleBuffer: 3 })).toThrow(
      'the shuffle buffer was 2 when the checkpoint was written',
    );
  });
});

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
    return { decoder, settle, asked: () => asked, waiting };
  }
  const encoded = (count: number): UserRow[] =>
    rows(count).map(({ text }) => ({ audio: new Uint8Array(1), text }));

  it('works ahead while the consumer is busy, and no further', async () => {
    const { decoder, settle, asked, waiting } = manual();
    const source = fromIterable(encoded(100));
    const stream = batches({ ...base, decoder, source, batchSize: 2, prefetch: 2, concurrency: 3 });
    await settle();
    // Nothing before the first batch is asked for.
    expect(asked()).toBe(0);
    const first = stream.next();
    await settle();
    expect(asked()).toBe(3);
    const answer = async () => {
      for (let quiet = 0; quiet < 3; quiet++) {
        await settle();
        if (waiting.length > 0) quiet = -1;
        for (const resolve of waiting.splice(0)) resolve();
      }
    };
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
