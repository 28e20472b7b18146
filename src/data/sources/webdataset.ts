// WebDataset: tar archives in which the files of one stem (`0001.mp3`, `0001.txt`) are a row.
// Format: github.com/webdataset/webdataset
import { relative, resolve, sep } from 'node:path';
import { WhisperError } from '../../errors.js';
import type { RandomAccessFile } from '../../files/random-access.js';
import { type TarEntry, tarEntries } from '../../files/tar.js';
import type { Row } from '../dataset.js';
import { type Columns, pickColumn, pickTextColumns, textsOf } from './columns.js';
import { type DataFiles, localFiles, nameOf } from './files.js';
import type { Format } from './format.js';
import { findShards, joinShards, type Shards, shardsByName } from './shards.js';
import { type TarRow, type TarRows, tarSource } from './tar-rows.js';

const audioEndings = ['mp3', 'wav', 'flac', 'ogg', 'opus', 'm4a', 'webm'];
const textEndings = ['txt', 'text'];

/** The entries of one row by what follows its stem, which ends at the first dot of the name. */
interface Group {
  stem: string;
  files: Map<string, TarEntry>;
  at: number;
  next: number;
}

function stemOf(name: string): { stem: string; ending: string } | undefined {
  const match = /^((?:.*\/)?[^/.]+)\.([^/]+)$/.exec(name);
  return match ? { stem: match[1]!, ending: match[2]!.toLowerCase() } : undefined;
}

async function* groups(file: RandomAccessFile, from: number): AsyncGenerator<Group, void, void> {
  let group: Group | undefined;
  for await (const entry of tarEntries(file, from)) {
    const named = stemOf(entry.name);
    // Without a stem, which has no dot, it is a file about the archive or one that macOS adds: `README`, `._0001.mp3`.
    if (!named) continue;
    if (group && group.stem !== named.stem) {
      yield group;
      group = undefined;
    }
    group ??= { stem: named.stem, files: new Map(), at: entry.at, next: entry.next };
    if (group.files.has(named.ending))
      throw new WhisperError('ERR_DATA', `${file.name}: there are two files named ${entry.name}`);
    group.files.set(named.ending, entry);
    group.next = entry.next;
  }
  if (group) yield group;
}

async function readJson(
  file: RandomAccessFile,
  { name, content, size }: TarEntry,
): Promise<Map<string, unknown>> {
  const bytes = await file.read(content, content + size);
  try {
    const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      return new Map(Object.entries(value));
    throw new Error('it is no object');
  } catch (cause) {
    throw new WhisperError(
      'ERR_DATA',
      `${file.name}: ${name} is no JSON object: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

async function readText(file: RandomAccessFile, { name, content, size }: TarEntry): Promise<string> {
  const bytes = await file.read(content, content + size);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).trim();
  } catch (cause) {
    throw new WhisperError('ERR_DATA', `${file.name}: ${name} is not valid UTF-8 text`, { cause });
  }
}

async function loadRow(file: RandomAccessFile, { stem, files }: Group, wanted: Columns): Promise<Row> {
  const name = `${file.name}: ${stem}`;
  const endings = [...files.keys()];
  const audio = pickColumn({ name, columns: endings }, 'audio', wanted.audioColumn, audioEndings);
  const json = files.get('json');
  const values = json ? await readJson(file, json) : new Map<string, unknown>();
  // A file of text goes before a key of the JSON file.
  const plain = textEndings.find((ending) => files.has(ending));
  if (plain !== undefined) {
    const text = await readText(file, files.get(plain)!);
    values.set('text', text).set(plain, text);
  }
  const columns = pickTextColumns({ name, columns: [...values.keys()] }, wanted);
  const texts = textsOf(name, columns, (column) => values.get(column));
  const { content, size } = files.get(audio)!;
  const bytes = await file.read(content, content + size);
  return { id: `${nameOf(file.name)}:${stem}.${audio}`, audio: { bytes }, ...texts };
}

function rowsOf(columns: Columns): TarRows {
  return async function* (file, from) {
    for await (const group of groups(file, from)) {
      const { at, next } = group;
      yield { at, next, load: () => loadRow(file, group, columns) } satisfies TarRow;
    }
  };
}

/** Reads the first row: a column that is missing is told of before anything else is done. */
async function checkFirst(files: DataFiles, path: string, columns: Columns): Promise<void> {
  for await (const _ of tarSource(files, path, columns, rowsOf(columns)).open()) return;
  throw new WhisperError('ERR_DATA', `${files.describe(path)} has no files that make up rows`);
}

/** The splits of archives. */
export function webdatasetSplits(files: DataFiles, shards: Shards) {
  return new Map(
    [...shards].map(([split, paths]) => [
      split,
      async (columns: Columns) => {
        await checkFirst(files, paths[0]!, columns);
        return joinShards(
          files,
          split,
          paths.map((path) => tarSource(files, path, columns, rowsOf(columns))),
        );
      },
    ]),
  );
}

export const webdataset: Format = {
  name: 'WebDataset',
  expects: '.tar files with audio and .txt or .json files of the same stem',
  async recognise(place) {
    const { files, file } = place;
    if (file !== undefined && !file.endsWith('.tar')) return undefined;
    const shards: Shards | undefined =
      file === undefined ? await findShards(place, ['tar']) : new Map([['train', [file]]]);
    return shards && webdatasetSplits(files, shards);
  },
};

/** What a pattern may stand for at most: a digit too many would fill the memory. */
const mostPaths = 100_000;

/**
 * The paths that a pattern stands for: `{000..009}` for its numbers, up or down, `{a,b}` for its words.
 *
 * @throws WhisperError ERR_INVALID_ARGUMENT for more than 100,000
 */
export function expandBraces(pattern: string): string[] {
  const [whole, before, inside, after] = /^(.*?)\{([^{}]*)\}(.*)$/s.exec(pattern) ?? [];
  if (whole === undefined) return [pattern];
  const range = /^(\d+)\.\.(\d+)$/.exec(inside!);
  const [from, to] = [Number(range?.[1]), Number(range?.[2])];
  const words = inside!.split(',');
  const count = range ? Math.abs(to - from) + 1 : words.length;
  const rest = expandBraces(after!);
  if (count * rest.length > mostPaths) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `${pattern} stands for ${count * rest.length} files, of which at most ${mostPaths} can be read`,
    );
  }
  const number = (i: number) => String(to < from ? from - i : from + i).padStart(range![1]!.length, '0');
  const all = range ? Array.from({ length: count }, (_, i) => number(i)) : words;
  return all.flatMap((word) => rest.map((tail) => `${before}${word}${tail}`));
}

/**
 * The archives on this machine that a pattern with braces stands for; undefined when it is none.
 *
 * @throws WhisperError ERR_FILE naming the first that is missing, ERR_INVALID_ARGUMENT as `expandBraces`
 */
export async function shardPattern(pattern: string) {
  if (!/\{.*\}.*\.tar$/s.test(pattern)) return undefined;
  const root = resolve(pattern.slice(0, pattern.indexOf('{')).replace(/[^/\\]*$/, ''));
  const files = localFiles(root);
  const paths = expandBraces(pattern).map((path) => relative(root, resolve(path)).split(sep).join('/'));
  for (const path of paths) await files.local(path);
  return { place: { files }, format: webdataset, splits: webdatasetSplits(files, shardsByName(paths)) };
}
