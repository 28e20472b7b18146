// Files that are read by ranges, wherever they lie: on this machine, or behind a server.
import { open } from 'node:fs/promises';
import { fileError, WhisperError } from '../errors.js';

/** A file of known size from which any range can be read. */
export interface RandomAccessFile {
  /** For messages: a path or an address. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /**
   * The bytes from `start` up to `end`, which lies in the file, in memory of the caller's own.
   *
   * @throws WhisperError `ERR_FILE` naming the file when it cannot be read, or is shorter than it was
   */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** @throws WhisperError `ERR_FILE` when there is no such file */
export async function openLocalFile(path: string): Promise<RandomAccessFile> {
  const fail = (cause: unknown) => {
    throw fileError('read', path, cause);
  };
  const handle = await open(path, 'r').catch(fail);
  const { size } = await handle.stat().catch(fail);
  return {
    name: path,
    size,
    async read(start, end) {
      const bytes = new Uint8Array(end - start);
      for (let filled = 0; filled < bytes.length; ) {
        const { bytesRead } = await handle
          .read(bytes, filled, bytes.length - filled, start + filled)
          .catch(fail);
        if (bytesRead === 0)
          throw new WhisperError('ERR_FILE', `${path} has become shorter while it was read`);
        filled += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}
