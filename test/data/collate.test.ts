// Rows put into batches: labels shifted by the engine, or inputs of their own where a row has a prompt.
import { describe, expect, it } from 'vitest';
import { collate } from '../../src/data/collate.js';

const start = 1;
const row = (labels: number[], prompt?: number[]) => ({
  id: 'row',
  text: '',
  samples: new Float32Array(160),
  labels,
  ...(prompt && { prompt }),
});

describe('a batch', () => {
  it('has no inputs of its own where no row has a prompt', () => {
    const batch = collate([row([start, 5, 2]), row([start, 6, 7, 2])], start);
    expect(batch).not.toHaveProperty('inputs');
    expect([...batch.labels]).toEqual([5, 2, -100, 6, 7, 2]);
  });

  it('has what the decoder reads where one has, and the prompt is not learnt', () => {
    const { inputs, labels, time, rows } = collate(
      [row([start, 5, 2]), row([start, 6, 7, 2], [90, 91]), row([8, 2], [90])],
      start,
    );
    expect(time).toBe(5);
    // The decoder's input at each position, and what it has to say there.
    expect([...inputs!]).toEqual([
      ...[start, 5, start, start, start],
      ...[90, 91, start, 6, 7],
      ...[90, start, 8, start, start],
    ]);
    expect([...labels]).toEqual([
      ...[5, 2, -100, -100, -100],
      ...[-100, -100, 6, 7, 2],
      ...[-100, 8, 2, -100, -100],
    ]);
    expect(rows).toEqual(Array.from({ length: 3 }, () => ({ id: 'row', text: '' })));
  });
});
