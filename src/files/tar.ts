// Tar archives: the files in them with their byte offsets, so that reading can go on at any of them, which libraries that
// read tar as a stream cannot. Layout: POSIX.1-1988 (ustar), POSIX.1-2001 (pax), GNU tar's long names and large sizes.

import { WhisperError } from '../errors.js';
import type { RandomAccessFile } from './random-access.js';

const block = 512;
/** A header with a name or with attributes is no longer; without a limit a damaged size would be read into memory. */
const longestHeader = 1024 * 1024;
/** A file that belongs to a row is read whole; none is larger. */
const largestFile = 512 * 1024 * 1024;

export interface TarEntry {
  /** The path in the archive. */
  name: string;
  /** Where its headers, its content and the next entry begin. */
  at: number;
  content: number;
  size: number;
  next: number;
}

function fail(file: RandomAccessFile, detail: string): never {
  throw new WhisperError('ERR_DATA', `${file.name}: ${detail}`);
}

/** A field of text, which ends at a zero byte or with the field. */
function text(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** A number: octal digits, or, when the first bit is set, GNU's big-endian bytes. NaN when it is neither. */
function numeric(header: Uint8Array, start: number, length: number): number {
  if (header[start]! & 0x80) {
    let value = header[start]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + header[start + i]!;
    return value;
  }
  const digits = text(header, start, length).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
}

/** The sum of the header's bytes, those of the sum itself taken as spaces; old archives summed signed bytes. */
function checksumFits(header: Uint8Array): boolean {
  const written = numeric(header, 148, 8);
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (const [i, byte] of header.entries()) {
    if (i >= 148 && i < 156) continue;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return written === unsigned || written === signed;
}

/** The attributes in a pax header: `length key=value\n`, the length counting itself. */
function paxAttributes(content: Uint8Array): Map<string, string> | undefined {
  const attributes = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const length = Number(new TextDecoder().decode(content.subarray(at, space)));
    const record = new TextDecoder().decode(content.subarray(space + 1, at + length - 1));
    const equals = record.indexOf('=');
    if (space < 0 || !(length > 0) || at + length > content.length || equals < 0) return undefined;
    attributes.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return attributes;
}

/** What the kinds of entries that are refused are called; links and devices have no place in a data set. */
const refused: Readonly<Record<string, string>> = {
  '1': 'a link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a pipe',
  S: 'a sparse file',
  M: 'a part of a file that goes on in another archive',
};

/**
 * Says what is wrong with an entry: links and devices, and names that leave the folder that is unpacked into.
 *
 * @param type the entry's type flag
 */
export function entryFault(name: string, type: string): string | undefined {
  if (refused[type]) return `the entry ${JSON.stringify(name)} is ${refused[type]}, which is refused`;
  if (name.startsWith('/') || /^[a-z]:/i.test(name))
    return `the entry ${JSON.stringify(name)} has an absolute path`;
  if (name.split(/[/\\]/).includes('..') || name.includes('\0'))
    return `the entry ${JSON.stringify(name)} leaves the archive's folder`;
  return undefined;
}

interface Header {
  name: string;
  size: number;
  type: string;
}

/** @param begins where reading began: there an entry was once found */
async function readHeader(file: RandomAccessFile, at: number, begins: number): Promise<Header | undefined> {
  if (at + block > file.size) {
    // Many writers leave the two empty blocks at the end out.
    if (at === file.size) return undefined;
    if (at > file.size)
      fail(
        file,
        `cannot go on reading: it has only ${file.size} bytes, not the ${at} that were there: the file has changed`,
      );
    fail(file, `the archive is cut off: ${file.size - at} bytes of a header at byte ${at}`);
  }
  const header = await file.read(at, at + block);
  if (header.every((byte) => byte === 0)) {
    if (at === 0 && file.size > 0 && file.size % block !== 0) fail(file, 'no tar archive');
    return undefined;
  }
  if (!checksumFits(header)) {
    if (at === begins && at > 0)
      fail(file, `cannot go on reading: no entry begins at byte ${at}; the file has changed`);
    const gzip = at === 0 && header[0] === 0x1f && header[1] === 0x8b;
    fail(
      file,
      gzip
        ? 'compressed with gzip: unpack it first (gunzip)'
        : `no tar archive: no entry begins at byte ${at}`,
    );
  }
  const ustar = text(header, 257, 5) === 'ustar' && header[262] === 0;
  const prefix = ustar ? text(header, 345, 155) : '';
  const name = text(header, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numeric(header, 124, 12),
    type: String.fromCharCode(header[156]! || 0x30),
  };
}

/**
 * The regular files of an archive, in order, from an entry's `at` or `next` on. Folders are passed over.
 *
 * @throws WhisperError ERR_DATA naming the archive and the entry: links, devices, absolute paths and `..`; a damaged or
 *   cut-off archive
 */
export async function* tarEntries(file: RandomAccessFile, from = 0): AsyncGenerator<TarEntry, void, void> {
  let start = from;
  let longName: string | undefined;
  let attributes = new Map<string, string>();
  for (let at = from; ; ) {
    const header = await readHeader(file, at, from);
    if (!header) return;
    const { type } = header;
    const extended = 'xgLK'.includes(type);
    const name = (!extended && (attributes.get('path') ?? longName)) || header.name;
    const declared = extended ? undefined : attributes.get('size');
    const size = declared === undefined ? header.size : Number(declared);
    const content = at + block;
    if (!Number.isSafeInteger(size) || size < 0 || size > (extended ? longestHeader : largestFile))
      fail(file, `the entry ${JSON.stringify(name)} declares a size that is not possible`);
    if (content + size > file.size)
      fail(
        file,
        `the archive is cut off: the entry ${JSON.stringify(name)} has ${size} bytes, ${file.size - content} are there`,
      );
    // What fills the last block may be left out too.
    at = Math.min(content + Math.ceil(size / block) * block, file.size);
    if (extended) {
      const bytes = await file.read(content, content + size);
      if (type === 'L') longName = text(bytes, 0, size);
      if (type === 'x')
        attributes = paxAttributes(bytes) ?? fail(file, `the attributes at byte ${content} are damaged`);
      continue;
    }
    const sparse = [...attributes.keys()].some((key) => key.startsWith('GNU.sparse'));
    const fault = entryFault(name, sparse ? 'S' : type);
    if (fault) fail(file, fault);
    if (type === '0' || type === '7') yield { name, at: start, content, size, next: at };
    start = at;
    longName = undefined;
    attributes = new Map();
  }
}
