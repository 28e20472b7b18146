// From a table to a source of rows: which columns are meant, where the clips lie, and that they stay in their folder.
import { WhisperError } from '../../errors.js';
import { mapInOrder } from '../ahead.js';
import { type Cursor, cursorError, type Positioned, type Source } from '../dataset.js';
import { type Columns, pickColumn, pickTextColumns, selectionOf, textsOf } from './columns.js';
import { type DataFiles, nameOf } from './files.js';
import type { LinePosition } from './lines.js';
import { openTable, type Record } from './table.js';

export interface ClipsOptions extends Columns {
  files: DataFiles;
  /** The table. */
  path: string;
  /** The folder that the table's paths are relative to. */
  base: string;
  /** A folder that the table's paths must not leave. Default: the data set's. */
  within?: string;
  /** The format's own names of the audio column, in the order they are looked for. */
  audioColumns: readonly string[];
  /** Changes a path as the table has it; Common Voice left the ending out once. */
  clip?: (path: string) => string;
}

/** Clips fetched at the same time, where each has to be fetched; those on this machine are read when they are decoded. */
const fetched = 8;

/**
 * A source of the clips a table names.
 *
 * @throws WhisperError ERR_DATA for a missing column, with the columns there are. While reading: ERR_DATA naming file
 *   and line for a row without audio, a text that is no text, or a clip outside the data set's folder.
 */
export async function openClips(options: ClipsOptions): Promise<Source> {
  const { files, path, base, within = '' } = options;
  const name = files.describe(path);
  const table = await openTable(name, () => files.open(path));
  const audioColumn = pickColumn(table, 'audio', options.audioColumn, options.audioColumns);
  const columns = pickTextColumns(table, options);

  const clipOf = (record: Record, where: string): { called: string; path: string } => {
    const called = record.values.get(audioColumn);
    if (typeof called !== 'string' || called === '') {
      throw new WhisperError('ERR_DATA', `${where}: the column "${audioColumn}" names no audio file`);
    }
    const clip = files.resolve(base, options.clip ? options.clip(called) : called);
    if (clip === undefined || !clip.startsWith(within === '' ? '' : `${within}/`)) {
      throw new WhisperError(
        'ERR_DATA',
        `${where}: the path ${JSON.stringify(called)} leaves the data set's folder ${files.describe(within)}`,
      );
    }
    return { called, path: clip };
  };

  const place = async (record: Record): Promise<Positioned> => {
    const { at, next, values } = record;
    const where = `${name}:${at.line}`;
    const clip = clipOf(record, where);
    const texts = textsOf(where, columns, (column) => values.get(column));
    const id = `${nameOf(path)}:${at.line} ${clip.called}`;
    return { row: { id, audio: await files.audio(clip.path), ...texts }, at, next };
  };

  const position = (cursor: Cursor): LinePosition => {
    const { byte, line } = (cursor ?? {}) as Partial<LinePosition>;
    if (Number.isSafeInteger(byte) && Number.isSafeInteger(line)) return { byte: byte!, line: line! };
    throw cursorError(name, `${JSON.stringify(cursor)} is no position in a table`);
  };

  async function* open(cursor?: Cursor): AsyncGenerator<Positioned, void, void> {
    yield* mapInOrder(table.records(cursor == null ? undefined : position(cursor)), fetched, place);
  }

  return {
    name,
    ...(files.version !== undefined && { version: files.version }),
    ...selectionOf(options),
    open,
    async rowsAt(cursors) {
      const wanted = cursors.map(position);
      const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]!.byte - wanted[b]!.byte);
      const rows = new Map<number, Record>();
      let reader: AsyncGenerator<Record, void, void> | undefined;
      let reached = 0;
      for (const i of order) {
        const { byte } = wanted[i]!;
        if (rows.has(byte)) continue;
        // Rows near each other are read in one go; over a longer gap it is cheaper to open the file anew.
        if (!reader || byte < reached || byte - reached > 256 * 1024) {
          await reader?.return();
          reader = table.records(wanted[i]!);
          reached = byte;
        }
        while (!rows.has(byte) && reached <= byte) {
          const { value: record } = await reader.next();
          if (!record) break;
          reached = record.next.byte;
          if (record.at.byte === byte) rows.set(byte, record);
        }
        if (!rows.has(byte)) throw cursorError(name, `no row begins at byte ${byte}; the file has changed`);
      }
      await reader?.return();
      return Promise.all(wanted.map(({ byte }) => place(rows.get(byte)!)));
    },
    async count() {
      let rows = 0;
      for await (const _ of table.records()) rows += 1;
      return rows;
    },
  };
}
