// The state of a batch stream: going on after any batch gives the same bits.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Batch, batches } from '../../src/data/batches.js';
import { openDataset } from '../../src/data/sources/index.js';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { base, rows } from './rows.js';
import { folder, signal, wav } from './signal.js';

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
