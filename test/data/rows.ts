// What the tests of the batch stream share: rows that say which they are, and settings that need no model.
import { afterAll } from 'vitest';
import { type Batch, type BatchesOptions, batches } from '../../src/data/batches.js';
import { DecoderPool } from '../../src/data/decode/pool.js';
import type { UserRow } from '../../src/data/sources/iterable.js';

const pool = new DecoderPool({ threads: 2 });
afterAll(() => pool.close());

export const start = 1;
export const end = 2;

/** A row whose samples and labels say which it is; `seconds` long at 16 kHz. */
export function row(index: number, seconds = 0.01): UserRow {
  const samples = new Float32Array(Math.round(seconds * 16000)).fill(index);
  return { audio: { samples, sampleRate: 16000 }, text: `t${index}` };
}

export const rows = (count: number) => Array.from({ length: count }, (_, i) => row(i));

export const base = {
  labels: ({ text }: { text: string }) => [start, ...Buffer.from(text), end],
  startToken: start,
  batchSize: 4,
  decoder: pool,
};

export async function collect(options: BatchesOptions, most = Infinity): Promise<Batch[]> {
  const all: Batch[] = [];
  for await (const batch of batches(options)) {
    all.push(batch);
    if (all.length === most) break;
  }
  return all;
}

export const textsOf = (all: Batch[]) => all.map((batch) => batch.rows.map(({ text }) => text));
