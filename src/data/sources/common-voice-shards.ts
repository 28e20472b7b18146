// Common Voice as it lay on the Hub: `audio/es/train/es_train_0.tar` and so on beside `transcript/es/train.tsv`.

import { tarEntries } from '../../files/tar.js';
import type { Row, Source } from '../dataset.js';
import { type Columns, pickColumn, pickTextColumns, textsOf } from './columns.js';
import { type DataFiles, endingOf, filesEnding, hasFile, hasFolder, nameOf } from './files.js';
import type { Format } from './format.js';
import { chooseConfig, joinShards } from './shards.js';
import { openTable } from './table.js';
import { type TarRows, tarSource } from './tar-rows.js';

type Texts = Pick<Row, 'text' | 'language' | 'task' | 'previous'>;

/**
 * The sentences of a split by the name of their clip. They are in memory while a shard is read, and as long after as there
 * is room: a million of them take some hundred megabytes.
 *
 * @throws WhisperError ERR_DATA for a missing column
 */
async function openTranscripts(files: DataFiles, path: string, wanted: Columns) {
  const name = files.describe(path);
  const table = await openTable(name, () => files.open(path));
  const clipColumn = pickColumn(table, 'audio', wanted.audioColumn, ['path']);
  const columns = pickTextColumns(table, wanted);
  const read = async (): Promise<Map<string, Texts>> => {
    const transcripts = new Map<string, Texts>();
    for await (const { values, at } of table.records()) {
      const clip = nameOf(String(values.get(clipColumn)));
      const texts = textsOf(`${name}:${at.line}`, columns, (column) => values.get(column));
      transcripts.set(endingOf(clip) === '' ? `${clip}.mp3` : clip, texts);
    }
    return transcripts;
  };
  let kept: WeakRef<Map<string, Texts>> | undefined;
  let reading: Promise<Map<string, Texts>> | undefined;
  return async (): Promise<Map<string, Texts>> => {
    const there = kept?.deref();
    if (there) return there;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    const transcripts = await reading;
    kept = new WeakRef(transcripts);
    return transcripts;
  };
}

/** The clips of one archive that have a sentence; the others belong to no split. */
function shardRows(shard: string, load: () => Promise<Map<string, Texts>>): TarRows {
  return async function* (file, from) {
    const transcripts = await load();
    for await (const { name, at, content, size, next } of tarEntries(file, from)) {
      const texts = transcripts.get(nameOf(name));
      if (!texts) continue;
      const load = async (): Promise<Row> => ({
        id: `${nameOf(shard)}:${nameOf(name)}`,
        audio: { bytes: await file.read(content, content + size) },
        ...texts,
      });
      yield { at, next, load };
    }
  };
}

const byNumber = new Intl.Collator('en', { numeric: true });

async function openSplit(
  files: DataFiles,
  split: string,
  table: string,
  tars: string[],
  columns: Columns,
): Promise<Source> {
  const load = await openTranscripts(files, table, columns);
  return joinShards(
    files,
    split,
    tars.map((path) => tarSource(files, path, columns, shardRows(path, load))),
  );
}

export const commonVoiceShards: Format = {
  name: 'Common Voice in shards',
  expects: 'audio/es/train/*.tar beside transcript/es/train.tsv',
  async recognise({ files, file, config }) {
    if (file !== undefined || !(await hasFolder(files, 'audio')) || !(await hasFolder(files, 'transcript')))
      return undefined;
    const languages = (await files.list('transcript')).filter(({ folder }) => folder);
    if (languages.length === 0) return undefined;
    const { name: language } = chooseConfig(files, languages, config);
    const splits = new Map<string, (columns: Columns) => Promise<Source>>();
    for (const { name: split } of await files.list(`audio/${language}`)) {
      const table = `transcript/${language}/${split}.tsv`;
      const tars = await filesEnding(files, ['tar'], { folder: `audio/${language}/${split}`, depth: 1 });
      if (tars.length === 0 || !(await hasFile(files, table))) continue;
      tars.sort(byNumber.compare);
      splits.set(split, (columns) => openSplit(files, split, table, tars, columns));
    }
    return splits;
  },
};
