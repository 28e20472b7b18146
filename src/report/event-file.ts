// TensorBoard's event files: protobuf messages in the frames of TFRecord, each written through as it is made.
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { fileError } from '../errors.js';
import { crc32c } from '../files/crc32c.js';
import { makeFolder } from '../files/folders.js';

/** One value of a summary (tensorboard/compat/proto/summary.proto): a number, a text, or what a plugin understands. */
export type SummaryValue =
  | { tag: string; number: number }
  | { tag: string; text: string }
  | { tag: string; plugin: string; content: Uint8Array };

/** One record (tensorboard/compat/proto/event.proto). */
export interface Event {
  /** Seconds since 1970. */
  wallTime: number;
  step?: number;
  value?: SummaryValue;
}

/** What TensorFlow's type 7, DT_STRING, is called in tensor.proto. */
const DT_STRING = 7;
/** The first record of every file. */
const FILE_VERSION = 'brain.Event:2';

/** Adds an embedded message, whose fields `write` writes. */
export function embed(
  writer: BinaryWriter,
  field: number,
  write: (writer: BinaryWriter) => unknown,
): BinaryWriter {
  writer.tag(field, WireType.LengthDelimited).fork();
  write(writer);
  return writer.join();
}

/** The message of an event. */
export function encodeEvent({ wallTime, step = 0, value }: Event): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);
  // As everywhere in proto3, what is zero is not written.
  if (step !== 0) writer.tag(2, WireType.Varint).int64(step);
  if (value) embed(writer, 5, (summary) => embed(summary, 1, (inner) => encodeValue(inner, value)));
  else writer.tag(3, WireType.LengthDelimited).string(FILE_VERSION);
  return writer.finish();
}

function encodeValue(writer: BinaryWriter, value: SummaryValue): void {
  const text = 'text' in value ? value.text : undefined;
  // As torch's SummaryWriter.add_text names it.
  const tag = text === undefined ? value.tag : `${value.tag}/text_summary`;
  writer.tag(1, WireType.LengthDelimited).string(tag);
  if ('number' in value) {
    writer.tag(2, WireType.Bit32).float(value.number);
    return;
  }
  if (text !== undefined) {
    embed(writer, 8, (tensor) => {
      tensor.tag(1, WireType.Varint).int32(DT_STRING);
      // A shape of one dimension of size 1.
      embed(tensor, 2, (shape) => embed(shape, 2, (size) => size.tag(1, WireType.Varint).int64(1)));
      tensor.tag(8, WireType.LengthDelimited).string(text);
    });
  }
  const [plugin, content] = 'plugin' in value ? [value.plugin, value.content] : ['text', undefined];
  embed(writer, 9, (metadata) =>
    embed(metadata, 1, (data) => {
      data.tag(1, WireType.LengthDelimited).string(plugin);
      if (content) data.tag(2, WireType.LengthDelimited).bytes(content);
    }),
  );
}

/** The frame of TFRecord: length, its checksum, the record, its checksum; all little-endian. */
export function frame(record: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(record.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(record.length), true);
  view.setUint32(8, maskedChecksum(bytes.subarray(0, 8)), true);
  bytes.set(record, 12);
  view.setUint32(12 + record.length, maskedChecksum(record), true);
  return bytes;
}

/** Rotated and shifted, so that the checksum of bytes that hold a checksum stays one (tsl/lib/hash/crc32c.h). */
function maskedChecksum(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Files that this process has begun: part of their names. */
let files = 0;

/** One event file, made for writing. */
export class EventFile {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Begins `events.out.tfevents.<seconds>.<host>.<process>.<n>` in a folder, which is made where it is missing.
   *
   * @throws WhisperError `ERR_FILE`
   */
  static async create(folder: string): Promise<EventFile> {
    await makeFolder(folder);
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    const path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${files++}`);
    try {
      const made = new EventFile(path, await open(path, 'wx'));
      await made.#append(encodeEvent({ wallTime: now() }));
      return made;
    } catch (cause) {
      throw fileError('write', path, cause);
    }
  }

  /** @throws WhisperError `ERR_FILE` */
  async write(step: number, values: readonly SummaryValue[]): Promise<void> {
    try {
      for (const value of values) await this.#append(encodeEvent({ wallTime: now(), step, value }));
    } catch (cause) {
      throw fileError('write', this.path, cause);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #append(record: Uint8Array): Promise<void> {
    await this.#file.appendFile(frame(record));
  }
}

function now(): number {
  return Date.now() / 1000;
}
