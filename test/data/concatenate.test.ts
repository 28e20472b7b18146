// Sources one after the other: their order, nested parts, shuffled shards, cursors, versions.
import { describe, expect, it } from 'vitest';
import { batches } from '../../src/data/batches.js';
import { checkVersion, concatenate } from '../../src/data/dataset.js';
import { mapRows } from '../../src/data/map-rows.js';
import { ShuffledPass, shuffleState } from '../../src/data/shuffle.js';
import { checkCursors, numbered, texts } from './numbered.js';
import { base } from './rows.js';

const shards = (rows: number[]) => rows.map((count, i) => numbered('abcdefgh'[i]!, count));

describe('concatenate', () => {
  it('reads one after the other, from every cursor', async () => {
    const source = concatenate(shards([3, 0, 2]));
    expect(await texts(source)).toEqual(['a0', 'a1', 'a2', 'c0', 'c1']);
    expect(await checkCursors(source)).toEqual([]);
    expect(await source.count!()).toBe(5);
    expect(source.name).toBe('a + b + c');
  });

  it('takes in the parts of what it is made of', async () => {
    const [a, b, c] = shards([2, 2, 2]);
    const source = concatenate([concatenate([a!, b!], 'train'), c!]);
    expect(source.parts).toEqual([a, b, c]);
    expect(source.name).toBe('train + c');
    const cursors = [];
    for await (const { at } of source.open()) cursors.push(at);
    expect(cursors.at(-1)).toEqual({ part: 2, inner: 1 });
  });

  it('counts only where all parts can', () => {
    expect(concatenate([numbered('a', 1), numbered('b', 1, { uncountable: true })]).count).toBeUndefined();
  });

  it('refuses cursors of another data set', async () => {
    const source = concatenate(shards([1, 1]));
    await expect(texts(source, { part: 2, inner: 0 })).rejects.toThrow(
      'cannot go on reading a + b: {"part":2,"inner":0} names none of its 2 parts',
    );
    await expect(source.rowsAt([7])).rejects.toThrow('7 names none of its 2 parts');
  });

  it('shuffles its parts, in another order in each pass, and the rows of parts that can', async () => {
    const source = concatenate([
      ...shards([2, 2, 2, 2, 2, 2]),
      numbered('z', 6, { permutes: true }),
      numbered('y', 6, { permutes: true }),
    ]);
    const orders = new Map<string, string[]>();
    for (const [seed, pass] of [
      [1, 0],
      [1, 1],
      [2, 0],
    ] as const) {
      const shuffled = source.shuffled!(seed, pass);
      expect(await checkCursors(shuffled)).toEqual([]);
      const order = await texts(shuffled);
      expect([...order].sort()).toEqual((await texts(source)).sort());
      // A shard that cannot shuffle itself stays together.
      for (const shard of 'abcdef') expect(order.indexOf(`${shard}1`)).toBe(order.indexOf(`${shard}0`) + 1);
      const z = order.filter((text) => text.startsWith('z'));
      const y = order.filter((text) => text.startsWith('y'));
      expect(z).not.toEqual([...z].sort());
      // Parts of one length are not permuted alike.
      expect(z.map((text) => text[1])).not.toEqual(y.map((text) => text[1]));
      orders.set(order.join(), order);
    }
    expect(orders.size).toBe(3);
    expect(await texts(source.shuffled!(1, 1))).toEqual([...orders.values()][1]);
  });

  it('finds rows of one order from another by where they were read', async () => {
    const source = concatenate([...shards([2, 3]), numbered('z', 4, { permutes: true })]);
    const places = [];
    for await (const { at, row } of source.shuffled!(3, 1).open()) places.push({ at, text: row.text });
    const found = await source.shuffled!(3, 2).rowsAt(places.map(({ at }) => at));
    expect(found.map(({ row }) => row.text)).toEqual(places.map(({ text }) => text));
  });
});

describe('mapRows', () => {
  it('changes the rows wherever they are read', async () => {
    const source = mapRows(
      concatenate([numbered('a', 2), numbered('b', 3, { permutes: true })]),
      (row) => ({ ...row, text: row.text.toUpperCase() }),
      'upper case',
    );
    expect(await texts(source)).toEqual(['A0', 'A1', 'B0', 'B1', 'B2']);
    expect(await checkCursors(source)).toEqual([]);
    expect(await checkCursors(source.shuffled!(1, 0))).toEqual([]);
    expect((await texts(source.shuffled!(1, 0))).sort()).toEqual(['A0', 'A1', 'B0', 'B1', 'B2']);
    expect(await texts(source.parts![1]!)).toEqual(['B0', 'B1', 'B2']);
    expect(source.selection).toBe('upper case');
  });
});

describe('ShuffledPass over shards', () => {
  const source = () => concatenate(shards([3, 3, 3, 3]));
  const read = async (options: { size: number; shuffleSource?: boolean; pass?: number }) => {
    const pass = await ShuffledPass.open(source(), { seed: 5, pass: 0, ...options });
    const order: string[] = [];
    for (let row = await pass.next(); row; row = await pass.next()) order.push(row.row.text);
    return order;
  };

  it('keeps the order of the file with a buffer of one, and shuffles the source when told to', async () => {
    expect(await read({ size: 1 })).toEqual(await texts(source()));
    const order = await read({ size: 1, shuffleSource: true });
    expect(order).not.toEqual(await texts(source()));
    for (const shard of 'abcd') expect(order.indexOf(`${shard}2`)).toBe(order.indexOf(`${shard}0`) + 2);
  });

  it('shuffles shards before the buffer of several rows, and not when told not to', async () => {
    const first = new Set<string>();
    for (let pass = 0; pass < 40; pass++) first.add((await read({ size: 2, pass }))[0]![0]!);
    expect([...first].sort()).toEqual(['a', 'b', 'c', 'd']);
    first.clear();
    for (let pass = 0; pass < 40; pass++)
      first.add((await read({ size: 2, pass, shuffleSource: false }))[0]![0]!);
    expect([...first]).toEqual(['a']);
  });

  it('goes on in the order that a pass began in', async () => {
    const pass = await ShuffledPass.open(source(), { size: 3, seed: 5, pass: 1, shuffleSource: false });
    for (let i = 0; i < 4; i++) await pass.next();
    const state = shuffleState(pass.snapshot());
    const resumed = await ShuffledPass.open(source(), { size: 3, seed: 5, pass: 1 }, state);
    for (let i = 0; i < 8; i++) expect((await resumed.next())?.row.text).toBe((await pass.next())?.row.text);
    expect(await resumed.next()).toBeUndefined();
  });

  it('holds no more bytes than it may, and tells how many', async () => {
    const bytes = new Uint8Array(1000);
    const heavy = mapRows(numbered('a', 50), (row) => ({ ...row, audio: { bytes } }), 'bytes');
    const pass = await ShuffledPass.open(heavy, { size: 40, bytes: 4500, seed: 1, pass: 0 });
    const order: string[] = [];
    let most = 0;
    for (let row = await pass.next(); row; row = await pass.next()) {
      order.push(row.row.text);
      most = Math.max(most, pass.held.rows);
      expect(pass.held.bytes).toBe(1000 * pass.held.rows);
    }
    // Five rows reach the limit; one of them has just left.
    expect(most).toBe(4);
    expect(order.sort()).toEqual((await texts(heavy)).sort());
  });

  it('keeps the bytes of a row, not the block that they were cut from', async () => {
    const block = new Uint8Array(1 << 20).fill(7);
    const cut = mapRows(
      numbered('a', 2),
      (row) => ({ ...row, audio: { bytes: block.subarray(8, 24) } }),
      'cut',
    );
    const pass = await ShuffledPass.open(cut, { size: 2, seed: 1, pass: 0 });
    const { audio } = (await pass.next())!.row as { audio: { bytes: Uint8Array } };
    expect(audio.bytes).toEqual(new Uint8Array(16).fill(7));
    expect(audio.bytes.buffer.byteLength).toBe(16);
  });
});

describe('the version of a source', () => {
  it('is that of its parts', () => {
    expect(concatenate([numbered('a', 1, { version: 'abc' }), numbered('b', 1)]).version).toBeUndefined();
    const of = (...versions: string[]) =>
      concatenate(versions.map((version, i) => numbered(`s${i}`, 1, { version }))).version;
    expect(of('abc', 'abc')).toBe('abc');
    expect(of('abc', 'def')).toBe('abc + def');
    const many = Array.from({ length: 100 }, (_, i) => `etag-${i}`);
    expect(of(...many)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(of(...many)).not.toBe(of(...many.slice(1)));
  });

  it('must be the same when a run goes on', () => {
    const now = numbered('owner/name', 9, { version: '2222' });
    const state = batches({ ...base, source: numbered('owner/name', 9, { version: '1111' }) }).state();
    expect(state.version).toBe('1111');
    expect(() => batches({ ...base, source: now, state })).toThrow(
      'owner/name was 1111 when the checkpoint was written and is 2222 now; to go on with what it was, name the data set with its commit (name@commit), or start anew',
    );
    expect(() => checkVersion(now, '1111')).toThrow(expect.objectContaining({ code: 'ERR_DATA' }));
    // What cannot say its version is not asked.
    expect(() => checkVersion(numbered('a', 1), '1111')).not.toThrow();
    expect(() => checkVersion(now, undefined)).not.toThrow();
  });
});
