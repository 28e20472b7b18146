// Pushing files to the Hub in one commit, into a repository that is made where there is none.
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { type CommitOperation, commitIter, createRepo, whoAmI as libraryWhoAmI } from '@huggingface/hub';
import { fileError, WhisperError } from '../errors.js';
import { cancelled } from './attempts.js';
import type { Progress } from './download.js';
import { HubError, type Subject } from './errors.js';
import { listFiles } from './files.js';
import { apiPath, describeRepository, pagePath, type Repository } from './repository.js';
import { libraryFetch, requestJson } from './request.js';
import type { HubSettings } from './settings.js';

/** The library takes tokens of the Hub alone, and sends them anywhere: `libraryFetch` adds the token where it belongs. */
const NO_TOKEN = { accessToken: '' };

export interface PushFile {
  /** In the repository, with slashes. */
  path: string;
  /** On this machine. It must stay as it is until the push is done. */
  from: string;
}

export interface PushOptions {
  /** The commit's first line. */
  message: string;
  /** Whether a repository that is made now is private. Default: the owner's choice. */
  private?: boolean | undefined;
  /** Files of the repository to take away; what is not there is no error. */
  deletions?: readonly string[] | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface Pushed {
  /** The commit's SHA-1. */
  commit: string;
  /** The repository's page. */
  url: string;
  /** `owner/name`, the owner filled in and renames followed. */
  id: string;
}

export interface HubIdentity {
  name: string;
  /** Organizations that the user is in. */
  organizations: string[];
  /** What the token may do, where the Hub says so: `read`, `write`, `fineGrained`. */
  role: string | undefined;
}

/**
 * Who the token is of.
 *
 * @throws WhisperError `ERR_HUB` without a token, with one that the Hub does not know, and offline
 */
export async function whoAmI(
  settings: HubSettings,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<HubIdentity> {
  const subject: Subject = { doing: 'find out who the token is of', writes: true };
  checkMayPush(subject.doing, settings);
  const found = await libraryWhoAmI({
    ...NO_TOKEN,
    hubUrl: settings.endpoint,
    fetch: libraryFetch(subject, settings, signal),
  });
  return {
    name: found.name,
    organizations: found.type === 'user' ? found.orgs.map(({ name }) => name) : [],
    role: found.auth?.accessToken?.role,
  };
}

/**
 * Makes a repository where there is none.
 *
 * @returns its id, with the owner filled in and renames followed, and its page
 * @throws WhisperError `ERR_HUB`, `ERR_CANCELLED`
 */
export async function createRepository(
  repository: Repository,
  settings: HubSettings,
  options: Pick<PushOptions, 'private' | 'signal'> = {},
): Promise<{ id: string; url: string }> {
  checkMayPush(`create ${describeRepository(repository)}`, settings);
  const target = await findOrCreate(repository, options, settings);
  return { id: target.id, url: `${settings.endpoint}${pagePath(target)}` };
}

/**
 * Makes one commit of new, changed and deleted files on the repository's revision (`main` if not given, else a branch that is
 * there). Large files go to LFS first, and what the Hub has already is not sent. Files that are not named stay.
 *
 * @throws WhisperError `ERR_HUB`, `ERR_FILE` for a file that cannot be read, `ERR_CANCELLED`; nothing has changed then
 */
export async function pushFiles(
  repository: Repository,
  files: readonly PushFile[],
  settings: HubSettings,
  options: PushOptions,
): Promise<Pushed> {
  const { message, deletions = [], onProgress, signal } = options;
  const doing = `push to ${describeRepository(repository)}`;
  checkMayPush(doing, settings);
  const count = new UploadCount(await sizesOf(files), onProgress);
  const target = await findOrCreate(repository, options, settings);
  const there = deletions.length > 0 ? await pathsOf(target, settings, signal) : new Set<string>();
  const operations: CommitOperation[] = [
    ...files.map(({ path, from }) => ({
      operation: 'addOrUpdate' as const,
      path,
      content: pathToFileURL(from),
    })),
    ...deletions.filter((path) => there.has(path)).map((path) => ({ operation: 'delete' as const, path })),
  ];
  const subject: Subject = { doing, repository: target, writes: true };
  const progress = commitIter({
    repo: { type: target.type, name: target.id },
    operations,
    title: message,
    ...(target.revision === undefined ? {} : { branch: target.revision }),
    hubUrl: settings.endpoint,
    fetch: libraryFetch(subject, settings, signal, (bytes, path) => count.sent(bytes, path)),
    useXet: false,
    ...(signal === undefined ? {} : { abortSignal: signal }),
  });
  try {
    for (;;) {
      const { done, value } = await progress.next();
      if (done) {
        count.finish();
        const url = `${settings.endpoint}${pagePath(target)}`;
        return { commit: value!.commit.oid, url, id: target.id };
      }
      if (value.event === 'fileProgress' && value.state === 'uploading' && value.progress === 1) {
        count.done(value.path);
      }
    }
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal);
    if (error instanceof WhisperError) throw error;
    throw new HubError(`cannot ${doing}: ${(error as Error).message}`, { cause: error });
  }
}

/** What no request needs to find out. */
function checkMayPush(doing: string, { token, offline, endpoint }: HubSettings): void {
  if (offline) throw new HubError(`cannot ${doing}: offline mode is on (HF_HUB_OFFLINE)`);
  if (token !== undefined) return;
  throw new HubError(
    `cannot ${doing}: no token: make one with the right to write at ${endpoint}/settings/tokens and give it as HF_TOKEN, ` +
      'by --token, or with "hf auth login"',
  );
}

/** The repository as the Hub has it: with an owner, under its present name, made now where it is not there. */
async function findOrCreate(
  repository: Repository,
  { private: isPrivate, signal }: Pick<PushOptions, 'private' | 'signal'>,
  settings: HubSettings,
): Promise<Repository> {
  const id = repository.id.includes('/')
    ? repository.id
    : `${(await whoAmI(settings, { signal })).name}/${repository.id}`;
  const target = { ...repository, id };
  const name = describeRepository(target);
  try {
    const subject: Subject = { doing: `push to ${name}`, repository: target, writes: true };
    const found = await requestJson<{ id?: string }>(apiPath(target), subject, settings, signal);
    if (found.id === undefined || found.id === id) return target;
    settings.notice?.(`${name} is now called ${found.id}`);
    return { ...target, id: found.id };
  } catch (error) {
    if (!(error instanceof HubError) || error.status !== 404) throw error;
  }
  const subject: Subject = { doing: `create ${name}`, repository: target, writes: true };
  try {
    await createRepo({
      repo: { type: target.type, name: id },
      ...(isPrivate === undefined ? {} : { private: isPrivate }),
      ...NO_TOKEN,
      hubUrl: settings.endpoint,
      fetch: libraryFetch(subject, settings, signal),
    });
  } catch (error) {
    // Somebody else made it meanwhile.
    if (!(error instanceof HubError) || error.status !== 409) throw error;
  }
  return target;
}

async function pathsOf(
  repository: Repository,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const files = await listFiles(repository, settings, { signal });
  return new Set(files.map(({ path }) => path));
}

async function sizesOf(files: readonly PushFile[]): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { path, from } of files) {
    const found = await stat(from).catch((cause) => {
      throw fileError('push', from, cause);
    });
    if (!found.isFile()) throw new WhisperError('ERR_FILE', `cannot push ${from}: it is not a file`);
    sizes.set(path, found.size);
  }
  return sizes;
}

/** How much of which file has left. */
class UploadCount {
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #sent = new Map<string, number>();
  readonly #tell: ((progress: Progress) => void) | undefined;
  readonly #total: number;

  constructor(sizes: ReadonlyMap<string, number>, tell: ((progress: Progress) => void) | undefined) {
    this.#sizes = sizes;
    this.#tell = tell;
    this.#total = sum(sizes);
  }

  /** Less than nothing for what has to be sent again. */
  sent(bytes: number, path: string): void {
    this.#set(path, (this.#sent.get(path) ?? 0) + bytes);
  }

  done(path: string): void {
    this.#set(path, this.#sizes.get(path) ?? 0);
  }

  /** What is not in LFS goes with the commit. */
  finish(): void {
    for (const path of this.#sizes.keys()) this.done(path);
  }

  #set(path: string, bytes: number): void {
    if (this.#sent.get(path) === bytes) return;
    this.#sent.set(path, bytes);
    this.#tell?.({ bytes: sum(this.#sent), total: this.#total, path });
  }
}

function sum(numbers: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const value of numbers.values()) total += value;
  return total;
}
