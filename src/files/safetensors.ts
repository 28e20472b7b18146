// Files of named tensors (https://github.com/huggingface/safetensors, README "Format"), for conversions: an 8-byte
// little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, then the bytes.
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { BinaryFile, writeWhole } from './binary.js';
import { firstIssue } from './json.js';
import { ELEMENT_BYTES, type ElementType, elementsOf, StoredTensor } from './tensor.js';

/** What the reference implementation (safetensors/src/tensor.rs: MAX_HEADER_SIZE) allows. */
const LONGEST_HEADER = 100_000_000;

const count = z.int().nonnegative();
const entrySchema = z.strictObject({
  dtype: z.enum(Object.keys(ELEMENT_BYTES) as [ElementType, ...ElementType[]]),
  shape: z.array(count),
  data_offsets: z.tuple([count, count]),
});
const metadataSchema = z.record(z.string(), z.string());

class SafetensorsTensor extends StoredTensor {
  readonly #file: BinaryFile;
  readonly #at: number;

  constructor(type: ElementType, shape: readonly number[], file: BinaryFile, at: number) {
    super(type, shape);
    this.#file = file;
    this.#at = at;
  }

  pieces(): AsyncGenerator<Uint8Array> {
    return this.#file.pieces(this.#at, this.bytes);
  }
}

/** A safetensors file open for reading. */
export class SafetensorsFile {
  readonly path: string;
  /** By name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #file: BinaryFile;

  private constructor(
    file: BinaryFile,
    tensors: ReadonlyMap<string, StoredTensor>,
    metadata: Readonly<Record<string, string>>,
  ) {
    this.path = file.path;
    this.tensors = tensors;
    this.metadata = metadata;
    this.#file = file;
  }

  /**
   * Opens a file and checks its whole header: names, types, and tensors that follow each other without a gap to the end.
   *
   * @throws WhisperError `ERR_FILE` when it cannot be read, `ERR_CORRUPT_FILE` naming the file and the tensor otherwise
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await BinaryFile.open(path);
    try {
      const { header, data } = await readHeader(file);
      const { __metadata__: metadata, ...entries } = header;
      return new SafetensorsFile(
        file,
        checkEntries(file, entries, data),
        metadata === undefined ? {} : parsed(metadataSchema, metadata, `${path}: __metadata__`),
      );
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The tensor of that name; undefined when there is none. */
  find(name: string): StoredTensor | undefined {
    return this.tensors.get(name);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function readHeader(file: BinaryFile): Promise<{ header: Record<string, unknown>; data: number }> {
  const wrong = (what: string) => new WhisperError('ERR_CORRUPT_FILE', `${file.path}: ${what}`);
  if (file.bytes < 10) throw wrong(`${file.bytes} bytes are too few for a safetensors file`);
  const length = (await file.read(0, 8)).readBigUInt64LE();
  if (length > LONGEST_HEADER)
    throw wrong(`a header of ${length} bytes; at most ${LONGEST_HEADER} are allowed`);
  const data = 8 + Number(length);
  if (data > file.bytes) throw wrong(`a header of ${length} bytes in a file of ${file.bytes}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await file.read(8, Number(length))));
  } catch (cause) {
    if (cause instanceof WhisperError) throw cause;
    throw new WhisperError('ERR_CORRUPT_FILE', `${file.path}: the header is not JSON in UTF-8`, { cause });
  }
  return { header: parsed(z.record(z.string(), z.unknown()), header, `${file.path}: header`), data };
}

function checkEntries(
  file: BinaryFile,
  entries: Record<string, unknown>,
  data: number,
): Map<string, StoredTensor> {
  const listed = Object.entries(entries).map(([name, entry]) => {
    const { dtype, shape, data_offsets } = parsed(entrySchema, entry, `${file.path}: tensor ${name}`);
    return { name, dtype, shape, begin: data_offsets[0], end: data_offsets[1] };
  });
  listed.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors = new Map<string, StoredTensor>();
  let at = 0;
  for (const { name, dtype, shape, begin, end } of listed) {
    const wrong = (what: string) =>
      new WhisperError('ERR_CORRUPT_FILE', `${file.path}: tensor ${name}: ${what}`);
    if (begin !== at) throw wrong(`begins at byte ${begin}, the tensor before it ends at ${at}`);
    const bytes = elementsOf(shape) * ELEMENT_BYTES[dtype];
    if (bytes !== end - begin)
      throw wrong(`its shape needs ${bytes} bytes, data_offsets give ${end - begin}`);
    tensors.set(name, new SafetensorsTensor(dtype, shape, file, data + begin));
    at = end;
  }
  if (data + at !== file.bytes) {
    throw new WhisperError(
      'ERR_CORRUPT_FILE',
      `${file.path}: ${file.bytes - data} bytes of data, the tensors end at ${at}`,
    );
  }
  return tensors;
}

function parsed<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new WhisperError('ERR_CORRUPT_FILE', `${where}: ${firstIssue(result.error, value)}`);
  }
  return result.data;
}

/**
 * Writes tensors in the order given, one in memory at a time and that by pieces; byte for byte what the engine writes.
 *
 * @throws WhisperError as `writeWhole`, or what reading a tensor throws
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  const header: Record<string, unknown> = {};
  const notes = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (notes.length > 0) header.__metadata__ = Object.fromEntries(notes);
  let at = 0;
  for (const [name, { type, shape, bytes }] of tensors) {
    header[name] = { dtype: type, shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  // Spaces, so that the tensors are aligned for whoever maps the file.
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  await writeWhole(
    path,
    async (sink) => {
      await sink.write(length);
      await sink.write(padded);
      for (const [name, tensor] of tensors) {
        const begin = sink.position;
        for await (const piece of tensor.pieces()) await sink.write(piece);
        const written = sink.position - begin;
        if (written !== tensor.bytes)
          throw new RangeError(`${name}: ${written} bytes, expected ${tensor.bytes}`);
      }
    },
    signal,
  );
}
