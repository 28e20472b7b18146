// Sources over one tar archive: a cursor is the byte at which a row's first entry begins.
import type { RandomAccessFile } from '../../files/random-access.js';
import { windowed } from '../../files/window.js';
import { type Cursor, cursorError, type Positioned, type Row, type Source } from '../dataset.js';
import { type Columns, selectionOf } from './columns.js';
import type { DataFiles } from './files.js';

/** A row of an archive, not yet read. */
export interface TarRow {
  /** Bytes: where its first entry begins, and that of the next row. */
  at: number;
  next: number;
  load(): Promise<Row>;
}

/** The rows of an archive from an entry on. */
export type TarRows = (file: RandomAccessFile, from: number) => AsyncGenerator<TarRow, void, void>;

export function tarSource(files: DataFiles, path: string, columns: Columns, rowsOf: TarRows): Source {
  const name = files.describe(path);
  const byteOf = (cursor: Cursor): number => {
    if (Number.isSafeInteger(cursor) && (cursor as number) >= 0 && (cursor as number) % 512 === 0)
      return cursor as number;
    throw cursorError(name, `${JSON.stringify(cursor)} is no place in an archive`);
  };
  async function* rows(from: number): AsyncGenerator<TarRow, void, void> {
    const file = windowed(await files.open(path));
    try {
      yield* rowsOf(file, from);
    } finally {
      await file.close();
    }
  }
  return {
    name,
    ...(files.version !== undefined && { version: files.version }),
    ...selectionOf(columns),
    async *open(cursor) {
      for await (const { load, at, next } of rows(cursor == null ? 0 : byteOf(cursor)))
        yield { row: await load(), at, next };
    },
    async rowsAt(cursors) {
      const found = new Map<number, Positioned>();
      const file = windowed(await files.open(path));
      try {
        for (const byte of [...new Set(cursors.map(byteOf))].sort((a, b) => a - b)) {
          for await (const { load, at, next } of rowsOf(file, byte)) {
            if (at === byte) found.set(byte, { row: await load(), at, next });
            break;
          }
          if (!found.has(byte))
            throw cursorError(name, `no row begins at byte ${byte}; the file has changed`);
        }
      } finally {
        await file.close();
      }
      return cursors.map((cursor) => found.get(byteOf(cursor))!);
    },
    // Headers lie between the clips: to count those of a remote archive would be to fetch it.
    ...(files.version === undefined && {
      async count() {
        let count = 0;
        for await (const _ of rows(0)) count += 1;
        return count;
      },
    }),
  };
}
