// Safetensors files by their bytes: read apart from the engine, changed, and written again.
import { readFileSync, writeFileSync } from 'node:fs';

export interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** The header, with `__metadata__` among its keys, and the data behind it. */
export function parse(file: Buffer): { header: Header; data: Buffer } {
  const length = Number(file.readBigUInt64LE());
  return { header: JSON.parse(file.toString('utf8', 8, 8 + length)), data: file.subarray(8 + length) };
}

export function write(path: string, header: object, data: Uint8Array): void {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([length, json, data]));
}

export interface TensorInFile {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

export interface TensorFile {
  metadata: Record<string, string>;
  tensors: Record<string, TensorInFile>;
}

export function readTensors(path: string): TensorFile {
  const { header, data } = parse(readFileSync(path));
  const { __metadata__: metadata, ...entries } = header as Header & { __metadata__: never };
  const tensors = Object.entries(entries).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => [name, { dtype, shape, bytes: Uint8Array.from(data.subarray(from, to)) }],
  );
  return { metadata, tensors: Object.fromEntries(tensors) };
}

export function writeTensors(path: string, { metadata, tensors }: TensorFile): void {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const data = Buffer.concat(Object.values(tensors).map(({ bytes }) => bytes));
  write(path, { __metadata__: metadata, ...Object.fromEntries(entries) }, data);
}

/** The numbers of an F32 tensor. */
export const numbers = ({ bytes }: TensorInFile) => new Float32Array(bytes.slice().buffer);
