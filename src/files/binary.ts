// Binary files by parts: ranges are read when they are asked for, and a file is written whole or not at all.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileError, WhisperError } from '../errors.js';

/** Bytes of one piece of a long range: long enough for a disk, short enough for memory. */
const PIECE = 4 << 20;

/** A file open for reading ranges. */
export class BinaryFile {
  readonly path: string;
  /** Its length when it was opened. */
  readonly bytes: number;
  readonly #handle: FileHandle;

  private constructor(path: string, bytes: number, handle: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.#handle = handle;
  }

  /** @throws WhisperError `ERR_FILE` when there is no such file, or it is none */
  static async open(path: string): Promise<BinaryFile> {
    try {
      // Before it is opened: opening a pipe would wait for somebody to write into it.
      const found = await stat(path);
      if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      if (!found.isFile()) throw new Error('it is not a regular file');
      return new BinaryFile(path, found.size, await open(path, 'r'));
    } catch (cause) {
      throw fileError('read', path, cause);
    }
  }

  /**
   * A short range.
   *
   * @throws WhisperError `ERR_CORRUPT_FILE` when the file ends before it does
   */
  async read(at: number, bytes: number): Promise<Buffer> {
    // Before the memory for it is taken.
    if (at < 0 || bytes < 0 || at + bytes > this.bytes) throw this.#ends(at, bytes);
    const buffer = Buffer.allocUnsafe(bytes);
    let done = 0;
    while (done < bytes) {
      const { bytesRead } = await this.#handle
        .read(buffer, done, bytes - done, at + done)
        .catch((cause) => Promise.reject(fileError('read', this.path, cause)));
      if (bytesRead === 0) throw this.#ends(at, bytes);
      done += bytesRead;
    }
    return buffer;
  }

  /** A range of any length, piece by piece; a piece belongs to whoever took it. */
  async *pieces(at: number, bytes: number): AsyncGenerator<Buffer> {
    for (let done = 0; done < bytes; done += PIECE) {
      yield await this.read(at + done, Math.min(PIECE, bytes - done));
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #ends(at: number, bytes: number): WhisperError {
    return new WhisperError(
      'ERR_CORRUPT_FILE',
      `${this.path}: bytes ${at} to ${at + bytes} do not lie in a file of ${this.bytes}`,
    );
  }
}

/** Where the bytes of a new file go, one after the other. */
export class Sink {
  /** Bytes written so far. */
  position = 0;
  readonly #handle: FileHandle;
  readonly #signal: AbortSignal | undefined;

  constructor(handle: FileHandle, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#signal = signal;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#signal?.aborted) {
      throw new WhisperError('ERR_CANCELLED', 'cancelled', { cause: this.#signal.reason });
    }
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.position);
      done += bytesWritten;
      this.position += bytesWritten;
    }
  }
}

/**
 * Writes a file: `write` fills a temporary one beside it, which is synced and takes the name in one rename. What was at
 * `path` before stays until then, and for good where `write` throws.
 *
 * @throws WhisperError `ERR_FILE` when it cannot be written, `ERR_CANCELLED` when the signal fired, or what `write` throws
 */
export async function writeWhole(
  path: string,
  write: (sink: Sink) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const target = resolve(path);
  // The form of name that folders.ts' and checkpoint.ts' leftovers have, so that they are swept up together.
  const temporary = join(dirname(target), `.${basename(target)}.partial-${randomBytes(3).toString('hex')}`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await write(new Sink(handle, signal));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause instanceof WhisperError ? cause : fileError('write', path, cause);
  }
}

/** Makes the rename itself last. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
