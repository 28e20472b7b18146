// Whatever data is made of, reading that stops anywhere goes on with the same rows; and shares of it are disjoint and whole.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatenate, type Source } from '../../src/data/dataset.js';
import { mapRows } from '../../src/data/map-rows.js';
import { mix, stoppingStrategies } from '../../src/data/mix.js';
import { shard } from '../../src/data/shard.js';
import { ShuffledPass, type ShuffleState, shuffleState } from '../../src/data/shuffle.js';
import { sliceRows } from '../../src/data/slice.js';
import { numbered, texts } from './numbered.js';

/** How to make a source, so that it can be made again as after a restart. */
type Recipe = () => Promise<Source>;

let names = 0;
const leaf: fc.Arbitrary<Recipe> = fc
  .record({ rows: fc.integer({ min: 0, max: 9 }), permutes: fc.boolean(), uncountable: fc.boolean() })
  .map(({ rows, permutes, uncountable }) => {
    const name = `s${names++}-`;
    return async () => numbered(name, rows, { permutes, uncountable });
  });

const { recipe } = fc.letrec<{ recipe: Recipe }>((tie) => {
  const several = fc.array(tie('recipe'), { minLength: 1, maxLength: 3, depthIdentifier: 'recipe' });
  const made = (recipes: Recipe[]) => Promise.all(recipes.map((make) => make()));
  return {
    recipe: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'recipe' },
      leaf,
      several.map((recipes) => async () => concatenate(await made(recipes))),
      fc.tuple(tie('recipe'), fc.nat(12), fc.option(fc.nat(12))).map(
        ([make, from, to]) =>
          async () =>
            sliceRows(await make(), from, to ?? Infinity),
      ),
      fc
        .tuple(several, fc.constantFrom(...stoppingStrategies), fc.boolean(), fc.nat(99))
        .map(([recipes, stoppingStrategy, weighted, seed]) => async () => {
          const sources = await made(recipes);
          const mixed = sources.map((source, i) => (weighted ? { source, probability: i + 1 } : { source }));
          return mix(mixed, { stoppingStrategy, seed });
        }),
      fc.tuple(tie('recipe'), fc.integer({ min: 1, max: 3 }), fc.nat(2)).map(
        ([make, world, rank]) =>
          async () =>
            shard(await make(), { world, rank: rank % world }),
      ),
      tie('recipe').map(
        (make) => async () => mapRows(await make(), (row) => ({ ...row, text: `${row.text}!` }), 'marked'),
      ),
    ),
  };
});

/** More than any recipe has but those that begin again and again. */
const most = 60;

async function readPass(pass: ShuffledPass): Promise<{ text: string; state: ShuffleState }[]> {
  const rows: { text: string; state: ShuffleState }[] = [];
  while (rows.length < most) {
    const next = await pass.next();
    if (!next) break;
    rows.push({ text: next.row.text, state: shuffleState(pass.snapshot()) });
  }
  await pass.close();
  return rows;
}

describe('any combination of sources', () => {
  it('goes on with the same rows, wherever a pass is stopped', async () => {
    await fc.assert(
      fc.asyncProperty(
        recipe,
        fc.record({
          size: fc.integer({ min: 1, max: 7 }),
          seed: fc.nat(99),
          pass: fc.nat(3),
          shuffleSource: fc.boolean(),
        }),
        fc.nat(),
        async (make, options, stop) => {
          const all = await readPass(await ShuffledPass.open(await make(), options));
          if (all.length === 0) return;
          const at = stop % all.length;
          const state = JSON.parse(JSON.stringify(all[at]!.state)) as ShuffleState;
          const rest = await readPass(await ShuffledPass.open(await make(), options, state));
          const wanted = all.slice(at + 1);
          expect(rest.slice(0, wanted.length)).toEqual(wanted);
          if (all.length < most) expect(rest).toHaveLength(wanted.length);
        },
      ),
      { numRuns: 400, seed: 8 },
    );
  });

  it('is dealt out in shares that are disjoint and whole, shuffled or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        recipe,
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        async (make, world, shuffled) => {
          const order = (source: Source) => (shuffled && source.shuffled?.(5, 1)) || source;
          const whole = await texts(order(await make()), null, most + 1);
          if (whole.length > most) return;
          const shares: string[][] = [];
          for (let rank = 0; rank < world; rank++)
            shares.push(await texts(order(shard(await make(), { rank, world }))));
          expect(shares.flat().sort()).toEqual([...whole].sort());
          // Rows are dealt out evenly where parts are not.
          const { parts } = await make();
          if (parts && parts.length % world === 0) return;
          const sizes = shares.map(({ length }) => length);
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 200, seed: 8 },
    );
  });
});

describe('shard', () => {
  it('deals out parts where that is even, and reads no others', async () => {
    const read: string[] = [];
    const parts = ['a', 'b', 'c', 'd'].map((name) =>
      numbered(name, 2, { onRead: (index) => read.push(`${name}${index}`) }),
    );
    expect(await texts(shard(concatenate(parts), { rank: 1, world: 2 }))).toEqual(['b0', 'b1', 'd0', 'd1']);
    expect(read).toEqual(['b0', 'b1', 'd0', 'd1']);
    const byRow = shard(concatenate(parts), { rank: 2, world: 3 });
    expect(await texts(byRow)).toEqual(['b0', 'c1']);
    expect(await byRow.count!()).toBe(2);
  });

  it('refuses a rank that is none', () => {
    for (const [rank, world] of [
      [2, 2],
      [-1, 2],
      [0, 0],
      [0.5, 2],
    ] as const)
      expect(() => shard(numbered('a', 1), { rank, world })).toThrow('rank must be a whole number');
  });
});
