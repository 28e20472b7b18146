// A source of prepared rows: every row is read alone, so that a pass can have any order and go on anywhere.
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { fileError, WhisperError } from '../../errors.js';
import { type Cursor, cursorError, type Positioned, type Source } from '../dataset.js';
import { permutation, RandomStream } from '../random.js';
import { audioOf, indexFile, type Line, rowsFile } from './files.js';

/** Rows whose lines are read at a time, where they lie next to each other. */
const block = 256;

interface Prepared {
  folder: string;
  rows: number;
  /** The source the rows came from. */
  origin: Source;
  /** The byte that each line ends at. */
  ends: Float64Array;
}

/** @throws WhisperError ERR_FILE, ERR_CORRUPT_FILE when there are fewer lines than rows */
export async function openPrepared(folder: string, rows: number, origin: Source): Promise<Source> {
  const path = indexFile(folder);
  const bytes = await readFile(path).catch((cause) => {
    throw fileError('read', path, cause);
  });
  if (bytes.length < 8 * rows) {
    throw new WhisperError(
      'ERR_CORRUPT_FILE',
      `${path} has ${bytes.length} bytes, ${rows} rows need ${8 * rows}: remove ${folder} to prepare the data anew`,
    );
  }
  const ends = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 8 * rows));
  return sourceOf({ folder, rows, origin, ends });
}

function sourceOf(prepared: Prepared, order?: { seed: number; pass: number }): Source {
  const { rows, origin } = prepared;
  const { name, version, selection } = origin;
  const turnOf = (cursor: Cursor): number => {
    if (typeof cursor === 'number' && cursor >= 0 && cursor <= rows) return cursor;
    throw cursorError(name, `${JSON.stringify(cursor)} is none of its ${rows} prepared rows`);
  };
  return {
    name,
    ...(version !== undefined && { version }),
    ...(selection !== undefined && { selection }),
    async *open(cursor) {
      const first = turnOf(cursor ?? 0);
      const lines = await openLines(prepared);
      try {
        if (!order) {
          for (let row = first; row < rows; row += block) {
            const read = await lines.read(row, Math.min(rows, row + block));
            for (const [i, line] of read.entries()) yield positioned(prepared, row + i, row + i, line);
          }
          return;
        }
        const permuted = permutation(rows, new RandomStream(order.seed, order.pass));
        for (let turn = first; turn < rows; turn++) {
          const row = permuted[turn]!;
          const [line] = await lines.read(row, row + 1);
          yield positioned(prepared, row, turn, line!);
        }
      } finally {
        await lines.close();
      }
    },
    async rowsAt(cursors) {
      const lines = await openLines(prepared);
      try {
        const found: Positioned[] = [];
        for (const cursor of cursors) {
          const row = turnOf(cursor);
          const [line] = await lines.read(row, row + 1);
          found.push(positioned(prepared, row, row, line!));
        }
        return found;
      } finally {
        await lines.close();
      }
    },
    count: async () => rows,
    seek: async (row) => row,
    shuffled: (seed, pass) => sourceOf(prepared, { seed, pass }),
  };
}

function positioned({ folder }: Prepared, row: number, turn: number, line: Line): Positioned {
  const { audio: _, fault: __, ...said } = line;
  return { row: { ...said, audio: audioOf(folder, line) }, at: row, next: turn + 1 };
}

interface Lines {
  /** The lines of rows from `from` up to `to`. */
  read(from: number, to: number): Promise<Line[]>;
  close(): Promise<void>;
}

async function openLines({ folder, ends }: Prepared): Promise<Lines> {
  const path = rowsFile(folder);
  const fail = (cause: unknown) => {
    throw fileError('read', path, cause);
  };
  const file: FileHandle = await open(path, 'r').catch(fail);
  const begin = (row: number) => (row === 0 ? 0 : ends[row - 1]!);
  return {
    async read(from, to) {
      const bytes = Buffer.alloc(ends[to - 1]! - begin(from));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, begin(from)).catch(fail);
      const texts = bytes.toString('utf8', 0, bytesRead).split('\n').slice(0, -1);
      if (texts.length === to - from) return texts.map((text) => JSON.parse(text) as Line);
      throw new WhisperError(
        'ERR_CORRUPT_FILE',
        `${path} has become shorter: remove ${folder} to prepare the data anew`,
      );
    },
    close: () => file.close(),
  };
}
