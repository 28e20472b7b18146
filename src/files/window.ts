// A window over a file that is read from front to back in small pieces: one read of the file serves many of them.
import type { RandomAccessFile } from './random-access.js';

/** Bytes read at once. */
const windowBytes = 512 * 1024;

/** The same file; what is read is a copy, so that a piece that is kept does not keep the window it came from. */
export function windowed(file: RandomAccessFile, bytes = windowBytes): RandomAccessFile {
  let start = 0;
  let window: Uint8Array = new Uint8Array(0);
  return {
    name: file.name,
    size: file.size,
    async read(from, to) {
      if (from < start || to > start + window.length) {
        if (to - from >= bytes) return file.read(from, to);
        window = await file.read(from, Math.min(file.size, from + bytes));
        start = from;
      }
      return window.slice(from - start, to - start);
    },
    close: () => file.close(),
  };
}
