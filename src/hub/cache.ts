// The cache on disk, laid out as Python's huggingface_hub does, so that both find what either downloaded:
// models--owner--name/{blobs/ETAG, refs/REVISION, snapshots/COMMIT/path -> ../../blobs/ETAG}.
import { randomBytes } from 'node:crypto';
import { copyFile, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { makeFolder } from '../files/folders.js';
import { isCommit, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** The folder of a repository. */
export function repositoryFolder({ type, id }: Repository, { cacheDir }: HubSettings): string {
  return join(cacheDir, `${type}s--${id.replaceAll('/', '--')}`);
}

export function snapshotFolder(repository: Repository, commit: string, settings: HubSettings): string {
  return join(repositoryFolder(repository, settings), 'snapshots', commit);
}

export function blobPath(repository: Repository, etag: string, settings: HubSettings): string {
  return join(repositoryFolder(repository, settings), 'blobs', etag);
}

/** The commit that a revision had when it was last looked up; undefined where nothing of it is in the cache. */
export async function cachedCommit(
  repository: Repository,
  settings: HubSettings,
): Promise<string | undefined> {
  const { revision = 'main' } = repository;
  const reference = join(repositoryFolder(repository, settings), 'refs', ...revision.split('/'));
  const commit = isCommit(revision) ? revision : (await readFile(reference, 'utf8').catch(() => '')).trim();
  if (!isCommit(commit)) return undefined;
  const folder = await stat(snapshotFolder(repository, commit, settings)).catch(() => undefined);
  return folder?.isDirectory() ? commit : undefined;
}

/** Notes which commit a branch or tag names. */
export async function writeReference(
  repository: Repository,
  commit: string,
  settings: HubSettings,
): Promise<void> {
  const { revision = 'main' } = repository;
  if (revision === commit) return;
  const path = join(repositoryFolder(repository, settings), 'refs', ...revision.split('/'));
  if ((await readFile(path, 'utf8').catch(() => '')) === commit) return;
  await makeFolder(dirname(path));
  const temporary = `${path}.${randomBytes(4).toString('hex')}.incomplete`;
  await writeFile(temporary, commit);
  await rename(temporary, path);
}

/** Bytes of the file that is there; undefined where there is none, or a link to nothing. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

/** Makes `path` of a snapshot show a blob: by a relative link, or by a copy where there are no links. */
export async function link(blob: string, path: string): Promise<void> {
  await makeFolder(dirname(path));
  const temporary = `${path}.${randomBytes(4).toString('hex')}.incomplete`;
  try {
    await symlink(relative(dirname(path), blob), temporary);
  } catch (cause) {
    // Windows without the right to make links, and file systems without them.
    if (!['EPERM', 'ENOSYS', 'ENOTSUP'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    await copyFile(blob, temporary);
  }
  // A rename, so that nobody sees it missing and two that link at the same time do not collide.
  await rename(temporary, path).catch(async (cause) => {
    await rm(temporary, { force: true });
    throw cause;
  });
}
