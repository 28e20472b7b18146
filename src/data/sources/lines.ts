// Lines of a UTF-8 file with their byte offsets, so that reading can go on at any of them.
import { WhisperError } from '../../errors.js';
import type { RandomAccessFile } from '../../files/random-access.js';
import { cursorError } from '../dataset.js';

/** Where a line begins: its byte offset and its number, from 1. */
export type LinePosition = { byte: number; line: number };

export interface Line {
  text: string;
  at: LinePosition;
  next: LinePosition;
}

export const firstLine: LinePosition = { byte: 0, line: 1 };

const chunkBytes = 64 * 1024;
/** A line longer than this is no table: without the limit a binary file would be read whole. */
const longestLine = 16 * 1024 * 1024;

/** The decoder removes a byte order mark by itself only at the start of its input, which here is each line: so not at all. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes strictly: a replacement character in a transcript would be learned. */
function strictText(bytes: Uint8Array, path: string, line: number): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new WhisperError('ERR_DATA', `${path}:${line}: the line is not valid UTF-8 text`, { cause });
  }
}

/** Checks that a line begins where reading is to go on. */
async function checkStart(file: RandomAccessFile, { byte }: LinePosition): Promise<void> {
  // The end of the last line may have no line break; then the cursor is the size of the file.
  if (byte === 0 || byte === file.size) return;
  const before = byte < file.size ? await file.read(byte - 1, byte) : [];
  if (before[0] !== 0x0a)
    throw cursorError(file.name, `no line begins at byte ${byte}; the file has changed`);
}

/**
 * The lines of a file from a position on, without their line break (LF or CRLF) and byte order mark. The file is closed
 * at the end.
 *
 * @throws WhisperError ERR_FILE when the file cannot be read, ERR_DATA for a line that is not valid UTF-8.
 */
export async function* readLines(
  file: RandomAccessFile,
  from: LinePosition = firstLine,
): AsyncGenerator<Line, void, void> {
  const path = file.name;
  try {
    await checkStart(file, from);
    let { byte, line } = from;
    let rest: Uint8Array = new Uint8Array(0);
    let readTo = byte;
    const finish = (bytes: Uint8Array, end: number): Line => {
      const at = { byte, line };
      let content = bytes;
      if (content.at(-1) === 0x0d) content = content.subarray(0, -1);
      if (byte === 0 && content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf)
        content = content.subarray(3);
      const text = strictText(content, path, line);
      byte = end;
      line += 1;
      return { text, at, next: { byte, line } };
    };
    for (;;) {
      const chunk = await file.read(readTo, Math.min(readTo + chunkBytes, file.size));
      if (chunk.length === 0) break;
      const searchFrom = rest.length;
      const buffer = Buffer.concat([rest, chunk]);
      readTo += chunk.length;
      let start = 0;
      for (let end = buffer.indexOf(0x0a, searchFrom); end >= 0; end = buffer.indexOf(0x0a, start)) {
        yield finish(buffer.subarray(start, end), byte + end + 1 - start);
        start = end + 1;
      }
      rest = buffer.subarray(start);
      if (rest.length > longestLine) {
        throw new WhisperError(
          'ERR_DATA',
          `${path}:${line}: the line is longer than 16 MiB; this is no table of clips`,
        );
      }
    }
    if (rest.length > 0) yield finish(rest, byte + rest.length);
  } finally {
    await file.close();
  }
}
