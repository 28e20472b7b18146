// Reads event files back: frames with both checksums, and of each record its step, tag and value.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { crc32c } from '../../src/files/crc32c.js';

/** The records of a file. Stops the test at a frame that is not right. */
export function records(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  const check = (part: Buffer, at: number): void => {
    const crc = crc32c(part);
    const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
    if (bytes.readUInt32LE(at) !== masked) throw new Error(`checksum at byte ${at}`);
  };
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    check(bytes.subarray(at, at + 8), at + 8);
    const record = bytes.subarray(at + 12, at + 12 + length);
    check(record, at + 12 + length);
    found.push(record);
    at += 16 + length;
  }
  return found;
}

type Message = Map<number, (Uint8Array | number | bigint)[]>;

/** The fields of a message by their numbers, undone one level. */
export function message(bytes: Uint8Array): Message {
  const reader = new BinaryReader(bytes);
  const fields: Message = new Map();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value =
      type === 0
        ? reader.uint64()
        : type === 1
          ? reader.double()
          : type === 2
            ? reader.bytes()
            : reader.float();
    fields.set(field, [...(fields.get(field) ?? []), value as Uint8Array | number | bigint]);
  }
  return fields;
}

export interface ReadEvent {
  step: number;
  tag: string;
  number: number | undefined;
  text: string | undefined;
  plugin: string | undefined;
}

const textOf = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString();

/** The summaries of a file, in order. */
export function readEvents(path: string): ReadEvent[] {
  return records(readFileSync(path)).flatMap((record) => {
    const event = message(record);
    const [summary] = event.get(5) ?? [];
    if (!summary) return [];
    const value = message(message(summary as Uint8Array).get(1)![0] as Uint8Array);
    const [tensor] = value.get(8) ?? [];
    const [metadata] = value.get(9) ?? [];
    const plugin = metadata
      ? message(message(metadata as Uint8Array).get(1)![0] as Uint8Array).get(1)
      : undefined;
    return [
      {
        step: Number(event.get(2)?.[0] ?? 0),
        tag: textOf(value.get(1)![0]),
        number: value.get(2)?.[0] as number | undefined,
        text: tensor ? textOf(message(tensor as Uint8Array).get(8)![0]) : undefined,
        plugin: plugin ? textOf(plugin[0]) : undefined,
      },
    ];
  });
}

/** The event files under a folder, in the order in which they were made. */
export function eventFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes('tfevents'))
    .sort((a, b) => Number(a.split('.').at(-1)) - Number(b.split('.').at(-1)))
    .map((name) => join(folder, name));
}
