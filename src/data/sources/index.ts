// The list of data set formats, and `openDataset`, which finds the right one.
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { fileError, WhisperError } from '../../errors.js';
import { cacheFolder } from '../../files/cache-folder.js';
import { HubError, type HubOverrides, type Repository } from '../../hub/index.js';
import type { Source } from '../dataset.js';
import { mapRows } from '../map-rows.js';
import { type CombineOptions, combineSplits } from '../splits.js';
import { unpackedFiles } from './archives.js';
import { audioFolder } from './audio-folder.js';
import type { Columns } from './columns.js';
import { commonVoice } from './common-voice.js';
import { commonVoiceShards } from './common-voice-shards.js';
import { type DataFiles, hasFolder, localFiles } from './files.js';
import type { Format, Place, Splits, Surroundings } from './format.js';
import {
  commonVoiceMoved,
  convertedPlace,
  datasetRepository,
  type HubPlaceOptions,
  hubPlace,
} from './hub-place.js';
import { manifest } from './manifest.js';
import { parquet } from './parquet.js';
import { readConfigs, splitAliases } from './shards.js';
import { subtitles } from './subtitles.js';
import { shardPattern, webdataset } from './webdataset.js';

/** Every format, the most particular first: the first that recognises a path opens it. */
export const formats: readonly Format[] = [
  commonVoice,
  commonVoiceShards,
  parquet,
  webdataset,
  audioFolder,
  manifest,
  subtitles,
];

/** Bytes. */
const defaultCacheSize = 20e9;
/** What Whisper hears at once. */
const windowSeconds = 30;

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
  /** Bytes that remote files may take there. Default: 20 GB. */
  cacheSize?: number;
  /** Seconds of the longest clip that is cut from long audio with subtitles. Default, and at most: 30. */
  clipSeconds?: number;
  /** The Hub to ask, and for whom. Default: what the environment says, as for Hugging Face's own libraries. */
  hub?: HubOverrides;
  /** Says something the user should know, such as what had to be looked for elsewhere. */
  onNotice?: (line: string) => void;
  /** Tells how far something long is. */
  onProgress?: Surroundings['progress'];
  /** Ends what takes long while the data set is opened, with ERR_CANCELLED. */
  signal?: AbortSignal;
}

/** A place, its format and its splits. */
interface Found {
  place: Place;
  format: Format;
  splits: Splits;
}

async function recognise(place: Place, surroundings: Surroundings): Promise<Found | undefined> {
  for (const format of formats) {
    const splits = await format.recognise(place, surroundings);
    if (splits && splits.size > 0) return { place, format, splits };
  }
  return undefined;
}

async function nothingIn({ files, file }: Place, more = ''): Promise<WhisperError> {
  const entries = file === undefined ? (await files.list('')).map(({ name }) => name) : [];
  const others = entries.length > 8 ? `, … (${entries.length})` : '';
  const listed =
    entries.length > 0 ? `; there is: ${entries.slice(0, 8).join(', ')}${others}` : '; the folder is empty';
  const looked = formats.map(({ name, expects }) => `${name} (${expects})`).join('; ');
  return new WhisperError(
    'ERR_DATA',
    `no data set in ${files.describe(file ?? '')}${file === undefined ? listed : ''}${more}. Looked for: ${looked}`,
  );
}

function findSplit(splits: Splits, wanted: string): ((columns: Columns) => Promise<Source>) | undefined {
  const aliases = splitAliases.find((names) => names.includes(wanted)) ?? [];
  const name = [wanted, ...aliases].find((candidate) => splits.has(candidate));
  return name === undefined ? undefined : splits.get(name);
}

/** A configuration that is a folder, unless README.md says what it is. */
async function configured(files: DataFiles, config: string | undefined): Promise<Place> {
  if (config === undefined) return { files };
  const listed = (await readConfigs(files)).some(({ config_name: name }) => name === config);
  return !listed && (await hasFolder(files, config)) ? { files: files.within(config) } : { files, config };
}

async function localPlace(path: string, config: string | undefined): Promise<Place> {
  const root = resolve(path);
  const entry = await stat(root).catch((cause) => {
    throw fileError('open the data set', root, cause);
  });
  if (!entry.isDirectory()) return { files: localFiles(dirname(root)), file: basename(root) };
  return configured(localFiles(root), config);
}

async function findOnHub(
  repository: Repository,
  config: string | undefined,
  options: HubPlaceOptions,
): Promise<Found> {
  const files = await hubPlace(repository, options);
  const place = await configured(files, config);
  const found = await recognise(place, options);
  if (found) return found;
  const converted = await convertedPlace(repository, files, options);
  const instead = converted && (await recognise(await configured(converted, config), options));
  if (instead) return instead;
  throw await nothingIn(place, commonVoiceMoved(repository));
}

/** What is there under a name: a path on this machine goes before a data set on the Hub. */
async function find(name: string, config: string | undefined, options: HubPlaceOptions): Promise<Found> {
  const shards = await shardPattern(name);
  if (shards) return shards;
  const repository = existsSync(resolve(name)) ? undefined : datasetRepository(name);
  if (repository) {
    return findOnHub(repository, config, options).catch((error: unknown) => {
      if (!(error instanceof HubError) || !error.missing) throw error;
      const { message, status } = error;
      throw new HubError(`${message} (nor is there a path ${resolve(name)})`, { cause: error, status });
    });
  }
  const given = await localPlace(name, config);
  const unpacked = await unpackedFiles(given, options);
  const place = unpacked ? await configured(unpacked, config) : given;
  const found = await recognise(place, options);
  if (!found) throw await nothingIn(place);
  return found;
}

/**
 * Opens a data set of whichever format it is (see {@link formats}): on this machine or, where there is no such path, on the
 * Hub.
 *
 * @param path a folder, a manifest file, an archive, archives with a pattern (`shard-{000..009}.tar`), or the name of a data
 *   set on the Hub: `owner/name` or `owner/name@revision`
 * @throws WhisperError ERR_FILE when the path cannot be read; ERR_HUB when the Hub does not give it; ERR_DATA when there is no data set (with what was looked
 *   for), no such split (with the splits there are) or no such column (with the columns there are).
 */
export async function openDataset(path: string, options: OpenDatasetOptions = {}): Promise<Source> {
  const { split, config, alternate, wholeRounds, ...others } = options;
  const { cacheDir, cacheSize, clipSeconds, hub, onNotice, onProgress, signal, ...columns } = others;
  const { place, format, splits } = await find(path, config, {
    cacheDir: cacheDir ?? cacheFolder(),
    cacheSize: cacheSize ?? defaultCacheSize,
    clipSeconds: Math.min(clipSeconds ?? windowSeconds, windowSeconds),
    hub: hub ?? {},
    notice: onNotice ?? (() => {}),
    progress: onProgress ?? (() => {}),
    ...(signal && { signal }),
  });
  const name = place.files.describe(place.file ?? '');
  const names = [...splits.keys()];
  // Rows of other columns are other rows, of which neither a name nor a version says anything.
  const selected = async (open: (columns: Columns) => Promise<Source>): Promise<Source> => {
    const source = await open(columns);
    const chosen = Object.values(columns).some((column) => column !== undefined);
    return chosen ? mapRows(source, (row) => row, JSON.stringify(columns)) : source;
  };
  if (split === undefined) {
    const openers = [...new Set(splits.values())];
    if (openers.length === 1) return selected(openers[0]!);
    throw new WhisperError('ERR_DATA', `${name} has several splits; say which: ${names.join(', ')}`);
  }
  return combineSplits(
    split,
    async (wanted) => {
      const open = findSplit(splits, wanted);
      if (open) return selected(open);
      throw new WhisperError(
        'ERR_DATA',
        `the ${format.name} ${name} has no split "${wanted}"; it has: ${names.join(', ')}`,
      );
    },
    { ...(alternate && { alternate }), ...(wholeRounds && { wholeRounds }) },
  );
}
