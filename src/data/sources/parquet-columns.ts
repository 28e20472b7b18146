// The columns of a parquet file: which of them has the audio, and what Hugging Face datasets says about the others.
import type { FileMetaData, SchemaElement } from 'hyparquet';
import { WhisperError } from '../../errors.js';
import { type Columns, pickColumn, pickTextColumns, type TextColumns } from './columns.js';

/** Names of audio columns where the file does not say which is one. */
const audioColumns = ['audio', 'bytes', 'path', 'file', 'file_name', 'audio_filepath'];

export interface ParquetColumns {
  audio: string;
  texts: TextColumns;
  /** The columns to read: these and no others. */
  read: string[];
  /** The names that stand for the numbers of a column, where it has them (`ClassLabel`). */
  labels: ReadonlyMap<string, readonly string[]>;
}

/** One feature of the `huggingface` key: `{ "_type": "Audio" }`, `{ "_type": "ClassLabel", "names": […] }`. */
type Feature = { _type?: unknown; names?: unknown };

/** What datasets wrote about the columns; empty when another program wrote the file. */
function readFeatures(metadata: FileMetaData): Map<string, Feature> {
  const written = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value;
  try {
    const { info } = JSON.parse(written ?? '{}') as { info?: { features?: object } };
    return new Map(Object.entries(info?.features ?? {}));
  } catch {
    // What cannot be read says nothing; the columns then speak for themselves.
    return new Map();
  }
}

interface TopColumn {
  name: string;
  children: readonly SchemaElement[];
}

/** The columns at the top of the schema, which is a list in depth-first order. */
function topColumns([root, ...elements]: SchemaElement[]): TopColumn[] {
  const columns: TopColumn[] = [];
  let at = 0;
  const skip = (): SchemaElement => {
    const element = elements[at++]!;
    for (let i = 0; i < (element.num_children ?? 0); i++) skip();
    return element;
  };
  for (let i = 0; i < (root?.num_children ?? 0); i++) {
    const { name, num_children: count = 0 } = elements[at++]!;
    columns.push({ name, children: Array.from({ length: count }, skip) });
  }
  return columns;
}

/**
 * Chooses the columns of a file.
 *
 * @throws WhisperError ERR_DATA naming the file and the columns there are
 */
export function parquetColumns(name: string, metadata: FileMetaData, wanted: Columns): ParquetColumns {
  const columns = topColumns(metadata.schema);
  const features = readFeatures(metadata);
  const table = { name, columns: columns.map((column) => column.name) };
  const isAudio = (column: TopColumn) =>
    features.get(column.name)?._type === 'Audio' || column.children.some((child) => child.name === 'bytes');
  const found = columns.filter(isAudio).map((column) => column.name);
  const asked = wanted.audioColumn;
  if (found.length > 1 && !found.includes(asked ?? 'audio')) {
    throw new WhisperError(
      'ERR_DATA',
      `${name} has several audio columns; say which (audio_column_name): ${found.join(', ')}`,
    );
  }
  const ordered = found.includes('audio') ? ['audio'] : found;
  const audio = pickColumn(table, 'audio', asked, [...ordered, ...audioColumns]);
  const texts = pickTextColumns(table, wanted);
  const labels = new Map(
    [...features].flatMap(([column, { _type: type, names }]) =>
      type === 'ClassLabel' && Array.isArray(names) ? [[column, names.map(String)] as const] : [],
    ),
  );
  const { text, language, task, prompt } = texts;
  const read = [audio, text, language, task, prompt].filter((column) => column !== undefined);
  return { audio, texts, read: [...new Set(read)], labels };
}
