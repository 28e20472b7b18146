// Mixed data sets: rows in turn as datasets has them, probabilities, restarts, shuffling, cursors.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concatenate } from '../../src/data/dataset.js';
import { mix, type StoppingStrategy } from '../../src/data/mix.js';
import { checkCursors, numbered, texts } from './numbered.js';

const golden = JSON.parse(readFileSync(new URL('../golden/splits/golden.json', import.meta.url), 'utf8')) as {
  mixtures: { strategy: StoppingStrategy; lengths: number[]; texts: string }[];
};

const plain = (lengths: readonly number[], probabilities: readonly number[] = []) =>
  lengths.map((rows, i) => {
    const source = numbered('abcd'[i]!, rows);
    const probability = probabilities[i];
    return probability === undefined ? { source } : { source, probability };
  });

describe('mix', () => {
  it('takes rows in turn as interleave_datasets does, and goes on from every cursor', async () => {
    expect(golden.mixtures).toHaveLength(27);
    for (const { strategy, lengths, texts: want } of golden.mixtures) {
      const mixed = mix(plain(lengths), { stoppingStrategy: strategy });
      expect((await texts(mixed)).join(' '), `${strategy} ${lengths}`).toBe(want);
      expect(await checkCursors(mixed)).toEqual([]);
    }
  });

  it.each(['first_exhausted', 'all_exhausted', 'all_exhausted_without_replacement'] as const)(
    'draws by probabilities until %s, and goes on from every cursor',
    async (stoppingStrategy) => {
      for (const seed of [1, 2]) {
        const mixed = mix(plain([9, 30, 0, 4], [1, 3, 0.5, 2]), { seed, stoppingStrategy });
        const all = await texts(mixed);
        expect(await checkCursors(mixed)).toEqual([]);
        // Each source's rows come in their order, from the first again once all were given.
        for (const [name, rows] of [
          ['a', 9],
          ['b', 30],
          ['d', 4],
        ] as const) {
          const own = all.filter((text) => text.startsWith(name));
          expect(own).toEqual(own.map((_, i) => `${name}${i % rows}`));
          if (stoppingStrategy === 'all_exhausted') expect(own.length).toBeGreaterThanOrEqual(rows);
          if (stoppingStrategy === 'all_exhausted_without_replacement') expect(own).toHaveLength(rows);
        }
        if (stoppingStrategy === 'first_exhausted') expect(all.length).toBeLessThan(43);
      }
    },
  );

  it('gives each source its share', async () => {
    const mixed = mix(plain([60_000, 60_000, 60_000], [5, 3, 2]), { seed: 3 });
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (const text of await texts(mixed, null, 30_000)) counts[text[0]!]! += 1;
    const wanted = { a: 15_000, b: 9000, c: 6000 };
    // Chi-square with 2 degrees of freedom; 13.8 is exceeded once in a thousand.
    const square = Object.entries(wanted).reduce((sum, [k, n]) => sum + (counts[k]! - n) ** 2 / n, 0);
    expect(square).toBeLessThan(13.8);
  });

  it('is drawn from its seed, and anew when it is shuffled', async () => {
    const read = (seed: number, order?: [number, number]) => {
      const mixed = mix(plain([20, 20], [1, 1]), { seed });
      return texts(order ? mixed.shuffled!(...order) : mixed);
    };
    expect(await read(1)).toEqual(await read(1));
    const orders = [
      await read(1),
      await read(2),
      await read(1, [7, 0]),
      await read(1, [7, 1]),
      await read(1, [8, 0]),
    ];
    expect(new Set(orders.map((order) => order.join())).size).toBe(5);
  });

  it('shuffles its sources, otherwise each time one begins again', async () => {
    const small = numbered('a', 6, { permutes: true });
    const large = concatenate([5, 5, 5, 5].map((rows, i) => numbered(`b${i}-`, rows)));
    const mixed = mix([{ source: small }, { source: large }]);
    const shuffled = mixed.shuffled!(4, 2);
    expect(await checkCursors(shuffled)).toEqual([]);
    const all = await texts(shuffled);
    const rounds = all.filter((text) => text.startsWith('a')).slice(0, 18);
    const [first, second, third] = [0, 6, 12].map((from) => rounds.slice(from, from + 6));
    for (const round of [first, second, third]) expect([...round!].sort()).toEqual(await texts(small));
    expect(new Set([first, second, third].map((round) => round!.join())).size).toBe(3);
    const shards = all.filter((text) => text.startsWith('b'));
    expect(shards).not.toEqual(await texts(large));
    expect([...new Set(shards)].sort()).toEqual((await texts(large)).sort());
  });

  it('ends where all sources are empty', async () => {
    expect(await texts(mix(plain([0, 0])))).toEqual([]);
    expect(await texts(mix(plain([0, 0], [1, 1])))).toEqual([]);
  });

  it('gives the row before an error of a source', async () => {
    const broken = numbered('b', 3, {
      onRead: (index) => {
        if (index === 1) throw new Error('b1 is broken');
      },
    });
    const seen: string[] = [];
    await expect(
      (async () => {
        for await (const { row } of mix([{ source: numbered('a', 3) }, { source: broken }]).open())
          seen.push(row.text);
      })(),
    ).rejects.toThrow('b1 is broken');
    expect(seen).toEqual(['a0', 'b0']);
  });

  it('has a version where all its sources have one, and says what it is made of', () => {
    const versioned = numbered('a', 1, { version: '1' });
    expect(mix([{ source: versioned }, { source: numbered('b', 1) }]).version).toBeUndefined();
    expect(mix([{ source: versioned }, { source: numbered('b', 1, { version: '2' }) }]).version).toBe(
      '1 + 2',
    );
    const selections = [
      mix(plain([1, 1])),
      mix(plain([1, 1], [1, 2])),
      mix(plain([1, 1], [1, 2]), { seed: 1 }),
      mix(plain([1, 1]), { stoppingStrategy: 'first_exhausted' }),
    ].map(({ selection }) => selection);
    expect(new Set(selections).size).toBe(4);
  });

  it('refuses probabilities that are none, and cursors of another mixture', async () => {
    expect(() => mix([])).toThrow('there are no data sets to mix');
    expect(() => mix(plain([1, 1], [1]))).toThrow(
      'b has no probability and others have: give all of them one, or none',
    );
    expect(() => mix(plain([1, 1], [1, 0]))).toThrow('a probability must be above 0, got 0');
    const two = mix(plain([1, 1]));
    await expect(texts(two, { places: [] })).rejects.toThrow('is no place in a mixture of 2');
    await expect(two.rowsAt([{ source: 2, inner: 0 }])).rejects.toThrow('names none of the 2 mixed');
  });
});
