// What a data set format has to say about itself; the list of formats is in index.ts.
import type { Source } from '../dataset.js';
import type { Columns } from './columns.js';
import { type DataFiles, endingOf, inFolder } from './files.js';
import { tableEndings } from './table.js';

/** The splits of a data set by name, each with the function that opens it. */
export type Splits = ReadonlyMap<string, (columns: Columns) => Promise<Source>>;

/** What is looked at: a folder of files, or one file in it. */
export interface Place {
  files: DataFiles;
  /** The path of the one file in `files`, where a file was given and not a folder. */
  file?: string;
  /** The configuration asked for, such as a language, when it is no folder. */
  config?: string;
}

/** What a format may need on its way. */
export interface Surroundings {
  /** A folder for what is unpacked or decoded once. */
  cacheDir: string;
  /** Seconds of the longest clip that is cut from long audio. */
  clipSeconds: number;
  /** Says something that the user should know. */
  notice: (line: string) => void;
  /** Tells how far something long is: bytes of a whole. */
  progress: (what: string, done: number, total: number) => void;
  signal?: AbortSignal;
}

export interface Format {
  readonly name: string;
  /** What it looks for, for the message when nothing is found. */
  readonly expects: string;
  /** The splits of a place, or undefined when it is not of this format. */
  recognise(place: Place, surroundings: Surroundings): Promise<Splits | undefined>;
}

/** The table files directly in a folder, sorted by name; none when it is no folder. */
export async function tablesIn(
  files: DataFiles,
  folder: string,
): Promise<{ stem: string; ending: string; path: string }[]> {
  return (await files.list(folder)).flatMap(({ name, folder: isFolder }) => {
    const ending = endingOf(name);
    if (isFolder || !(tableEndings as readonly string[]).includes(ending)) return [];
    return [{ stem: name.slice(0, -ending.length - 1), ending, path: inFolder(folder, name) }];
  });
}
