// Writing zip archives as torch.save does (caffe2/serialize/inline_container.cc over miniz): entries stored, in one pass,
// and the bytes of each at a multiple of 64 in the file, so that they can be mapped.
import { crc32 } from 'node:zlib';
import type { Sink } from './binary.js';
import { BEYOND, SIGNATURE, type ZipEntry } from './zip.js';

/** Names are UTF-8, and checksum and sizes follow the data. */
const FLAGS = 0x0808;
const ALIGNMENT = 64;

/** Writes an archive. Entries are shorter than 4 GiB, the archive is as long as it becomes. */
export class ZipWriter {
  readonly #sink: Sink;
  readonly #entries: ZipEntry[] = [];

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Adds an entry, whose pieces come to `bytes` bytes. */
  async add(
    name: string,
    bytes: number,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    if (bytes >= BEYOND) throw new RangeError(`${name}: an entry of ${bytes} bytes`);
    const sink = this.#sink;
    const header = sink.position;
    await sink.write(localHeader(Buffer.from(name), header));
    const begin = sink.position;
    let crc = 0;
    for await (const piece of pieces) {
      crc = crc32(piece, crc);
      await sink.write(piece);
    }
    const written = sink.position - begin;
    if (written !== bytes) throw new RangeError(`${name}: ${written} bytes, expected ${bytes}`);
    const entry = { name, bytes, crc, header };
    await sink.write(descriptor(entry));
    this.#entries.push(entry);
  }

  /** Writes the directory; the archive is complete. */
  async finish(): Promise<void> {
    const sink = this.#sink;
    const at = sink.position;
    await sink.write(Buffer.concat(this.#entries.map(centralHeader)));
    await sink.write(endRecords(this.#entries.length, at, sink.position - at));
  }
}

/** 4.3.7, with an extra field "FB" of as many bytes as the data need to begin where they should. */
function localHeader(name: Buffer, position: number): Buffer {
  const unpadded = position + 30 + name.length + 4;
  const padding = Buffer.alloc(4 + Math.ceil(unpadded / ALIGNMENT) * ALIGNMENT - unpadded, 'Z');
  padding.write('FB', 'latin1');
  padding.writeUInt16LE(padding.length - 4, 2);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(SIGNATURE.local, 0);
  header.writeUInt16LE(FLAGS, 6);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(padding.length, 28);
  return Buffer.concat([header, name, padding]);
}

/** 4.3.9 */
function descriptor({ bytes, crc }: ZipEntry): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt32LE(SIGNATURE.descriptor, 0);
  record.writeUInt32LE(crc, 4);
  record.writeUInt32LE(bytes, 8);
  record.writeUInt32LE(bytes, 12);
  return record;
}

/** 4.3.12, with a zip64 field (4.5.3) for a position beyond 4 GiB. */
function centralHeader({ name, bytes, crc, header: position }: ZipEntry): Buffer {
  const encoded = Buffer.from(name);
  const extra = Buffer.alloc(position >= BEYOND ? 12 : 0);
  if (extra.length > 0) {
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(8, 2);
    extra.writeBigUInt64LE(BigInt(position), 4);
  }
  const header = Buffer.alloc(46);
  header.writeUInt32LE(SIGNATURE.central, 0);
  header.writeUInt16LE(FLAGS, 8);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(bytes, 20);
  header.writeUInt32LE(bytes, 24);
  header.writeUInt16LE(encoded.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(Math.min(position, BEYOND), 42);
  return Buffer.concat([header, encoded, extra]);
}

/** 4.3.14 to 4.3.16: always with the zip64 record, as torch.save has it. */
function endRecords(count: number, at: number, bytes: number): Buffer {
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(SIGNATURE.end64, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(bytes), 40);
  end64.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(SIGNATURE.locator64, 0);
  locator.writeBigUInt64LE(BigInt(at + bytes), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(SIGNATURE.end, 0);
  end.writeUInt16LE(Math.min(count, 0xffff), 8);
  end.writeUInt16LE(Math.min(count, 0xffff), 10);
  end.writeUInt32LE(Math.min(bytes, BEYOND), 12);
  end.writeUInt32LE(Math.min(at, BEYOND), 16);
  return Buffer.concat([end64, locator, end]);
}
