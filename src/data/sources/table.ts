// Tables of clips: CSV (quoted as in RFC 4180), TSV (never quoted) and JSON lines, read row by row from any position.
import { CsvError, parse } from 'csv-parse/sync';
import { WhisperError } from '../../errors.js';
import type { RandomAccessFile } from '../../files/random-access.js';
import { endingOf } from './files.js';
import { type LinePosition, readLines } from './lines.js';

export interface Record {
  /** By column name. CSV and TSV have strings; JSON lines whatever JSON has. */
  values: ReadonlyMap<string, unknown>;
  at: LinePosition;
  next: LinePosition;
}

export interface Table {
  /** For messages. */
  readonly name: string;
  /** The column names, in the file's order. */
  readonly columns: readonly string[];
  /** Records from a position on, blank lines left out. */
  records(from?: LinePosition): AsyncGenerator<Record, void, void>;
}

interface Fields {
  fields: string[];
  at: LinePosition;
  next: LinePosition;
}

/** The endings of table files, without the dot. */
export const tableEndings = ['csv', 'tsv', 'jsonl'] as const;

/** Opens the table's file, for each reading of it. */
type Open = () => Promise<RandomAccessFile>;

async function* tsvFields(open: Open, from?: LinePosition): AsyncGenerator<Fields, void, void> {
  for await (const { text, at, next } of readLines(await open(), from)) {
    if (text !== '') yield { fields: text.split('\t'), at, next };
  }
}

/** The fields of one record, or undefined while a quoted field is still open. */
function splitCsv(text: string, where: string): string[] | undefined {
  if (!text.includes('"')) return text.split(',');
  try {
    const [fields] = parse(text, { relax_column_count: true, relax_quotes: true, record_delimiter: '\0' });
    return fields as unknown as string[];
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    if (cause.code === 'CSV_QUOTE_NOT_CLOSED') return undefined;
    throw new WhisperError('ERR_DATA', `${where}: ${cause.message}`, { cause });
  }
}

/** More lines than this in one record are a quote that somebody forgot to close. */
const mostLinesInRecord = 100;

async function* csvFields(open: Open, from?: LinePosition): AsyncGenerator<Fields, void, void> {
  const file = await open();
  const path = file.name;
  let record = '';
  let at: LinePosition | undefined;
  for await (const line of readLines(file, from)) {
    if (!at && line.text === '') continue;
    record = at ? `${record}\n${line.text}` : line.text;
    at ??= line.at;
    const fields = splitCsv(record, `${path}:${at.line}`);
    if (fields) yield { fields, at, next: line.next };
    if (fields) at = undefined;
    else if (line.next.line - at.line > mostLinesInRecord) break;
  }
  if (at) throw new WhisperError('ERR_DATA', `${path}:${at.line}: a quote that opens here is never closed`);
}

async function openDelimited(
  name: string,
  open: Open,
  read: (open: Open, from?: LinePosition) => AsyncGenerator<Fields, void, void>,
): Promise<Table> {
  let header: Fields | undefined;
  for await (const fields of read(open)) {
    header = fields;
    break;
  }
  if (!header)
    throw new WhisperError('ERR_DATA', `${name} is empty: expected a first line with column names`);
  const columns = header.fields;
  const start = header.next;
  return {
    name,
    columns,
    async *records(from = start) {
      for await (const { fields, at, next } of read(open, from)) {
        if (fields.length !== columns.length) {
          throw new WhisperError(
            'ERR_DATA',
            `${name}:${at.line}: ${fields.length} fields, but the first line names ${columns.length} columns`,
          );
        }
        yield { values: new Map(columns.map((column, i) => [column, fields[i]])), at, next };
      }
    },
  };
}

async function openJsonLines(name: string, open: Open): Promise<Table> {
  async function* records(from?: LinePosition): AsyncGenerator<Record, void, void> {
    for await (const { text, at, next } of readLines(await open(), from)) {
      if (text.trim() === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch (cause) {
        throw new WhisperError(
          'ERR_DATA',
          `${name}:${at.line}: not a JSON object: ${(cause as Error).message}`,
        );
      }
      if (value === null || typeof value !== 'object' || Array.isArray(value)) {
        throw new WhisperError(
          'ERR_DATA',
          `${name}:${at.line}: expected a JSON object, got ${text.slice(0, 40)}`,
        );
      }
      yield { values: new Map(Object.entries(value)), at, next };
    }
  }
  for await (const first of records()) return { name, columns: [...first.values.keys()], records };
  throw new WhisperError('ERR_DATA', `${name} is empty: expected one JSON object on each line`);
}

/**
 * Opens a table by the ending of its name.
 *
 * @param open opens its file, for each reading of it
 * @throws WhisperError ERR_FILE when it cannot be read, ERR_DATA when it is empty or its first line is bad.
 */
export function openTable(name: string, open: Open): Promise<Table> {
  const ending = endingOf(name);
  if (ending === 'csv') return openDelimited(name, open, csvFields);
  if (ending === 'tsv') return openDelimited(name, open, tsvFields);
  return openJsonLines(name, open);
}
