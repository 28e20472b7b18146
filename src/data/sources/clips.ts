// From a table to a source of rows: which columns are meant, where the clips lie, and that they stay in their folder.
import { basename, resolve } from 'node:path';
import { WhisperError } from '../../errors.js';
import { type Cursor, cursorError, type Positioned, type Row, type Source } from '../dataset.js';
import { liesIn } from '../folder.js';
import type { LinePosition } from './lines.js';
import { openTable, type Record, type Table } from './table.js';

/** Columns by name; what is left out is found by the format's own names. */
export interface Columns {
  textColumn?: string;
  /** `audio` stands for the format's own column, whatever its name. */
  audioColumn?: string;
}

/** Names of text columns in published data sets, in the order they are looked for. */
const textColumns = ['text', 'sentence', 'transcription', 'transcript'];

export interface ClipsOptions extends Columns {
  /** The table. */
  path: string;
  /** The data set's folder: no clip may lie outside. */
  root: string;
  /** What the table's paths are relative to. */
  base: string;
  /** A folder in `root` that the table's paths must not leave. Default: `root`. */
  within?: string;
  /** The format's own names of the audio column, in the order they are looked for. */
  audioColumns: readonly string[];
  /** Changes a path as the table has it; Common Voice left the ending out once. */
  clip?: (path: string) => string;
}

function pickColumn(
  table: Table,
  role: string,
  wanted: string | undefined,
  known: readonly string[],
): string {
  if (wanted !== undefined && table.columns.includes(wanted)) return wanted;
  const has = `its columns are: ${table.columns.join(', ')}`;
  if (wanted !== undefined && !(role === 'audio' && wanted === 'audio')) {
    throw new WhisperError('ERR_DATA', `${table.path} has no ${role} column "${wanted}"; ${has}`);
  }
  const found = known.find((name) => table.columns.includes(name));
  if (found !== undefined) return found;
  const names = known.map((name) => `"${name}"`).join(' or ');
  throw new WhisperError('ERR_DATA', `${table.path} has no ${role} column ${names}; ${has}`);
}

function optionalText(record: Record, column: string): string | undefined {
  const value = record.values.get(column);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * A source of the clips a table names.
 *
 * @throws WhisperError ERR_DATA for a missing column, with the columns there are. While reading: ERR_DATA naming file
 *   and line for a row without audio, a text that is no text, or a clip outside the data set's folder.
 */
export async function openClips(options: ClipsOptions): Promise<Source> {
  const { path, root, base, within = root } = options;
  const table = await openTable(path);
  const audioColumn = pickColumn(table, 'audio', options.audioColumn, options.audioColumns);
  const textColumn = pickColumn(table, 'text', options.textColumn, textColumns);

  const toRow = (record: Record): Row => {
    const where = `${path}:${record.at.line}`;
    const name = record.values.get(audioColumn);
    if (typeof name !== 'string' || name === '') {
      throw new WhisperError('ERR_DATA', `${where}: the column "${audioColumn}" names no audio file`);
    }
    const text = record.values.get(textColumn) ?? '';
    if (typeof text !== 'string') {
      throw new WhisperError(
        'ERR_DATA',
        `${where}: the column "${textColumn}" holds no text but ${JSON.stringify(text)}`,
      );
    }
    const clip = resolve(base, options.clip ? options.clip(name) : name);
    if (!liesIn(within, clip) || name.includes('\0')) {
      throw new WhisperError(
        'ERR_DATA',
        `${where}: the path ${JSON.stringify(name)} leaves the data set's folder ${within}`,
      );
    }
    const row: Row = { id: `${basename(path)}:${record.at.line} ${name}`, audio: { path: clip, root }, text };
    const language = optionalText(record, 'language');
    const task = optionalText(record, 'task');
    if (language !== undefined) row.language = language;
    if (task !== undefined) row.task = task;
    return row;
  };

  const position = (cursor: Cursor): LinePosition => {
    const { byte, line } = (cursor ?? {}) as Partial<LinePosition>;
    if (Number.isSafeInteger(byte) && Number.isSafeInteger(line)) return { byte: byte!, line: line! };
    throw cursorError(path, `${JSON.stringify(cursor)} is no position in a table`);
  };

  async function* open(cursor?: Cursor): AsyncGenerator<Positioned, void, void> {
    for await (const record of table.records(cursor == null ? undefined : position(cursor))) {
      yield { row: toRow(record), at: record.at, next: record.next };
    }
  }

  return {
    name: path,
    open,
    async rowsAt(cursors) {
      const wanted = cursors.map(position);
      const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]!.byte - wanted[b]!.byte);
      const rows = new Map<number, Positioned>();
      let reader: AsyncGenerator<Positioned, void, void> | undefined;
      let reached = 0;
      for (const i of order) {
        const { byte } = wanted[i]!;
        if (rows.has(byte)) continue;
        // Rows near each other are read in one go; over a longer gap it is cheaper to open the file anew.
        if (!reader || byte < reached || byte - reached > 256 * 1024) {
          await reader?.return();
          reader = open(wanted[i]!);
          reached = byte;
        }
        while (!rows.has(byte) && reached <= byte) {
          const { value: positioned } = await reader.next();
          if (!positioned) break;
          reached = position(positioned.next).byte;
          rows.set(position(positioned.at).byte, positioned);
        }
        if (!rows.has(byte)) throw cursorError(path, `no row begins at byte ${byte}; the file has changed`);
      }
      await reader?.return();
      return wanted.map(({ byte }) => rows.get(byte)!);
    },
    async count() {
      let rows = 0;
      for await (const _ of table.records()) rows += 1;
      return rows;
    },
  };
}
