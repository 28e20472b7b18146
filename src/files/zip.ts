// Reading zip archives of stored entries, as torch.save writes them: no compression, zip64 where it is needed.
// The format: PKWARE's APPNOTE.TXT 6.3.10, whose section numbers stand below.
import { crc32 } from 'node:zlib';
import { WhisperError } from '../errors.js';
import type { BinaryFile } from './binary.js';

/** The four bytes with which each record begins. */
export const SIGNATURE = {
  local: 0x04034b50,
  descriptor: 0x08074b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
};
/** What stands in a 32-bit field whose value is in a zip64 one. */
export const BEYOND = 0xffffffff;
/** The flag of an encrypted entry. */
const ENCRYPTED = 0x0001;
/** What the directory of an archive may take: that of the largest Whisper model takes a tenth of a megabyte. */
const LONGEST_DIRECTORY = 64 << 20;

/** An entry of the directory. */
export interface ZipEntry {
  name: string;
  bytes: number;
  /** CRC-32 of the bytes. */
  crc: number;
  /** Where its local header begins. */
  header: number;
}

/** An archive open for reading. */
export class ZipArchive {
  readonly #file: BinaryFile;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  /** Where the directory begins: entries end before. */
  readonly #directory: number;

  private constructor(file: BinaryFile, entries: ReadonlyMap<string, ZipEntry>, directory: number) {
    this.#file = file;
    this.#entries = entries;
    this.#directory = directory;
  }

  /**
   * Reads the directory of an archive.
   *
   * @throws WhisperError `ERR_CORRUPT_FILE` for what is no archive, and for an archive with compressed or encrypted
   *   entries, with two of a name, or in several parts
   */
  static async open(file: BinaryFile): Promise<ZipArchive> {
    const { count, at, bytes } = await findDirectory(file);
    if (bytes > LONGEST_DIRECTORY) throw corrupt(file, `a zip directory of ${bytes} bytes`);
    const entries = readDirectory(file, await file.read(at, bytes), count);
    return new ZipArchive(file, entries, at);
  }

  get names(): Iterable<string> {
    return this.#entries.keys();
  }

  /** The length of an entry; undefined when there is none of that name. */
  bytesOf(name: string): number | undefined {
    return this.#entries.get(name)?.bytes;
  }

  /**
   * The content of an entry, piece by piece.
   *
   * @throws WhisperError `ERR_CORRUPT_FILE`, at the latest after the last piece, when the checksum is another
   */
  async *pieces(name: string): AsyncGenerator<Buffer> {
    const entry = this.#find(name);
    let crc = 0;
    for await (const piece of this.#file.pieces(await this.#dataOf(entry), entry.bytes)) {
      crc = crc32(piece, crc);
      yield piece;
    }
    if (crc !== entry.crc) {
      throw corrupt(this.#file, `${name}: its checksum is ${hex(crc)}, the directory says ${hex(entry.crc)}`);
    }
  }

  /** The whole content of a short entry. */
  async read(name: string): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.pieces(name)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** A part of an entry, whose checksum is not looked at. */
  async *part(name: string, from: number, bytes: number): AsyncGenerator<Buffer> {
    yield* this.#file.pieces((await this.#dataOf(this.#find(name))) + from, bytes);
  }

  #find(name: string): ZipEntry {
    const entry = this.#entries.get(name);
    if (!entry) throw corrupt(this.#file, `it has no ${name}`);
    return entry;
  }

  /** Where the bytes of an entry begin: behind its local header (4.3.7), which must agree with the directory. */
  async #dataOf(entry: ZipEntry): Promise<number> {
    const header = await this.#file.read(entry.header, 30);
    const length = header.readUInt16LE(26);
    const at = entry.header + 30 + length + header.readUInt16LE(28);
    const name = await this.#file.read(entry.header + 30, length);
    if (
      header.readUInt32LE(0) !== SIGNATURE.local ||
      header.readUInt16LE(8) !== 0 ||
      name.toString() !== entry.name
    ) {
      throw corrupt(this.#file, `${entry.name}: what lies at byte ${entry.header} is not this entry`);
    }
    if (at + entry.bytes > this.#directory) {
      throw corrupt(this.#file, `${entry.name}: its ${entry.bytes} bytes reach into the zip directory`);
    }
    return at;
  }
}

/** Finds the end record (4.3.16), and behind which it may stand, the zip64 one (4.3.14, 4.3.15). */
async function findDirectory(file: BinaryFile): Promise<{ count: number; at: number; bytes: number }> {
  // The record may be followed by a comment of up to 65,535 bytes, the length of which it gives.
  const from = Math.max(0, file.bytes - 22 - 0xffff);
  const tail = await file.read(from, file.bytes - from);
  let end = tail.length - 22;
  while (
    end >= 0 &&
    !(tail.readUInt32LE(end) === SIGNATURE.end && end + 22 + tail.readUInt16LE(end + 20) === tail.length)
  ) {
    end--;
  }
  if (end < 0) {
    throw corrupt(file, 'it is not, or not all of, a zip archive as torch.save writes since torch 1.6');
  }
  const found = {
    disk: tail.readUInt16LE(end + 4),
    count: tail.readUInt16LE(end + 10),
    bytes: tail.readUInt32LE(end + 12),
    at: tail.readUInt32LE(end + 16),
  };
  if (found.disk !== 0 || tail.readUInt16LE(end + 6) !== 0)
    throw corrupt(file, 'a zip archive in several parts');
  if (end < 20 || tail.readUInt32LE(end - 20) !== SIGNATURE.locator64) return found;
  const record = await file.read(exact(file, tail.readBigUInt64LE(end - 12)), 56);
  if (record.readUInt32LE(0) !== SIGNATURE.end64)
    throw corrupt(file, 'its zip64 record is not where it should be');
  return {
    count: exact(file, record.readBigUInt64LE(32)),
    bytes: exact(file, record.readBigUInt64LE(40)),
    at: exact(file, record.readBigUInt64LE(48)),
  };
}

/** Reads the headers of the directory (4.3.12). */
function readDirectory(file: BinaryFile, directory: Buffer, count: number): Map<string, ZipEntry> {
  const entries = new Map<string, ZipEntry>();
  const broken = () => corrupt(file, 'its zip directory is damaged');
  let at = 0;
  while (at < directory.length) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== SIGNATURE.central) throw broken();
    const names = at + 46;
    const extras = names + directory.readUInt16LE(at + 28);
    const next = extras + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    if (next > directory.length) throw broken();
    const name = directory.toString('utf8', names, extras);
    const method = directory.readUInt16LE(at + 10);
    if (method !== 0)
      throw corrupt(file, `${name}: compressed (method ${method}), torch.save does not do that`);
    if (directory.readUInt16LE(at + 8) & ENCRYPTED) throw corrupt(file, `${name}: encrypted`);
    const wide = zip64Fields(directory.subarray(extras, extras + directory.readUInt16LE(at + 30)));
    const field = (offset: number): number => {
      const value = directory.readUInt32LE(at + offset);
      if (value !== BEYOND) return value;
      const beyond = wide.next();
      if (beyond.done) throw broken();
      return exact(file, beyond.value);
    };
    // In this order: the zip64 field has only those that did not fit.
    const bytes = field(24);
    if (field(20) !== bytes) throw broken();
    const entry = { name, bytes, crc: directory.readUInt32LE(at + 16), header: field(42) };
    if (entries.has(name)) throw corrupt(file, `it has two entries named ${name}`);
    entries.set(name, entry);
    at = next;
  }
  if (entries.size !== count) throw broken();
  return entries;
}

/** The 64-bit numbers of the extra field with id 1 (4.5.3). */
function* zip64Fields(extra: Buffer): Generator<bigint> {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = Math.min(extra.length, at + 4 + extra.readUInt16LE(at + 2));
    if (extra.readUInt16LE(at) === 1) {
      for (let value = at + 4; value + 8 <= end; value += 8) yield extra.readBigUInt64LE(value);
    }
    at = end;
  }
}

function exact(file: BinaryFile, value: bigint): number {
  if (value > BigInt(file.bytes)) throw corrupt(file, `its zip directory speaks of byte ${value}`);
  return Number(value);
}

function corrupt(file: BinaryFile, what: string): WhisperError {
  return new WhisperError('ERR_CORRUPT_FILE', `${file.path}: ${what}`);
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
