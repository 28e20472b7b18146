// What the tests of data sets share: rows written as parquet, and readings of sources compared.
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect } from 'vitest';
import type { Cursor, Positioned, Row, Source } from '../../src/data/dataset.js';

export interface Clip {
  bytes: Uint8Array | null;
  path: string | null;
  text: string | null;
}

/** Clips that differ, of different lengths; the bytes are no audio, as sources do not look into them. */
export function clips(count: number, first = 0): Clip[] {
  return Array.from({ length: count }, (_, i) => ({
    bytes: Uint8Array.from({ length: 50 + (((first + i) * 37) % 90) }, (_, j) => (first + i) * 7 + j),
    path: `clip_${first + i}.mp3`,
    text: `Text ${first + i}: ñ, 你好`,
  }));
}

export interface ParquetOptions {
  rowGroupSize?: number;
  pageSize?: number;
  codec?: 'UNCOMPRESSED' | 'SNAPPY';
  audioColumn?: string;
  textColumn?: string;
  /** The features of the `huggingface` key; null leaves the key out. */
  features?: object | null;
  /** Further columns of whole numbers or texts. */
  more?: Record<string, (string | bigint | number | null)[]>;
  offsetIndex?: boolean;
}

/** A parquet file as Hugging Face datasets writes them. */
export function parquetFile(rows: readonly Clip[], options: ParquetOptions = {}): Uint8Array {
  const { audioColumn = 'audio', textColumn = 'sentence', more = {}, offsetIndex = true } = options;
  const features = options.features ?? {
    [audioColumn]: { sampling_rate: 48000, _type: 'Audio' },
    [textColumn]: { dtype: 'string', _type: 'Value' },
  };
  const others = Object.entries(more);
  const isText = (data: readonly unknown[]) => data.some((value) => typeof value === 'string');
  const buffer = parquetWriteBuffer({
    schema: [
      { name: 'root', num_children: 2 + others.length },
      { name: audioColumn, num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: textColumn, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      ...others.map(([name, data]) =>
        isText(data)
          ? ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const)
          : ({ name, type: 'INT64', repetition_type: 'OPTIONAL' } as const),
      ),
    ],
    columnData: [
      { name: audioColumn, data: rows.map(({ bytes, path }) => ({ bytes, path })), offsetIndex },
      { name: textColumn, data: rows.map(({ text }) => text), offsetIndex },
      ...others.map(([name, data]) => ({ name, data, offsetIndex })),
    ],
    rowGroupSize: options.rowGroupSize ?? 4,
    codec: options.codec ?? 'UNCOMPRESSED',
    ...(options.pageSize !== undefined && { pageSize: options.pageSize }),
    kvMetadata:
      options.features === null
        ? []
        : [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
  });
  return new Uint8Array(buffer);
}

export async function read(source: Source, cursor?: Cursor): Promise<Positioned[]> {
  const rows: Positioned[] = [];
  for await (const positioned of source.open(cursor)) rows.push(positioned);
  return rows;
}

export async function texts(source: Source): Promise<string[]> {
  return (await read(source)).map(({ row }) => row.text);
}

/** The bytes and text of rows. */
export function contents(rows: readonly Positioned[]): { bytes: number[] | undefined; text: string }[] {
  return rows.map(({ row }: { row: Row }) => ({
    bytes: 'bytes' in row.audio ? [...row.audio.bytes] : undefined,
    text: row.text,
  }));
}

/** What {@link contents} should be. */
export function written(rows: readonly Clip[]) {
  return rows.map(({ bytes, text }) => ({ bytes: bytes ? [...bytes] : undefined, text: text ?? '' }));
}

/** From every cursor exactly the rest is read, after a way through JSON, and `rowsAt` finds every row again. */
export async function checkCursors(source: Source): Promise<Positioned[]> {
  const all = await read(source);
  const copy = (cursor: Cursor): Cursor => JSON.parse(JSON.stringify(cursor));
  for (const [i, { at, next }] of all.entries()) {
    expect(await read(source, copy(next))).toEqual(all.slice(i + 1));
    expect(await read(source, copy(at))).toEqual(all.slice(i));
  }
  const backwards = [...all, ...all].reverse();
  expect(await source.rowsAt(backwards.map(({ at }) => copy(at)))).toEqual(backwards);
  for (const [i, { at }] of all.entries()) if (source.seek) expect(await source.seek(i)).toEqual(at);
  if (source.seek && !source.parts) {
    expect(await read(source, await source.seek(all.length))).toEqual([]);
    await expect(source.seek(all.length + 1)).rejects.toThrow('cannot go on reading');
  }
  if (source.count) expect(await source.count()).toBe(all.length);
  return all;
}
