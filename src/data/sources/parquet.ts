// Parquet files of Hugging Face datasets: compressed audio and text in row groups, of which one is in memory at a time,
// and the next one on its way. Format: parquet.apache.org/docs/file-format
import { type FileMetaData, parquetMetadataAsync } from 'hyparquet';
import { WhisperError } from '../../errors.js';
import type { RandomAccessFile } from '../../files/random-access.js';
import { mapInOrder } from '../ahead.js';
import { type AudioReference, type Cursor, cursorError, type Positioned, type Source } from '../dataset.js';
import { type Columns, selectionOf, textsOf } from './columns.js';
import { type DataFiles, folderOf, nameOf } from './files.js';
import type { Format } from './format.js';
import { type ParquetColumns, parquetColumns } from './parquet-columns.js';
import { type Piece, piecesOf } from './parquet-pieces.js';
import { decodeRows } from './parquet-pool.js';
import type { ParquetReply } from './parquet-worker.js';
import { findShards, joinShards } from './shards.js';

type Place = { rowGroup: number; row: number };

interface Footer {
  metadata: FileMetaData;
  columns: ParquetColumns;
}

function noParquet(name: string, cause: unknown): WhisperError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new WhisperError('ERR_DATA', `${name} is no parquet file: ${reason}`, { cause });
}

async function readFooter(file: RandomAccessFile, wanted: Columns): Promise<Footer> {
  if (file.size < 12) throw noParquet(file.name, new Error(`it has only ${file.size} bytes`));
  let unread: unknown;
  const slice = async (start: number, end = file.size): Promise<ArrayBuffer> => {
    const bytes = await file.read(start, end).catch((error) => {
      unread = error;
      throw error;
    });
    return bytes.slice().buffer;
  };
  try {
    const metadata = await parquetMetadataAsync({ byteLength: file.size, slice }, { geoparquet: false });
    const columns = parquetColumns(file.name, metadata, wanted);
    return { metadata: onlyColumns(metadata, columns.read), columns };
  } catch (cause) {
    if (unread || cause instanceof WhisperError) throw unread ?? cause;
    throw noParquet(file.name, cause);
  }
}

/** What is needed to read these columns: a footer has statistics of every column of every row group. */
function onlyColumns(metadata: FileMetaData, columns: readonly string[]): FileMetaData {
  const row_groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.flatMap(({ meta_data: meta, ...chunk }) => {
      if (!meta || !columns.includes(meta.path_in_schema[0]!)) return [];
      const { statistics: _, ...kept } = meta;
      return [{ ...chunk, meta_data: kept }];
    }),
  }));
  return { ...metadata, row_groups, key_value_metadata: [] };
}

/**
 * A source of the rows of one file.
 *
 * @throws while reading, WhisperError ERR_DATA naming the file (and the row group, where one is damaged), or the columns
 *   there are
 */
export function parquetSource(files: DataFiles, path: string, wanted: Columns): Source {
  const name = files.describe(path);
  let footer: Promise<Footer> | undefined;
  const footerOf = (file: RandomAccessFile): Promise<Footer> => {
    footer ??= readFooter(file, wanted);
    // What could not be read may be there at the next try.
    footer.catch(() => {
      footer = undefined;
    });
    return footer;
  };

  const audioOf = (
    where: string,
    reply: ParquetReply,
    i: number,
  ): AudioReference | Promise<AudioReference> => {
    const { audio } = reply.rows[i]!;
    if (!audio) throw new WhisperError('ERR_DATA', `${where} has no audio`);
    // A copy: a row that is kept must not keep the audio of its whole row group.
    if ('start' in audio) return { bytes: new Uint8Array(reply.bytes.slice(audio.start, audio.end)) };
    const beside = files.resolve(folderOf(path), audio.path);
    if (beside !== undefined) return files.audio(beside);
    throw new WhisperError(
      'ERR_DATA',
      `${where}: the path ${JSON.stringify(audio.path)} leaves the data set's folder ${files.name}`,
    );
  };

  const inGroup = (cause: unknown, rowGroup: number): WhisperError => {
    if (cause instanceof WhisperError) return cause;
    const { message } = cause as Error;
    return new WhisperError('ERR_DATA', `${name}: row group ${rowGroup} cannot be read: ${message}`, {
      cause,
    });
  };

  const piecesIn = (file: RandomAccessFile, { metadata }: Footer, rowGroup: number): Promise<Piece[]> => {
    const group = metadata.row_groups[rowGroup];
    if (!group) throw cursorError(name, `it has no row group ${rowGroup}`);
    return piecesOf(file, group, rowGroup).catch((cause) => {
      throw inGroup(cause, rowGroup);
    });
  };

  const decode = async (file: RandomAccessFile, { metadata, columns }: Footer, piece: Piece) => {
    const group = metadata.row_groups[piece.rowGroup]!;
    const job = {
      metadata: { ...metadata, row_groups: [group] },
      rowStart: piece.from,
      rowEnd: piece.to,
      columns: columns.read,
      audio: columns.audio,
    };
    const reply = await decodeRows(file, job).catch((cause) => {
      throw inGroup(cause, piece.rowGroup);
    });
    return async (row: number): Promise<Positioned> => {
      const i = row - piece.from;
      const { rowGroup } = piece;
      const { name: clip, values } = reply.rows[i]!;
      const where = `${nameOf(path)}:${rowGroup}:${row}`;
      const value = (column: string): unknown => {
        const content = values[column];
        return typeof content === 'number' ? (columns.labels.get(column)?.[content] ?? content) : content;
      };
      const texts = textsOf(`${name}: row ${row} of row group ${rowGroup}`, columns.texts, value);
      const audio = await audioOf(`${name}: row ${row} of row group ${rowGroup}`, reply, i);
      const next =
        row + 1 < metadataRows(metadata, rowGroup)
          ? { rowGroup, row: row + 1 }
          : { rowGroup: rowGroup + 1, row: 0 };
      return { row: { id: clip ? `${where} ${clip}` : where, audio, ...texts }, at: { rowGroup, row }, next };
    };
  };

  const placeOf = ({ metadata }: Footer, cursor: Cursor): Place => {
    const { rowGroup, row } = (cursor ?? {}) as Partial<Place>;
    const groups = metadata.row_groups.length;
    const fits =
      Number.isSafeInteger(rowGroup) &&
      Number.isSafeInteger(row) &&
      rowGroup! >= 0 &&
      row! >= 0 &&
      (rowGroup === groups ? row === 0 : row! < metadataRows(metadata, rowGroup!));
    if (fits) return { rowGroup: rowGroup!, row: row! };
    throw cursorError(name, `it has no row ${JSON.stringify(cursor)}`);
  };

  async function using<T>(use: (file: RandomAccessFile, footer: Footer) => Promise<T>): Promise<T> {
    const file = await files.open(path);
    try {
      return await use(file, await footerOf(file));
    } finally {
      await file.close();
    }
  }

  return {
    name,
    ...(files.version !== undefined && { version: files.version }),
    ...selectionOf(wanted),
    async *open(cursor) {
      const file = await files.open(path);
      try {
        const footer = await footerOf(file);
        const { row_groups: groups } = footer.metadata;
        const start = cursor == null ? { rowGroup: 0, row: 0 } : placeOf(footer, cursor);
        async function* pieces(): AsyncGenerator<Piece, void, void> {
          for (let g = start.rowGroup; g < groups.length; g++) {
            const all = await piecesIn(file, footer, g);
            yield* g === start.rowGroup ? all.filter(({ to }) => to > start.row) : all;
          }
        }
        const decoded = mapInOrder(pieces(), 1, async (piece) => ({
          piece,
          rowOf: await decode(file, footer, piece),
        }));
        for await (const { piece, rowOf } of decoded) {
          const from = piece.rowGroup === start.rowGroup ? Math.max(piece.from, start.row) : piece.from;
          for (let row = from; row < piece.to; row++) yield await rowOf(row);
        }
      } finally {
        await file.close();
      }
    },
    rowsAt: (cursors) =>
      using(async (file, footer) => {
        const rows: Positioned[] = [];
        const places = cursors.map((cursor) => placeOf(footer, cursor));
        for (const rowGroup of new Set(places.map((place) => place.rowGroup))) {
          for (const piece of await piecesIn(file, footer, rowGroup)) {
            const mine = places.flatMap((place, i) =>
              place.rowGroup === rowGroup && place.row >= piece.from && place.row < piece.to ? [i] : [],
            );
            if (mine.length === 0) continue;
            const rowOf = await decode(file, footer, piece);
            for (const i of mine) rows[i] = await rowOf(places[i]!.row);
          }
        }
        return rows;
      }),
    seek: (row) =>
      using(async (_, { metadata }) => {
        let left = row;
        let rowGroup = 0;
        for (; left >= metadataRows(metadata, rowGroup) && metadata.row_groups[rowGroup]; rowGroup++)
          left -= metadataRows(metadata, rowGroup);
        if (left > 0 && !metadata.row_groups[rowGroup]) throw cursorError(name, `it has no row ${row}`);
        return { rowGroup, row: left };
      }),
    count: () => using(async (_, { metadata }) => Number(metadata.num_rows)),
  };
}

function metadataRows({ row_groups: groups }: FileMetaData, rowGroup: number): number {
  return Number(groups[rowGroup]?.num_rows ?? 0);
}

/** Reads the footer of a split's first file: a missing column is told of before anything else is done. */
async function checkFirst(files: DataFiles, path: string, columns: Columns): Promise<void> {
  const file = await files.open(path);
  try {
    await readFooter(file, columns);
  } finally {
    await file.close();
  }
}

export const parquet: Format = {
  name: 'parquet files',
  expects: '.parquet files, such as data/train-00000-of-00005.parquet',
  async recognise(place) {
    const { files, file } = place;
    if (file !== undefined && !file.endsWith('.parquet')) return undefined;
    const shards = file === undefined ? await findShards(place, ['parquet']) : new Map([['train', [file]]]);
    if (!shards) return undefined;
    return new Map(
      [...shards].map(([split, paths]) => [
        split,
        async (columns) => {
          await checkFirst(files, paths[0]!, columns);
          return joinShards(
            files,
            split,
            paths.map((path) => parquetSource(files, path, columns)),
          );
        },
      ]),
    );
  },
};
