// Files of torch.save without Python: a zip archive of one pickle and of the bytes of every tensor's storage
// (torch/serialization.py: _save, _load; torch/_utils.py: _rebuild_tensor_v2).
import { basename, extname } from 'node:path';
import { WhisperError } from '../errors.js';
import { BinaryFile, writeWhole } from './binary.js';
import { Global, Refusal, Tuple, unpickle, type Vocabulary } from './pickle.js';
import { Call, Persistent, pickle } from './pickle-writer.js';
import { ELEMENT_BYTES, type ElementType, elementsOf, StoredTensor } from './tensor.js';
import { ZipArchive } from './zip.js';
import { ZipWriter } from './zip-writer.js';

/** The storage classes of torch and what their elements are. */
const STORAGES: Readonly<Record<string, ElementType>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};
const REBUILD = new Global('torch._utils._rebuild_tensor_v2');
const ORDERED_DICT = new Global('collections.OrderedDict');
/** A tensor that somebody gave attributes, as bitsandbytes does with those that it pages: a call of a call. */
const REBUILD_WITH_ATTRIBUTES = 'torch._tensor._rebuild_from_type_v2';

/** The bytes of a storage in the archive. */
class Storage {
  readonly type: ElementType;
  readonly entry: string;
  readonly archive: ZipArchive;
  #verified: Promise<void> | undefined;

  constructor(type: ElementType, entry: string, archive: ZipArchive) {
    this.type = type;
    this.entry = entry;
    this.archive = archive;
  }

  get bytes(): number {
    return this.archive.bytesOf(this.entry)!;
  }

  /** Reads all of it once, for the checksum. */
  verify(): Promise<void> {
    const read = async (): Promise<void> => {
      for await (const _ of this.archive.pieces(this.entry));
    };
    this.#verified ??= read();
    return this.#verified;
  }
}

/** A tensor of a torch file: a storage, or a part of one. */
class TorchTensor extends StoredTensor {
  readonly #storage: Storage;
  /** Where in the storage it begins, in bytes. */
  readonly #from: number;

  constructor(storage: Storage, offset: number, shape: readonly number[]) {
    super(storage.type, shape);
    this.#storage = storage;
    this.#from = offset * ELEMENT_BYTES[storage.type];
    if (this.#from + this.bytes > storage.bytes) {
      throw new Refusal(
        `a tensor of shape [${shape}] from element ${offset} leaves its storage ${storage.entry}`,
      );
    }
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    const { archive, entry, bytes } = this.#storage;
    if (this.bytes === bytes) {
      yield* archive.pieces(entry);
    } else {
      await this.#storage.verify();
      yield* archive.part(entry, this.#from, this.bytes);
    }
  }
}

/** A file of torch.save open for reading. */
export class TorchFile {
  readonly path: string;
  /** What was saved, as `unpickle` has it; tensors are `StoredTensor`s. */
  readonly content: unknown;
  readonly #file: BinaryFile;

  private constructor(file: BinaryFile, content: unknown) {
    this.path = file.path;
    this.content = content;
    this.#file = file;
  }

  /**
   * Reads everything but the tensors' bytes.
   *
   * @throws WhisperError `ERR_FILE` when the file cannot be read; `ERR_CORRUPT_FILE` for what torch 1.6 or later did not
   *   write, and for whatever is no container, number, text or dense tensor
   */
  static async open(path: string): Promise<TorchFile> {
    const file = await BinaryFile.open(path);
    try {
      const archive = await ZipArchive.open(file);
      const root = rootOf(archive, path);
      if (archive.bytesOf(`${root}/byteorder`) !== undefined) {
        const order = (await archive.read(`${root}/byteorder`)).toString();
        if (order !== 'little') {
          throw new WhisperError('ERR_CORRUPT_FILE', `${path}: its byte order is ${order}, expected little`);
        }
      }
      const bytes = await archive.read(`${root}/data.pkl`);
      return new TorchFile(file, unpickle(bytes, `${path}: data.pkl`, vocabulary(archive, root)));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** The folder of the archive that everything is in: torch names it after the file. */
function rootOf(archive: ZipArchive, path: string): string {
  for (const name of archive.names) {
    if (/^[^/]+\/data\.pkl$/.test(name)) return name.slice(0, -'/data.pkl'.length);
  }
  throw new WhisperError('ERR_CORRUPT_FILE', `${path}: no file of torch.save: it has no data.pkl`);
}

function vocabulary(archive: ZipArchive, root: string): Vocabulary {
  const storages = new Map<string, Storage>();
  return {
    globals: new Map<string, ((args: readonly unknown[]) => unknown) | undefined>([
      ...Object.keys(STORAGES).map((name) => [name, undefined] as const),
      ['torch.Tensor', undefined],
      [REBUILD.name, rebuildTensor],
      [REBUILD_WITH_ATTRIBUTES, withoutAttributes],
      [ORDERED_DICT.name, emptyDict],
    ]),
    // ('storage', class, key, device, number of elements)
    persistent: (id) => {
      const [kind, storage, key, , elements] = id instanceof Tuple ? id.items : [];
      const type = storage instanceof Global ? STORAGES[storage.name] : undefined;
      if (kind !== 'storage' || !type || typeof key !== 'string' || typeof elements !== 'bigint') {
        throw new Refusal('it refers to what is no storage');
      }
      const entry = `${root}/data/${key}`;
      const bytes = archive.bytesOf(entry);
      if (bytes === undefined) throw new Refusal(`the storage ${entry} is missing`);
      if (BigInt(bytes) !== elements * BigInt(ELEMENT_BYTES[type])) {
        throw new Refusal(
          `the storage ${entry} has ${bytes} bytes, expected ${elements} elements of ${type}`,
        );
      }
      const known = storages.get(entry) ?? new Storage(type, entry, archive);
      if (known.type !== type) throw new Refusal(`the storage ${entry} is ${known.type} and ${type}`);
      storages.set(entry, known);
      return known;
    },
  };
}

/** storage, offset, shape, strides, requires_grad, backward_hooks, and in newer files metadata; all counted in elements */
function rebuildTensor(args: readonly unknown[]): StoredTensor {
  const [storage, offset, shape, strides, , hooks, metadata] = args;
  if (!(storage instanceof Storage) || typeof offset !== 'bigint' || offset < 0n || args.length > 7) {
    throw new Refusal('a tensor is not as torch writes it');
  }
  if (!(hooks instanceof Map) || hooks.size > 0 || (metadata ?? null) !== null) {
    throw new Refusal('a tensor has hooks or metadata');
  }
  const lengths = wholeNumbers(shape);
  if (!isRowMajor(lengths, wholeNumbers(strides))) {
    throw new Refusal(`a tensor of shape [${lengths}] is not row-major`);
  }
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal('a tensor lies beyond its storage');
  return new TorchTensor(storage, Number(offset), lengths);
}

/** Whether elements follow each other; where a length is 1, or the tensor empty, a stride means nothing. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.length !== strides.length) return false;
  if (elementsOf(shape) === 0) return true;
  return shape.every((length, i) => length === 1 || strides[i] === elementsOf(shape.slice(i + 1)));
}

function wholeNumbers(tuple: unknown): number[] {
  const items = tuple instanceof Tuple ? tuple.items : [undefined];
  if (!items.every((item) => typeof item === 'bigint' && item >= 0n && item <= 1n << 48n)) {
    throw new Refusal('a tensor has no shape');
  }
  return items.map(Number);
}

/** function, class, its arguments, attributes */
function withoutAttributes([callee, type, args, attributes]: readonly unknown[]): StoredTensor {
  const plain = callee instanceof Global && callee.name === REBUILD.name;
  const tensor = type instanceof Global && type.name === 'torch.Tensor';
  if (!plain || !tensor || !(args instanceof Tuple) || !(attributes instanceof Map)) {
    throw new Refusal('it rebuilds something else than a tensor');
  }
  return rebuildTensor(args.items);
}

function emptyDict(args: readonly unknown[]): Map<unknown, unknown> {
  if (args.length > 0) throw new Refusal('an OrderedDict is made of something');
  return new Map();
}

/**
 * Writes what torch.load reads (with `weights_only=True` too): any value of `pickle`, with `StoredTensor`s in it, which are
 * read one after the other. A tensor that occurs twice is one tensor in Python, with one storage.
 *
 * @throws WhisperError as `writeWhole`, or what reading a tensor throws
 */
export async function writeTorchFile(path: string, content: unknown, signal?: AbortSignal): Promise<void> {
  const calls = new Map<StoredTensor, Call>();
  const bytes = pickle(content, (value) => {
    if (!(value instanceof StoredTensor)) return undefined;
    const call = calls.get(value) ?? tensorCall(value, String(calls.size));
    calls.set(value, call);
    return call;
  });
  const root = basename(path, extname(path));
  await writeWhole(
    path,
    async (sink) => {
      const archive = new ZipWriter(sink);
      const add = (name: string, content: Uint8Array) =>
        archive.add(`${root}/${name}`, content.length, [content]);
      await add('data.pkl', bytes);
      await add('byteorder', Buffer.from('little'));
      let key = 0;
      for (const tensor of calls.keys())
        await archive.add(`${root}/data/${key++}`, tensor.bytes, tensor.pieces());
      await add('version', Buffer.from('3\n'));
      await archive.finish();
    },
    signal,
  );
}

const storageClasses = new Map(Object.entries(STORAGES).map(([name, type]) => [type, new Global(name)]));

function tensorCall({ type, shape, elements }: StoredTensor, key: string): Call {
  const storage = storageClasses.get(type);
  if (!storage) throw new TypeError(`torch has no storage class for ${type}`);
  const sizes = shape.map(BigInt);
  const strides = shape.map((_, i) => BigInt(elementsOf(shape.slice(i + 1))));
  return new Call(REBUILD, [
    new Persistent(['storage', storage, key, 'cpu', BigInt(elements)]),
    0n,
    new Tuple(sizes),
    new Tuple(strides),
    false,
    new Call(ORDERED_DICT, []),
  ]);
}
