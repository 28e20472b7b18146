// The list of data set formats, and `openDataset`, which finds the right one.
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { fileError, WhisperError } from '../../errors.js';
import { cacheFolder } from '../../files/cache-folder.js';
import type { Source } from '../dataset.js';
import { type CombineOptions, combineSplits } from '../splits.js';
import { audioFolder } from './audio-folder.js';
import type { Columns } from './columns.js';
import { commonVoice } from './common-voice.js';
import { commonVoiceShards } from './common-voice-shards.js';
import { hasFolder, localFiles } from './files.js';
import type { Format, Place, Splits, Surroundings } from './format.js';
import { manifest } from './manifest.js';
import { parquet } from './parquet.js';
import { splitAliases } from './shards.js';
import { webdataset } from './webdataset.js';

/** Every format, the most particular first: the first that recognises a path opens it. */
export const formats: readonly Format[] = [
  commonVoice,
  commonVoiceShards,
  parquet,
  webdataset,
  audioFolder,
  manifest,
];

export interface OpenDatasetOptions extends Columns {
  /**
   * A split, a slice of one (`train[:10%]`), or several one after the other (`train+validation`). Without it the data set
   * must have exactly one split.
   */
  split?: string;
  /** Several splits give a row in turn until the first ends, as the fine-tuning event's script reads `a+b`. */
  alternate?: CombineOptions['alternate'];
  /** As many rows of each, as that script reads them without streaming. */
  wholeRounds?: CombineOptions['wholeRounds'];
  /** A configuration: a folder under the path or one that README.md lists, such as a language. */
  config?: string;
  /** A folder for what is unpacked, decoded or fetched once. Default: `WHISPER_TUNE_CACHE`, or beside Hugging Face's. */
  cacheDir?: string;
  /** Says something the user should know, such as what had to be looked for elsewhere. */
  onNotice?: (line: string) => void;
  /** Tells how far something long is. */
  onProgress?: Surroundings['progress'];
  /** Ends what takes long while the data set is opened, with ERR_CANCELLED. */
  signal?: AbortSignal;
}

async function recognise(
  place: Place,
  surroundings: Surroundings,
): Promise<{ format: Format; splits: Splits }> {
  for (const format of formats) {
    const splits = await format.recognise(place, surroundings);
    if (splits && splits.size > 0) return { format, splits };
  }
  const { files, file } = place;
  const entries = file === undefined ? (await files.list('')).map(({ name }) => name) : [];
  const more = entries.length > 8 ? `, … (${entries.length})` : '';
  const listed =
    entries.length > 0 ? `; there is: ${entries.slice(0, 8).join(', ')}${more}` : '; the folder is empty';
  const looked = formats.map(({ name, expects }) => `${name} (${expects})`).join('; ');
  throw new WhisperError(
    'ERR_DATA',
    `no data set in ${files.describe(file ?? '')}${file === undefined ? listed : ''}. Looked for: ${looked}`,
  );
}

function findSplit(splits: Splits, wanted: string): ((columns: Columns) => Promise<Source>) | undefined {
  const aliases = splitAliases.find((names) => names.includes(wanted)) ?? [];
  const name = [wanted, ...aliases].find((candidate) => splits.has(candidate));
  return name === undefined ? undefined : splits.get(name);
}

/** What is at a path on this machine. */
async function localPlace(path: string, config: string | undefined): Promise<Place> {
  const root = resolve(path);
  const entry = await stat(root).catch((cause) => {
    throw fileError('open the data set', root, cause);
  });
  if (!entry.isDirectory()) return { files: localFiles(dirname(root)), file: basename(root) };
  const files = localFiles(root);
  if (config === undefined) return { files };
  return (await hasFolder(files, config)) ? { files: files.within(config) } : { files, config };
}

/**
 * Opens a data set of whichever format it is (see {@link formats}).
 *
 * @param path a folder, a manifest file or an archive
 * @throws WhisperError ERR_FILE when the path cannot be read; ERR_DATA when there is no data set (with what was looked
 *   for), no such split (with the splits there are) or no such column (with the columns there are).
 */
export async function openDataset(path: string, options: OpenDatasetOptions = {}): Promise<Source> {
  const { split, config, alternate, wholeRounds, cacheDir, onNotice, onProgress, signal, ...columns } =
    options;
  const surroundings: Surroundings = {
    cacheDir: cacheDir ?? cacheFolder(),
    notice: onNotice ?? (() => {}),
    progress: onProgress ?? (() => {}),
    ...(signal && { signal }),
  };
  const place = await localPlace(path, config);
  const { format, splits } = await recognise(place, surroundings);
  const name = place.files.describe(place.file ?? '');
  const names = [...splits.keys()];
  if (split === undefined) {
    const openers = [...new Set(splits.values())];
    if (openers.length === 1) return openers[0]!(columns);
    throw new WhisperError('ERR_DATA', `${name} has several splits; say which: ${names.join(', ')}`);
  }
  return combineSplits(
    split,
    async (wanted) => {
      const open = findSplit(splits, wanted);
      if (open) return open(columns);
      throw new WhisperError(
        'ERR_DATA',
        `the ${format.name} ${name} has no split "${wanted}"; it has: ${names.join(', ')}`,
      );
    },
    { ...(alternate && { alternate }), ...(wholeRounds && { wholeRounds }) },
  );
}
