// A range of the rows of a source.
import { WhisperError } from '../errors.js';
import { type Cursor, concatenate, cursorError, type Positioned, type Source } from './dataset.js';

/** The number of rows, for `purpose`. */
export async function countRows(source: Source, purpose: string): Promise<number> {
  if (source.count) return source.count();
  throw new WhisperError(
    'ERR_DATA',
    `${source.name} cannot say how many rows it has, which ${purpose} needs; count from its first row instead, as in train[:1000]`,
  );
}

/**
 * The rows from number `from` up to number `to`, as many of them as there are. Of a source in parts, whole parts stay as
 * they are, so that they can still be shuffled; reading begins without reading what comes before wherever the source can
 * find a row by its number.
 *
 * @param to `Infinity` for all that follow
 */
export async function sliceRows(source: Source, from: number, to: number): Promise<Source> {
  if (from === 0 && to === Infinity) return source;
  const { parts } = source;
  if (!parts?.every((part) => part.count)) return range(source, from, to);
  const inside: Source[] = [];
  let before = 0;
  for (const part of parts) {
    if (before >= to) break;
    const rows = await part.count!();
    const [first, end] = [Math.max(0, from - before), Math.min(rows, to - before)];
    if (first === 0 && end === rows) inside.push(part);
    else if (first < end) inside.push(range(part, first, end));
    before += rows;
  }
  return concatenate(inside, source.name);
}

/** The first `rows` rows, or all where there are fewer: `max_train_samples`. */
export function take(source: Source, rows: number): Promise<Source> {
  return sliceRows(source, 0, rows);
}

/** Of a source as one piece; cursors are `{ row, inner }`. */
function range(source: Source, from: number, to: number): Source {
  const { name, version, selection } = source;
  const rows = `rows ${from} to ${to}`;
  let first: Promise<Cursor> | undefined;
  const begin = (): Promise<Cursor> => {
    first ??= cursorOf(source, from);
    return first;
  };
  const place = (cursor: Cursor): { row: number; inner: Cursor } => {
    const { row, inner } = (cursor ?? {}) as { row?: unknown; inner?: Cursor };
    if (Number.isSafeInteger(row)) return { row: row as number, inner: inner ?? null };
    throw cursorError(name, `${JSON.stringify(cursor)} is no place in a slice`);
  };
  return {
    name,
    selection: selection === undefined ? rows : `${selection}; ${rows}`,
    ...(version !== undefined && { version }),
    async *open(cursor) {
      let { row, inner } = cursor == null ? { row: from, inner: await begin() } : place(cursor);
      if (row >= to) return;
      for await (const positioned of source.open(inner)) {
        row += 1;
        yield { ...positioned, next: { row, inner: positioned.next } };
        if (row >= to) return;
      }
    },
    async rowsAt(cursors): Promise<Positioned[]> {
      return source.rowsAt(cursors);
    },
    ...(source.count && {
      async count() {
        const all = await source.count!();
        return Math.max(0, Math.min(to, all) - Math.min(from, all));
      },
    }),
    ...(source.seek && {
      seek: async (row: number) => ({ row: from + row, inner: await source.seek!(from + row) }),
    }),
  };
}

/** The cursor of a row; where the source cannot find it, those before it are read. */
async function cursorOf(source: Source, row: number): Promise<Cursor> {
  if (row === 0) return null;
  if (source.seek) return source.seek(row);
  let read = 0;
  let cursor: Cursor = null;
  for await (const { next } of source.open()) {
    cursor = next;
    read += 1;
    if (read === row) break;
  }
  return cursor;
}
