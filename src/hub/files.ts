// What a repository holds: the commit of a revision, and the files of a commit.
import { listFiles as libraryListFiles } from '@huggingface/hub';
import { cachedCommit } from './cache.js';
import { HubError, type Subject } from './errors.js';
import { apiPath, describeRepository, isCommit, parseRepository, type Repository } from './repository.js';
import { libraryFetch, requestJson } from './request.js';
import type { HubSettings } from './settings.js';

/** Revisions that a message names at most. */
const MOST_NAMES = 10;

export interface HubFile {
  /** In the repository, with slashes. */
  path: string;
  /** Bytes. */
  size: number;
  /** SHA-256 of a file in LFS, else its git blob's SHA-1. */
  etag: string;
}

export interface Resolved {
  /** Under the name it has now, with the commit as its revision. */
  repository: Repository;
  commit: string;
  /** Whether that is what the cache says, and the Hub was not asked or did not answer. */
  fromCache: boolean;
}

interface Calling {
  signal?: AbortSignal | undefined;
}

/**
 * The commit that a revision names now, so that all later reads see the same files. Renames are followed. Offline, and when
 * the Hub cannot be reached, it is the commit that the cache has for that revision.
 *
 * @throws WhisperError `ERR_HUB`: no such repository or revision, no right to read it, or no answer and nothing in the cache
 */
export async function resolveRepository(
  repository: Repository,
  settings: HubSettings,
  { signal }: Calling = {},
): Promise<Resolved> {
  const { revision = 'main' } = repository;
  const pinned = (commit: string, fromCache: boolean, id = repository.id) => ({
    repository: { ...repository, id, revision: commit },
    commit,
    fromCache,
  });
  const cached = await cachedCommit(repository, settings);
  const name = describeRepository(repository);
  if (settings.offline) {
    if (cached !== undefined) return pinned(cached, true);
    throw new HubError(
      `cannot find ${name} (${revision}): offline mode is on (HF_HUB_OFFLINE), and ${settings.cacheDir} does not have it`,
    );
  }
  const subject: Subject = { doing: `find ${name}`, repository };
  const path = `${apiPath(repository)}/revision/${encodeURIComponent(revision)}`;
  // With a copy at hand nobody should wait long for a network that is not there.
  const attempts = cached === undefined ? settings.retries.attempts : Math.min(2, settings.retries.attempts);
  try {
    const found = await requestJson<{ id?: string; sha?: string }>(
      path,
      subject,
      { ...settings, retries: { ...settings.retries, attempts } },
      signal,
    );
    if (!isCommit(found.sha))
      throw new HubError(`cannot find ${name}: ${settings.endpoint} names no commit for ${revision}`);
    const id = parseRepository(found.id ?? '', repository.type)?.id ?? repository.id;
    if (id !== repository.id) settings.notice?.(`${name} is now called ${id}`);
    return pinned(found.sha, false, id);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    if (error.reason === 'RevisionNotFound') throw await withRevisions(error, repository, settings, signal);
    if (cached === undefined || !error.unreachable) throw error;
    settings.notice?.(
      `${error.message}: using what the cache has of ${revision}, commit ${cached.slice(0, 7)}`,
    );
    return pinned(cached, true);
  }
}

interface References {
  branches?: { name: string }[];
  tags?: { name: string }[];
  converts?: { ref: string }[];
}

/** The error with the revisions that there are, where the Hub tells them. */
async function withRevisions(
  error: HubError,
  repository: Repository,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<HubError> {
  const subject = { doing: 'list the revisions', repository };
  const found = await requestJson<References>(`${apiPath(repository)}/refs`, subject, settings, signal).catch(
    (): References => ({}),
  );
  const names = [
    ...[...(found.branches ?? []), ...(found.tags ?? [])].map(({ name }) => name),
    ...(found.converts ?? []).map(({ ref }) => ref),
  ];
  if (names.length === 0) return error;
  const more = names.length > MOST_NAMES ? `, … (${names.length})` : '';
  const message = `${error.message}; it has: ${names.slice(0, MOST_NAMES).join(', ')}${more}`;
  return new HubError(message, { status: error.status, reason: error.reason, cause: error });
}

/**
 * Every file of a repository at a revision, which should be a commit.
 *
 * @throws WhisperError `ERR_HUB`
 */
export async function listFiles(
  repository: Repository,
  settings: HubSettings,
  { signal }: Calling = {},
): Promise<HubFile[]> {
  const name = describeRepository(repository);
  if (settings.offline) {
    throw new HubError(`cannot list the files of ${name}: offline mode is on (HF_HUB_OFFLINE)`);
  }
  const subject: Subject = { doing: `list the files of ${name}`, repository };
  const entries = libraryListFiles({
    repo: { type: repository.type, name: repository.id },
    revision: encodeURIComponent(repository.revision ?? 'main'),
    recursive: true,
    hubUrl: settings.endpoint,
    fetch: libraryFetch(subject, settings, signal),
  });
  const files: HubFile[] = [];
  for await (const { type, path, size, oid, lfs } of entries) {
    if (type !== 'file') continue;
    const etag = (lfs?.oid ?? oid ?? '').replace(/^sha256:/, '');
    // Both become parts of paths on this machine.
    if (!isInside(path) || !/^[\w-]+$/.test(etag)) {
      const [file, tag] = [JSON.stringify(path), JSON.stringify(etag)];
      throw new HubError(`cannot ${subject.doing}: it names a file ${file} with the ETag ${tag}`);
    }
    files.push({ path, size: lfs?.size ?? size, etag });
  }
  return files;
}

/** Whether a path from a server stays in the folder that it is joined to. */
function isInside(path: string): boolean {
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\0]/.test(part));
}
