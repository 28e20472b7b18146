// Prepared data: decoded once, the same rows and drops as streamed, permuted wholly, and made anew only when data changed.
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../src/data/batches.js';
import { concatenate, type Row, type Source } from '../../src/data/dataset.js';
import type { DecodeJob, Decoder } from '../../src/data/decode/pool.js';
import { mapRows } from '../../src/data/map-rows.js';
import {
  type PrepareCacheOptions,
  type PrepareProgress,
  prepareCache,
} from '../../src/data/prepared/prepare-cache.js';
import { openDataset } from '../../src/data/sources/index.js';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { checkCursors, numbered, texts } from './numbered.js';
import { base, collect, rows, textsOf } from './rows.js';
import { folder, signal, wav } from './signal.js';

async function prepare(
  source: Source,
  options: PrepareCacheOptions,
): Promise<{ prepared: Source; told: PrepareProgress[] }> {
  const told: PrepareProgress[] = [];
  const preparing = prepareCache(source, { decoder: base.decoder, ...options });
  for (;;) {
    const { done, value } = await preparing.next();
    if (done) return { prepared: value, told };
    told.push(value);
  }
}

const decodings = (told: readonly PrepareProgress[]) =>
  told.filter(({ stage }) => stage === 'decoding').length;
const folders = (cacheDir: string) => readdirSync(join(cacheDir, 'prepared'));

/** Clips of one second, of which number 3 is no audio and number 5 is cut off. */
function clips(count = 8): string {
  return folder({
    ...Object.fromEntries(
      Array.from({ length: count }, (_, i) => {
        const bytes = wav([signal(16000, 'left', 0.1 + i / 100)]);
        return [`${i}.wav`, i === 3 ? 'no audio' : i === 5 ? bytes.subarray(0, 1000) : bytes];
      }),
    ),
    'train.csv': [
      'audio,text,language',
      ...Array.from({ length: count }, (_, i) => `${i}.wav,text ${i},es`),
    ].join('\n'),
  });
}

const openClips = (root: string) => openDataset(join(root, 'train.csv'));

describe('prepared rows', () => {
  it('are those that are streamed, drops included', async () => {
    const root = clips();
    const cacheDir = folder();
    const { prepared } = await prepare(await openClips(root), { cacheDir });
    const read = async (source: Source, more: object) => {
      const stream = batches({ ...base, source, passes: 1, ...more });
      const all: Batch[] = [];
      for await (const batch of stream) all.push(batch);
      return { all, drops: stream.drops() };
    };
    for (const more of [{}, { minDuration: 0.115, maxDuration: 0.165 }]) {
      const streamed = await read(await openClips(root), more);
      const cached = await read(prepared, more);
      expect(cached).toEqual(streamed);
      expect(Object.keys(cached.drops.dropped)).toContain('undecodable');
    }
    expect((await read(prepared, {})).drops.dropped.damaged?.count).toBe(1);
    expect(await prepared.count!()).toBe(8);
    expect(prepared.name).toBe(join(root, 'train.csv'));
  });

  it('are of 16 bits, louder ones cut off', async () => {
    const samples = Float32Array.of(0, 0.5, -0.25, 1, -1, 1.5, -1.5, 1 / 65536, 3e-5);
    const source = fromIterable([{ audio: { samples, sampleRate: 16000 }, text: 'a' }]);
    const { prepared } = await prepare(source, { cacheDir: folder() });
    const [batch] = await collect({ ...base, source: prepared, passes: 1 });
    const most = 32767 / 32768;
    expect(batch!.samples[0]).toEqual(
      Float32Array.of(0, 0.5, -0.25, most, -1, most, -1, 1 / 32768, 1 / 32768),
    );
  });

  it('keep all that a row says', async () => {
    const said = {
      language: 'es',
      task: 'translate',
      previous: 'antes',
      segments: [{ start: 0, end: 0.5, text: 'hola\n"a"\u2028' }],
    };
    const source = mapRows(numbered('a', 1), (row): Row => ({ ...row, ...said }), 'said');
    const { prepared } = await prepare(source, { cacheDir: folder() });
    const [found] = await prepared.rowsAt([0]);
    expect(found!.row).toMatchObject({ id: 'a0', text: 'a0', ...said });
  });

  it('are permuted wholly, in another order in each pass, and found from every cursor', async () => {
    const { prepared } = await prepare(numbered('a', 600), { cacheDir: folder() });
    const all = await texts(prepared);
    expect(all).toEqual(Array.from({ length: 600 }, (_, i) => `a${i}`));
    const orders = [prepared.shuffled!(1, 0), prepared.shuffled!(1, 1), prepared.shuffled!(2, 0)];
    const read = await Promise.all(orders.map((order) => texts(order)));
    for (const order of read) expect([...order].sort()).toEqual([...all].sort());
    expect(new Set([all, ...read].map((order) => order.join())).size).toBe(4);
    // No buffer can bring a row from the end to the start.
    expect(read[0]!.slice(0, 50).some((text) => Number(text.slice(1)) > 550)).toBe(true);
    const { prepared: few } = await prepare(numbered('b', 9), { cacheDir: folder() });
    expect(await checkCursors(few)).toEqual([]);
    expect(await checkCursors(few.shuffled!(1, 0))).toEqual([]);
    await expect(texts(few, 10)).rejects.toThrow('cannot go on reading b: 10 is none of its 9 prepared rows');
  });

  it('make batches that go on anywhere', async () => {
    const { prepared: source } = await prepare(fromIterable(rows(20)), { cacheDir: folder() });
    const options = { ...base, source, shuffleSource: true, seed: 4 };
    const stream = batches(options);
    const seen: Batch[] = [];
    const states = [];
    for (let i = 0; i < 9; i++) {
      states.push(JSON.stringify(stream.state()));
      seen.push((await stream.next()).value!);
    }
    await stream.return();
    expect(textsOf(seen.slice(0, 5)).flat().sort()).toEqual(
      rows(20)
        .map(({ text }) => text)
        .sort(),
    );
    expect(textsOf(seen.slice(0, 4))).not.toEqual(textsOf(seen.slice(5, 9)));
    for (const [i, state] of states.entries()) {
      const resumed = batches({ ...options, state: JSON.parse(state) });
      expect((await resumed.next()).value).toEqual(seen[i]);
      await resumed.return();
    }
  });
});

describe('preparing', () => {
  it('happens once, and again when a clip, a text or the table has changed', async () => {
    const root = clips(4);
    const cacheDir = folder();
    const run = async () => decodings((await prepare(await openClips(root), { cacheDir })).told);
    expect(await run()).toBe(4);
    expect(await run()).toBe(0);
    const clip = join(root, '0.wav');
    const { size, atime } = statSync(clip);
    utimesSync(clip, atime, new Date(1e12));
    expect(statSync(clip).size).toBe(size);
    expect(await run()).toBe(4);
    writeFileSync(clip, wav([signal(16000, 'left', 0.3)]));
    utimesSync(clip, atime, new Date(1e12));
    expect(await run()).toBe(4);
    appendFileSync(join(root, 'train.csv'), '\n2.wav,again,es');
    expect(await run()).toBe(5);
    expect(folders(cacheDir)).toHaveLength(4);
  });

  it('trusts a version, but not for other columns or parts without one', async () => {
    const cacheDir = folder();
    const read: number[] = [];
    const versioned = (version: string) => numbered('a', 3, { version, onRead: (index) => read.push(index) });
    const run = async (source: Source) => (await prepare(source, { cacheDir })).told.length;
    expect(await run(versioned('1'))).toBe(3);
    read.length = 0;
    // Nothing at all is read of what has been prepared.
    expect(await run(versioned('1'))).toBe(0);
    expect(read).toEqual([]);
    expect(await run(versioned('2'))).toBe(3);
    expect(await run(mapRows(versioned('1'), (row) => row, 'lower case'))).toBe(3);
    const both = (text: string) =>
      concatenate([versioned('1'), mapRows(numbered('b', 1), (row) => ({ ...row, text }), 'text')]);
    expect(await run(both('x'))).toBe(1 + 4);
    expect(await run(both('x'))).toBe(1);
    expect(await run(both('y'))).toBe(1 + 4);
  });

  /** Decodes nothing, but counts and can be made to fail. */
  function counting(failAt = Infinity): Decoder & { jobs: DecodeJob[] } {
    const jobs: DecodeJob[] = [];
    return {
      threads: 1,
      jobs,
      async decode(job) {
        if (jobs.length === failAt) throw new Error('the disk is gone');
        jobs.push(job);
        const samples = new Float32Array(job.bytes![0]! + 1).fill(0.25);
        return { outcome: 'decoded', audio: { channels: [samples], sampleRate: 16000 } };
      },
    };
  }
  const encoded = (count: number) =>
    fromIterable(
      Array.from({ length: count }, (_, i) => ({ audio: Uint8Array.of(i), text: `t${i}` })),
      'clips',
    );

  it('goes on where it was interrupted: by an error, by the signal, by a kill', async () => {
    const cacheDir = folder();
    await expect(prepare(encoded(30), { cacheDir, decoder: counting(10) })).rejects.toThrow(
      'the disk is gone',
    );
    const controller = new AbortController();
    const decoder = counting();
    const preparing = prepareCache(encoded(30), { cacheDir, decoder, signal: controller.signal });
    await expect(
      (async () => {
        for await (const { stage, rows } of preparing)
          if (stage === 'decoding' && rows === 20) controller.abort();
      })(),
    ).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
      message: 'preparing clips was cancelled; the next run goes on with it',
    });
    expect([...decoder.jobs[0]!.bytes!]).toEqual([10]);
    const [key] = folders(cacheDir);
    const inside = (name: string) => join(cacheDir, 'prepared', key!, name);
    // As after a kill: files have more than the state counts, and the lock is left behind.
    for (const name of ['audio-00000.pcm', 'rows.jsonl', 'rows.index']) appendFileSync(inside(name), 'torn');
    writeFileSync(inside('lock'), '999999999');
    const last = counting();
    const { prepared } = await prepare(encoded(30), { cacheDir, decoder: last });
    expect(last.jobs.length).toBeLessThanOrEqual(10);
    expect(existsSync(inside('lock'))).toBe(false);
    const whole = await prepare(encoded(30), { cacheDir: folder(), decoder: counting() });
    const all = async (source: Source) =>
      (await collect({ ...base, source, passes: 1 })).flatMap(({ samples }) => samples);
    expect(await texts(prepared)).toEqual(await texts(whole.prepared));
    expect(await all(prepared)).toEqual(await all(whole.prepared));
    expect((await all(prepared)).map(({ length }) => length)).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    expect(readFileSync(inside('state.json'), 'utf8')).toContain('"complete":true');
  });

  it('is left to one process', async () => {
    const cacheDir = folder();
    const first = prepareCache(encoded(9), { cacheDir, decoder: counting() });
    while (((await first.next()).value as PrepareProgress).stage === 'checking');
    await expect(prepare(encoded(9), { cacheDir, decoder: counting() })).rejects.toThrow(
      `process ${process.pid} prepares the same data in`,
    );
    await first.return(undefined as never);
    expect((await prepare(encoded(9), { cacheDir, decoder: counting() })).told.length).toBeGreaterThan(9);
  });

  it('says how much room it needs before the disk is full', async () => {
    // 40 rows of 2 MB: the first look at the disk comes after 32 MiB.
    const decoder: Decoder = {
      threads: 1,
      async decode() {
        const samples = new Float32Array(1e6);
        return { outcome: 'decoded', audio: { channels: [samples], sampleRate: 16000 } };
      },
    };
    const source: Source = { ...encoded(40), count: async () => 40 };
    const cacheDir = folder();
    const options = { cacheDir, decoder, freeBytes: async () => 50e6 };
    await expect(prepare(source, options)).rejects.toThrow(
      /^preparing clips needs about 0\.1 GB more \(0\.1 GB in all\) in .*, where 0\.1 GB are free: make room, name another folder, or stream the data$/,
    );
    const { told } = await prepare(source, { cacheDir, decoder, freeBytes: async () => 1e9 });
    // What was decoded before is not decoded again.
    expect(decodings(told)).toBe(40 - 17);
  });

  it('says what to do when its files are damaged', async () => {
    const cacheDir = folder();
    await prepare(encoded(9), { cacheDir, decoder: counting() });
    const inside = (name: string) => join(cacheDir, 'prepared', folders(cacheDir)[0]!, name);
    writeFileSync(inside('audio-00000.pcm'), '');
    const { prepared } = await prepare(encoded(9), { cacheDir, decoder: counting() });
    await expect(collect({ ...base, source: prepared, passes: 1 })).rejects.toThrow(
      'audio-00000.pcm has become shorter: remove its folder to prepare the data anew',
    );
    rmSync(inside('rows.index'));
    await expect(prepare(encoded(9), { cacheDir, decoder: counting() })).rejects.toThrow('no such file');
  });
});
