// A data set on the Hub: its files at a commit, and where they are looked for when the repository itself has none.
import { join } from 'node:path';
import { WhisperError } from '../../errors.js';
import {
  downloadFiles,
  HubError,
  type HubOverrides,
  type HubSettings,
  hubSettings,
  listFiles,
  parseRepository,
  type Repository,
  resolveRepository,
} from '../../hub/index.js';
import { BlockCache } from './block-cache.js';
import { type DataFiles, endingOf, hasFile, localFiles } from './files.js';
import type { Surroundings } from './format.js';
import { hubFiles } from './hub-files.js';

/** Endings of what lies on a disk: nobody means a repository by `train.csv`. */
const fileEndings = ['csv', 'tsv', 'jsonl', 'json', 'parquet', 'tar', 'gz', 'tgz', 'zip', 'srt', 'vtt'];

/** The repository that a data set's name means, if it can be one. */
export function datasetRepository(name: string): Repository | undefined {
  return fileEndings.includes(endingOf(name)) ? undefined : parseRepository(name, 'dataset');
}

export interface HubPlaceOptions extends Surroundings {
  hub: HubOverrides;
  /** Bytes that the cache of remote files may take. */
  cacheSize: number;
}

const caches = new Map<string, BlockCache>();

/** One cache for each folder of this process: it counts what is in it. */
function cacheIn({ cacheDir, cacheSize, notice }: HubPlaceOptions): BlockCache {
  const key = `${cacheDir} ${cacheSize}`;
  const cache =
    caches.get(key) ?? new BlockCache({ folder: join(cacheDir, 'blocks'), limit: cacheSize, notice });
  caches.set(key, cache);
  return cache;
}

function settingsOf({ hub, notice }: HubPlaceOptions): HubSettings {
  return hubSettings({ notice, ...hub });
}

/** Where Mozilla's own repositories were. */
function isCommonVoice({ id }: Repository): boolean {
  return /^mozilla-foundation\/common_voice/.test(id);
}

/** Says where Common Voice is to be had now. */
export function commonVoiceMoved(repository: Repository): string {
  return isCommonVoice(repository)
    ? `; Common Voice has left the Hub for the Mozilla Data Collective (datacollective.mozillafoundation.org): download the language there and give the file, as --dataset_name cv-corpus-24.0-2025-12-05-es.tar.gz`
    : '';
}

/**
 * The files of a data set on the Hub. Offline they are those that the cache of Hugging Face's libraries has.
 *
 * @throws WhisperError ERR_HUB saying what to do
 */
export async function hubPlace(repository: Repository, options: HubPlaceOptions): Promise<DataFiles> {
  const settings = settingsOf(options);
  const { signal, progress } = options;
  try {
    if (settings.offline)
      return localFiles(await downloadFiles(repository, () => true, settings, { signal }), { links: true });
    const { repository: pinned, commit } = await resolveRepository(repository, settings, { signal });
    const files = await listFiles(pinned, settings, { signal });
    const cache = cacheIn(options);
    return hubFiles({
      repository: pinned,
      commit,
      files,
      settings,
      cache,
      progress,
      ...(signal && { signal }),
    });
  } catch (error) {
    if (error instanceof HubError && error.missing && isCommonVoice(repository))
      throw new WhisperError('ERR_HUB', `${error.message}${commonVoiceMoved(repository)}`, { cause: error });
    throw error;
  }
}

/** The branch in which the Hub keeps what it made of a data set that only has a loading script. */
const converted = 'refs/convert/parquet';

/**
 * The Hub's own conversion to parquet of a data set that has only a script to load it, which is Python and is not run.
 *
 * @returns undefined when the data set has no script, or no conversion
 */
export async function convertedPlace(
  repository: Repository,
  files: DataFiles,
  options: HubPlaceOptions,
): Promise<DataFiles | undefined> {
  const script = `${repository.id.split('/').at(-1)}.py`;
  if (!(await hasFile(files, script)) || repository.revision === converted) return undefined;
  try {
    const place = await hubPlace({ ...repository, revision: converted }, options);
    options.notice(
      `${repository.id} has only a loading script (${script}): reading the Hub's conversion of it, ${converted}`,
    );
    return place;
  } catch (error) {
    if (error instanceof HubError && error.missing) return undefined;
    throw error;
  }
}
