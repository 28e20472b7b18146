// Files on the Hub read by ranges: broken answers are gone on with where they broke, and no two versions are mixed.
import { openLocalFile, type RandomAccessFile } from '../files/random-access.js';
import { Attempts, Transient } from './attempts.js';
import { blobPath, sizeOf } from './cache.js';
import { HubError, type Subject } from './errors.js';
import { type Answer, attempt } from './fetch.js';
import type { HubFile } from './files.js';
import { describeRepository, pagePath, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** Redirects from the Hub's address to where the bytes are: a rename, a cache of the Hub, the storage. */
const MOST_REDIRECTS = 5;

/** The bytes of one file at one commit. */
export class RemoteBytes {
  readonly name: string;
  readonly #file: HubFile;
  readonly #subject: Subject;
  readonly #settings: HubSettings;
  readonly #signal: AbortSignal | undefined;
  readonly #page: string;
  /** A signed address of the storage, good for many reads, and the ETag that the storage gives. */
  #storage: { url: string; etag: string | undefined } | undefined;

  constructor(repository: Repository, file: HubFile, settings: HubSettings, signal: AbortSignal | undefined) {
    const { revision = 'main' } = repository;
    this.name = `${file.path} of ${describeRepository(repository)}`;
    this.#file = file;
    this.#settings = settings;
    this.#signal = signal;
    this.#subject = { doing: `read ${this.name}`, repository, path: file.path };
    const path = file.path.split('/').map(encodeURIComponent).join('/');
    this.#page = `${settings.endpoint}${pagePath(repository)}/resolve/${encodeURIComponent(revision)}/${path}`;
  }

  /**
   * The bytes from `start` up to `end`, all of them and each once, in pieces.
   *
   * @throws WhisperError `ERR_HUB`, `ERR_CANCELLED`
   */
  async *read(start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
    const attempts = new Attempts(this.#subject.doing, this.#settings, this.#signal);
    for (let at = start; at < end; ) {
      try {
        for await (const piece of this.#once(at, end)) {
          at += piece.length;
          attempts.progressed(piece.length);
          yield piece;
        }
        if (at < end) throw new Transient(`the answer ended ${end - at} bytes early`);
      } catch (failure) {
        await attempts.next(failure);
      }
    }
  }

  async *#once(start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
    const answer = await this.#ask(start, end);
    const partial = answer.response.status === 206;
    // Without ranges the whole file comes: what lies before is passed over.
    let before = partial ? 0 : start;
    try {
      if (partial) this.#checkRange(answer.response, start);
      let left = end - start;
      for await (const piece of answer.pieces()) {
        const from = Math.min(before, piece.length);
        before -= from;
        const wanted = piece.subarray(from, from + left);
        left -= wanted.length;
        if (wanted.length > 0) yield wanted;
        // A range is read to its end, so that the connection serves the next one too.
        if (left === 0 && !partial) return;
      }
    } finally {
      await answer.discard();
    }
  }

  #checkRange(response: Response, start: number): void {
    const said = response.headers.get('content-range') ?? '';
    const [, from, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(said) ?? [];
    if (Number(from) !== start) throw new Transient(`asked for bytes from ${start}, got ${said || 'others'}`);
    if (size !== '*' && Number(size) !== this.#file.size) {
      throw new Transient(`it has ${size} bytes, expected ${this.#file.size}`);
    }
  }

  /** An answer with bytes of this very file, whichever way it takes. */
  async #ask(start: number, end: number): Promise<Answer> {
    // Ranges of the stored bytes are meant, and their number: no compression on the way.
    const headers = { range: `bytes=${start}-${end - 1}`, 'accept-encoding': 'identity' };
    if (this.#storage) return this.#askStorage(this.#storage, headers);
    let url = this.#page;
    for (let hop = 0; hop < MOST_REDIRECTS; hop++) {
      const answer = await this.#attempt(url, headers);
      const { response } = answer;
      const location = response.headers.get('location');
      const linked = response.headers.get('x-linked-etag');
      if (response.status < 300 || linked) {
        await this.#checkEtag(answer, linked ?? response.headers.get('etag'), this.#file.etag);
      }
      if (response.status < 300) return answer;
      await answer.discard();
      if (location === null) throw new Transient(`the server answered ${response.status} without an address`);
      url = new URL(location, url).href;
      if (linked) {
        this.#storage = { url, etag: undefined };
        return this.#askStorage(this.#storage, headers);
      }
    }
    throw new HubError(`cannot ${this.#subject.doing}: more than ${MOST_REDIRECTS} redirects`);
  }

  async #askStorage(
    storage: { url: string; etag: string | undefined },
    headers: Record<string, string>,
  ): Promise<Answer> {
    let answer: Answer;
    try {
      answer = await attempt(storage.url, { headers }, this.#subject, this.#settings, this.#signal);
    } catch (error) {
      // Signed addresses are good for a time: the Hub gives another.
      this.#storage = undefined;
      if (!(error instanceof HubError) || error.status === 416) throw error;
      throw new Transient(`the storage answered ${error.status}`, { status: error.status!, cause: error });
    }
    // The storage's own ETag is not the Hub's; it must only stay what it was.
    const etag = answer.response.headers.get('etag');
    if (storage.etag === undefined) storage.etag = etag ?? undefined;
    else await this.#checkEtag(answer, etag, storage.etag);
    return answer;
  }

  #attempt(url: string, headers: Record<string, string>): Promise<Answer> {
    const accepts = (status: number) => status >= 300 && status < 400;
    const init = { headers, redirect: 'manual', accepts } as const;
    return attempt(url, init, this.#subject, this.#settings, this.#signal);
  }

  async #checkEtag(answer: Answer, came: string | null, expected: string): Promise<void> {
    if (came === null || plainEtag(came) === plainEtag(expected)) return;
    await answer.discard();
    this.#storage = undefined;
    throw new Transient(`it has changed while it was read (ETag ${plainEtag(came)}, expected ${expected})`);
  }
}

/** Without quotes and the mark of a weak one. */
function plainEtag(etag: string): string {
  return etag.replace(/^W\//, '').replace(/^"|"$/g, '');
}

/**
 * Opens a file on the Hub for reading by ranges. A file that the cache has is read from there.
 *
 * @param repository at a commit, as `resolveRepository` gives it
 * @throws WhisperError `ERR_HUB` offline, for a file that is not in the cache
 */
export async function openHubFile(
  repository: Repository,
  file: HubFile,
  settings: HubSettings,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<RandomAccessFile> {
  const blob = blobPath(repository, file.etag, settings);
  if (file.etag !== '' && (await sizeOf(blob)) === file.size) return openLocalFile(blob);
  const remote = new RemoteBytes(repository, file, settings, signal);
  if (settings.offline) {
    throw new HubError(
      `cannot read ${remote.name}: offline mode is on (HF_HUB_OFFLINE), and ${settings.cacheDir} does not have it`,
    );
  }
  return {
    name: remote.name,
    size: file.size,
    async read(start, end) {
      const bytes = new Uint8Array(end - start);
      let filled = 0;
      for await (const piece of remote.read(start, end)) {
        bytes.set(piece, filled);
        filled += piece.length;
      }
      return bytes;
    },
    close: async () => {},
  };
}
