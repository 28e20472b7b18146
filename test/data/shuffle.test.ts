// The random stream and the shuffle buffer: known answers, order, independence of passes, exact resumption.
import { describe, expect, it } from 'vitest';
import { branch, permutation, philox, RandomStream } from '../../src/data/random.js';
import { ShuffledPass, shuffleState } from '../../src/data/shuffle.js';
import { fromIterable } from '../../src/data/sources/iterable.js';

describe('philox', () => {
  // kat_vectors of Random123, the authors' library.
  it.each<[number[], number[], string]>([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      '408f276d 41c83b0e a20bc7c6 6d5451fd',
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ])('of %j with key %j', (counter, key, words) => {
    const block = philox(counter as never, key as never);
    expect(block.map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(words);
  });
});

describe('RandomStream', () => {
  it('draws every number equally often', () => {
    const random = new RandomStream(1, 0);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]! += 1;
    // Chi-square with 6 degrees of freedom; 22.5 is exceeded once in a thousand.
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(22.5);
  });

  it('draws fractions evenly, a word each time', () => {
    const random = new RandomStream(1, 0);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const x = random.uniform();
      expect(x >= 0 && x < 1).toBe(true);
      counts[Math.floor(7 * x)]! += 1;
    }
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(22.5);
    expect(random.drawn).toBe(70_000);
    expect(new RandomStream(1, 0, 1).uniform()).not.toBe(new RandomStream(1, 0).uniform());
  });

  it('makes permutations that are equally likely, and seeds of their own for branches', () => {
    const counts = new Map<string, number>();
    const random = new RandomStream(3, 0);
    for (let i = 0; i < 6000; i++) {
      const order = permutation(3, random).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    // Chi-square with 5 degrees of freedom; 20.5 is exceeded once in a thousand.
    expect(counts.size).toBe(6);
    expect([...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)).toBeLessThan(20.5);
    const seeds = Array.from({ length: 100 }, (_, i) => [branch(7, i), branch(8, i)]).flat();
    expect(new Set(seeds).size).toBe(200);
    for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed >= 0).toBe(true);
  });

  it('has no bias towards small numbers in a large range', () => {
    // Of three equal parts of the range, taking 32-bit words modulo its size would draw the first twice as often.
    const third = 2 ** 30;
    const random = new RandomStream(1, 0);
    let low = 0;
    for (let i = 0; i < 9000; i++) if (random.below(3 * third) < third) low += 1;
    expect(low).toBeGreaterThan(2800);
    expect(low).toBeLessThan(3200);
  });

  it('goes on where it was, and differs by seed and stream', () => {
    const draw = (random: RandomStream) => Array.from({ length: 8 }, () => random.below(2 ** 32));
    const random = new RandomStream(2 ** 40 + 5, 3);
    const first = draw(random);
    const second = draw(random);
    expect(draw(new RandomStream(2 ** 40 + 5, 3, 8))).toEqual(second);
    expect(draw(new RandomStream(2 ** 40 + 5, 3))).toEqual(first);
    for (const other of [new RandomStream(5, 3), new RandomStream(2 ** 40 + 5, 4)])
      expect(draw(other)).not.toEqual(first);
  });
});

describe('ShuffledPass', () => {
  const samples = Float32Array.of(0);
  const source = (rows: number) =>
    fromIterable(
      Array.from({ length: rows }, (_, i) => ({ audio: { samples, sampleRate: 1 }, text: String(i) })),
    );
  const take = async (pass: ShuffledPass, most = Infinity): Promise<number[]> => {
    const rows: number[] = [];
    while (rows.length < most) {
      const next = await pass.next();
      if (!next) break;
      rows.push(Number(next.row.text));
    }
    return rows;
  };
  const order = async (rows: number, size: number, seed = 1, pass = 0) =>
    take(await ShuffledPass.open(source(rows), { size, seed, pass }));
  const inOrder = (rows: number) => Array.from({ length: rows }, (_, i) => i);

  it('keeps the order with a buffer of one row', async () => {
    expect(await order(20, 1)).toEqual(inOrder(20));
  });

  it('gives each row once, none earlier than the buffer allows', async () => {
    for (const size of [2, 7, 50, 100]) {
      const rows = await order(50, size);
      expect([...rows].sort((a, b) => a - b)).toEqual(inOrder(50));
      expect(rows).not.toEqual(inOrder(50));
      for (const [i, row] of rows.entries()) expect(row).toBeLessThan(i + size);
    }
  });

  it('has another order for another seed or pass, the same for the same', async () => {
    const rows = await order(50, 20);
    expect(await order(50, 20)).toEqual(rows);
    expect(await order(50, 20, 2)).not.toEqual(rows);
    expect(await order(50, 20, 1, 1)).not.toEqual(rows);
  });

  it.each([1, 4, 60])('goes on from every state, with a buffer of %d', async (size) => {
    const options = { size, seed: 3, pass: 2 };
    const all = await take(await ShuffledPass.open(source(40), options));
    const pass = await ShuffledPass.open(source(40), options);
    for (let done = 0; done <= 40; done++) {
      const state = JSON.parse(JSON.stringify(shuffleState(pass.snapshot())));
      expect(await take(await ShuffledPass.open(source(40), options, state))).toEqual(all.slice(done));
      await pass.next();
    }
  });

  it('refuses a buffer of nothing', async () => {
    await expect(order(1, 0)).rejects.toThrow('the shuffle buffer must hold at least 1 row, got 0');
  });
});
