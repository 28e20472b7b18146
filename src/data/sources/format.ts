// What a data set format has to say about itself; the list of formats is in index.ts.
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Source } from '../dataset.js';
import type { Columns } from './clips.js';
import { tableEndings } from './table.js';

/** The splits of a data set by name, each with the function that opens it. */
export type Splits = ReadonlyMap<string, (columns: Columns) => Promise<Source>>;

export interface Format {
  readonly name: string;
  /** What it looks for, for the message when nothing is found. */
  readonly expects: string;
  /** The splits under an absolute path, or undefined when the path is not of this format. */
  recognise(path: string): Promise<Splits | undefined>;
}

/** The table files directly in a folder, sorted by name; none when it is no folder. */
export async function tablesIn(folder: string): Promise<{ stem: string; ending: string; file: string }[]> {
  const entries = await readdir(folder).catch(() => []);
  return entries.sort().flatMap((entry) => {
    const ending = extname(entry).slice(1);
    if (!(tableEndings as readonly string[]).includes(ending)) return [];
    return [{ stem: entry.slice(0, -ending.length - 1), ending, file: join(folder, entry) }];
  });
}
