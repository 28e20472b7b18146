// How much of a row group is decoded at once: all of it, or, where it is large and its pages are indexed, some pages.
import { type ColumnChunk, type RowGroup, readOffsetIndex } from 'hyparquet';
import { WhisperError } from '../../errors.js';
import type { RandomAccessFile } from '../../files/random-access.js';

/** A row group larger than this is read in pieces of this size, where the file has an index of its pages. */
const pieceBytes = 16 * 1024 * 1024;
/** What has to be read whole may not be larger. */
const largestPiece = 1024 ** 3;

/** Rows of a row group that are decoded at once. */
export interface Piece {
  rowGroup: number;
  from: number;
  to: number;
}

function bytesOf({ meta_data: meta }: ColumnChunk): number {
  return Number(meta!.total_uncompressed_size);
}

/** The bytes of a column's dictionary, which is read for every piece. */
function dictionaryBytes({ meta_data: meta }: ColumnChunk): number {
  const start = meta!.dictionary_page_offset;
  return start === undefined ? 0 : Math.max(0, Number(meta!.data_page_offset - start));
}

/** The first row of each page of a column, and the bytes of the page; undefined where nothing says so. */
async function pagesOf(file: RandomAccessFile, chunk: ColumnChunk) {
  const { offset_index_offset: offset, offset_index_length: length } = chunk;
  if (!offset || !length) return undefined;
  const bytes = await file.read(Number(offset), Number(offset) + length);
  const { page_locations: pages } = readOffsetIndex({
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    offset: 0,
  });
  return pages.map((page) => ({ row: Number(page.first_row_index), bytes: page.compressed_page_size }));
}

/** The rows at which pieces begin. */
async function startsOf(
  file: RandomAccessFile,
  group: RowGroup,
  bytes: number,
  most: number,
): Promise<number[]> {
  if (bytes <= most) return [0];
  const indexed = group.columns.every((chunk) => chunk.offset_index_offset && chunk.offset_index_length);
  const largest = group.columns.reduce((a, b) => (bytesOf(a) >= bytesOf(b) ? a : b));
  const pages = indexed && dictionaryBytes(largest) < most ? await pagesOf(file, largest) : undefined;
  const starts = [0];
  let read = 0;
  for (const page of pages ?? []) {
    if (read >= most) starts.push(page.row);
    if (read >= most) read = 0;
    read += page.bytes;
  }
  return starts;
}

/**
 * The rows of a row group in pieces that fit in memory.
 *
 * @param most bytes of a piece, but for those of one page
 * @throws WhisperError ERR_DATA naming the row group, where one cannot be read in pieces and is too large to be read whole
 */
export async function piecesOf(
  file: RandomAccessFile,
  group: RowGroup,
  rowGroup: number,
  most = pieceBytes,
): Promise<Piece[]> {
  const rows = Number(group.num_rows);
  const bytes = group.columns.reduce((sum, chunk) => sum + bytesOf(chunk), 0);
  const starts = await startsOf(file, group, bytes, most);
  if (starts.length === 1 && bytes > largestPiece) {
    const size = (bytes / 1024 ** 3).toFixed(1);
    throw new WhisperError(
      'ERR_DATA',
      `${file.name}: row group ${rowGroup} has ${size} GiB and cannot be read in parts: write it with smaller row groups, of 100 rows`,
    );
  }
  return starts.map((from, i) => ({ rowGroup, from, to: starts[i + 1] ?? rows }));
}
