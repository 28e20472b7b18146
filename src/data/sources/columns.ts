// Which columns of a data set are meant, and the texts of a row taken from them.
import { WhisperError } from '../../errors.js';
import type { Row } from '../dataset.js';

/** Columns by name; what is left out is found by the format's own names. A column that is named must be there. */
export interface Columns {
  textColumn?: string;
  /** `audio` stands for the format's own column, whatever its name. */
  audioColumn?: string;
  /** Default: `language`, where there is such a column. */
  languageColumn?: string;
  /** Default: `task`, where there is such a column. */
  taskColumn?: string;
  /** What was said before each clip, for prompts. Default: none. */
  promptColumn?: string;
}

/** Names of text columns in published data sets, in the order in which the fine-tuning event's evaluation script looks. */
export const textColumns = ['text', 'sentence', 'normalized_text', 'transcript', 'transcription'];

/** A column for each text of a row. */
export interface TextColumns {
  text: string;
  language: string | undefined;
  task: string | undefined;
  prompt: string | undefined;
}

/**
 * The column of a role: the one that was asked for, or the first known name that is there.
 *
 * @throws WhisperError ERR_DATA naming the columns there are
 */
export function pickColumn(
  table: { name: string; columns: readonly string[] },
  role: string,
  wanted: string | undefined,
  known: readonly string[],
): string {
  if (wanted !== undefined && table.columns.includes(wanted)) return wanted;
  const has = `its columns are: ${table.columns.join(', ')}`;
  if (wanted !== undefined && !(role === 'audio' && wanted === 'audio')) {
    throw new WhisperError('ERR_DATA', `${table.name} has no ${role} column "${wanted}"; ${has}`);
  }
  const found = known.find((name) => table.columns.includes(name));
  if (found !== undefined) return found;
  const names = known.map((name) => `"${name}"`).join(' or ');
  throw new WhisperError('ERR_DATA', `${table.name} has no ${role} column ${names}; ${has}`);
}

/** The columns of a row's texts. @throws WhisperError ERR_DATA naming the columns there are */
export function pickTextColumns(
  table: { name: string; columns: readonly string[] },
  { textColumn, languageColumn, taskColumn, promptColumn }: Columns,
): TextColumns {
  const optional = (role: string, wanted: string | undefined, known?: string) =>
    wanted === undefined
      ? table.columns.find((column) => column === known)
      : pickColumn(table, role, wanted, []);
  return {
    text: pickColumn(table, 'text', textColumn, textColumns),
    language: optional('language', languageColumn, 'language'),
    task: optional('task', taskColumn, 'task'),
    prompt: optional('prompt', promptColumn),
  };
}

/**
 * The texts of a row.
 *
 * @param where the row, for messages
 * @throws WhisperError ERR_DATA for a text that is no text
 */
export function textsOf(
  where: string,
  columns: TextColumns,
  value: (column: string) => unknown,
): Pick<Row, 'text' | 'language' | 'task' | 'previous'> {
  const text = value(columns.text) ?? '';
  if (typeof text !== 'string') {
    throw new WhisperError(
      'ERR_DATA',
      `${where}: the column "${columns.text}" holds no text but ${JSON.stringify(text)}`,
    );
  }
  const row: ReturnType<typeof textsOf> = { text };
  for (const [key, column] of [
    ['language', columns.language],
    ['task', columns.task],
    ['previous', columns.prompt],
  ] as const) {
    const content = column === undefined ? undefined : value(column);
    if (typeof content === 'string' && content !== '') row[key] = content;
  }
  return row;
}

/** What a source says of its columns, where they were chosen: see `selection` of a source. */
export function selectionOf(columns: Columns): { selection?: string } {
  const { textColumn, audioColumn, languageColumn, taskColumn, promptColumn } = columns;
  const chosen = { textColumn, audioColumn, languageColumn, taskColumn, promptColumn };
  return Object.values(chosen).some((column) => column !== undefined)
    ? { selection: JSON.stringify(chosen) }
    : {};
}
