// The share of one process of a source that several read.
import { WhisperError } from '../errors.js';
import { type Cursor, concatenate, cursorError, type Source } from './dataset.js';

export interface ShardOptions {
  /** Which of the processes, from 0. */
  rank: number;
  /** How many there are. */
  world: number;
}

/**
 * The rows of one of `world` processes: no row is in two shares, every row is in one. Parts are dealt out whole where
 * that gives all of them as many, so that nobody reads what another keeps; otherwise rows are.
 *
 * @throws WhisperError ERR_INVALID_ARGUMENT
 */
export function shard(source: Source, { rank, world }: ShardOptions): Source {
  if (!Number.isSafeInteger(world) || world < 1 || !Number.isSafeInteger(rank) || rank < 0 || rank >= world) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `rank must be a whole number from 0 to below world, got rank ${rank} of world ${world}`,
    );
  }
  if (world === 1) return source;
  const { parts } = source;
  if (parts && parts.length % world === 0)
    return concatenate(
      parts.filter((_, part) => part % world === rank),
      source.name,
    );
  return everyNth(source, { rank, world });
}

/** Rows `rank`, `rank + world`, …; cursors are `{ row, inner }`. */
function everyNth(source: Source, share: ShardOptions): Source {
  const { rank, world } = share;
  const { name, version, selection } = source;
  const rows = `row ${rank} of every ${world}`;
  const place = (cursor: Cursor): { row: number; inner: Cursor } => {
    const { row, inner } = (cursor ?? {}) as { row?: unknown; inner?: Cursor };
    if (Number.isSafeInteger(row)) return { row: row as number, inner: inner ?? null };
    throw cursorError(name, `${JSON.stringify(cursor)} is no place in a share`);
  };
  return {
    name,
    selection: selection === undefined ? rows : `${selection}; ${rows}`,
    ...(version !== undefined && { version }),
    async *open(cursor) {
      let { row, inner } = cursor == null ? { row: 0, inner: null } : place(cursor);
      for await (const positioned of source.open(inner)) {
        const mine = row % world === rank;
        row += 1;
        if (mine) yield { ...positioned, next: { row, inner: positioned.next } };
      }
    },
    rowsAt: (cursors) => source.rowsAt(cursors),
    ...(source.count && {
      count: async () => Math.ceil(Math.max(0, (await source.count!()) - rank) / world),
    }),
    ...(source.shuffled && {
      shuffled: (seed: number, pass: number) => everyNth(source.shuffled!(seed, pass), share),
    }),
  };
}
