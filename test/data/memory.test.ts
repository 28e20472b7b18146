// What a stream holds does not grow with what has passed through it: a million rows, through all that rows flow through.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type Cursor, concatenate, type Source } from '../../src/data/dataset.js';
import { mix } from '../../src/data/mix.js';
import { ShuffledPass, shuffleState } from '../../src/data/shuffle.js';
import { numbered } from './numbered.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Rows with audio of their own. */
function heavy(name: string, rows: number): Source {
  const unread = numbered(name, rows);
  return {
    ...unread,
    async *open(cursor?: Cursor) {
      for (let i = Number(cursor ?? 0); i < rows; i++) {
        const text = `${name}${i}`;
        yield { row: { id: text, text, audio: { bytes: new Uint8Array(256) } }, at: i, next: i + 1 };
      }
    },
  };
}

describe('memory', () => {
  it('is as after the first rows when a million have passed', { timeout: 60_000 }, async () => {
    const shards = (name: string, count: number, rows: number) =>
      concatenate(Array.from({ length: count }, (_, i) => heavy(`${name}${i}-`, rows)));
    const source = mix(
      [
        { source: shards('a', 20, 33_000), probability: 2 },
        { source: shards('b', 10, 34_000), probability: 1 },
      ],
      { stoppingStrategy: 'all_exhausted_without_replacement' },
    );
    const pass = await ShuffledPass.open(source, { size: 500, seed: 1, pass: 0 });
    const held: number[] = [];
    let rows = 0;
    for (let row = await pass.next(); row; row = await pass.next()) {
      rows += 1;
      pass.snapshot();
      if (rows % 100_000 > 0) continue;
      // A checkpoint too.
      expect(shuffleState(pass.snapshot()).buffer.length).toBeLessThan(500);
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      held.push(heapUsed + arrayBuffers);
    }
    expect(rows).toBe(1_000_000);
    expect(held).toHaveLength(10);
    // All rows together have 256 MB of audio, and more of everything else.
    expect(Math.max(...held.slice(1)) - held[0]!).toBeLessThan(4e6);
  });
});
