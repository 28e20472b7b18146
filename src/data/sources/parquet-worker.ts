// A thread that decodes parquet: decompressing and assembling rows would hold up the event loop. The file stays with the
// caller, who is asked for each range of bytes.
import type { MessagePort } from 'node:worker_threads';
import { type FileMetaData, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { move, transferableSymbol, valueSymbol } from 'piscina';

/** Rows of one row group, which is the only one in `metadata`. */
export interface ParquetJob {
  metadata: FileMetaData;
  /** Bytes of the file. */
  size: number;
  rowStart: number;
  rowEnd: number;
  columns: string[];
  /** The column of audio among them. */
  audio: string;
  /** Where ranges are asked for. */
  port: MessagePort;
}

/** A range that is asked for, and the answer. */
export type RangeRequest = { id: number; start: number; end: number };
export type RangeReply = { id: number; bytes: ArrayBuffer } | { id: number; failed: true };

export interface ParquetReply {
  /** The audio of all rows, one after the other. */
  bytes: ArrayBuffer;
  rows: {
    /** Where the row's audio is in `bytes`, or the path of a file. */
    audio: { start: number; end: number } | { path: string } | undefined;
    /** The name that the audio had as a file, where it has one. */
    name: string | undefined;
    /** The other columns. */
    values: Record<string, unknown>;
  }[];
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Decodes strictly: a replacement character in a transcript would be learned. */
function strictText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Error('a text in it is not valid UTF-8');
  }
}

function askFor(port: MessagePort): (start: number, end: number) => Promise<ArrayBuffer> {
  const waiting = new Map<
    number,
    { resolve: (bytes: ArrayBuffer) => void; reject: (error: Error) => void }
  >();
  let asked = 0;
  port.on('message', (reply: RangeReply) => {
    const promise = waiting.get(reply.id);
    waiting.delete(reply.id);
    if ('bytes' in reply) promise?.resolve(reply.bytes);
    else promise?.reject(new Error('its bytes cannot be read'));
  });
  return (start, end) =>
    new Promise((resolve, reject) => {
      const id = asked++;
      waiting.set(id, { resolve, reject });
      port.postMessage({ id, start, end } satisfies RangeRequest);
    });
}

/** The bytes of a row's audio, or the path of its file, from a struct or from a plain column. */
function audioOf(value: unknown): { bytes?: Uint8Array; path?: string } {
  if (value instanceof Uint8Array) return { bytes: value };
  if (typeof value === 'string') return { path: value };
  const { bytes, path } = (value ?? {}) as { bytes?: unknown; path?: unknown };
  return {
    ...(bytes instanceof Uint8Array && { bytes }),
    ...(typeof path === 'string' && path !== '' && { path }),
  };
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Uint8Array ? strictText(value) : value;
}

async function decode(job: ParquetJob): Promise<ParquetReply> {
  const { metadata, size, rowStart, rowEnd, columns, audio } = job;
  const slice = askFor(job.port);
  const found = await parquetReadObjects({
    file: { byteLength: size, slice: (start, end = size) => slice(start, end) },
    metadata,
    columns,
    rowStart,
    rowEnd,
    useOffsetIndex: true,
    utf8: false,
    compressors,
    parsers: { stringFromBytes: (bytes) => bytes && strictText(bytes) },
  });
  if (found.length !== rowEnd - rowStart)
    throw new Error(`${rowEnd - rowStart} rows are promised, ${found.length} are there`);
  const clips = found.map((row) => audioOf(row[audio]));
  const bytes = new Uint8Array(clips.reduce((sum, clip) => sum + (clip.bytes?.length ?? 0), 0));
  let end = 0;
  const rows = found.map((row, i) => {
    const clip = clips[i]!;
    const start = end;
    if (clip.bytes) bytes.set(clip.bytes, start);
    end += clip.bytes?.length ?? 0;
    const values: Record<string, unknown> = {};
    for (const column of columns) if (column !== audio) values[column] = plain(row[column]);
    const reference = clip.bytes ? { start, end } : clip.path === undefined ? undefined : { path: clip.path };
    return { audio: reference, name: clip.path, values };
  });
  return { bytes: bytes.buffer, rows };
}

/** The task piscina runs: the audio's memory is moved to the caller. */
export default async function task(job: ParquetJob): Promise<unknown> {
  try {
    const reply = await decode(job);
    return move({ [transferableSymbol]: [reply.bytes], [valueSymbol]: reply } as never);
  } finally {
    job.port.close();
  }
}
