// Files of torch.save: PyTorch's own, ours, and what is refused.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWhole } from '../../src/files/binary.js';
import { Global, Tuple } from '../../src/files/pickle.js';
import { Call, Persistent, pickle } from '../../src/files/pickle-writer.js';
import { MemoryTensor, StoredTensor } from '../../src/files/tensor.js';
import { TorchFile, writeTorchFile } from '../../src/files/torch-file.js';
import { ZipWriter } from '../../src/files/zip-writer.js';

const golden = (name: string) => fileURLToPath(new URL(`../golden/optimizer/${name}`, import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-torch-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Values with the tensors in them read. */
async function resolve(value: unknown): Promise<unknown> {
  if (value instanceof StoredTensor)
    return { type: value.type, shape: value.shape, data: await value.read() };
  if (value instanceof Tuple) return new Tuple(await Promise.all(value.items.map(resolve)));
  if (Array.isArray(value)) return Promise.all(value.map(resolve));
  if (!(value instanceof Map)) return value;
  return new Map(
    await Promise.all([...value].map(async ([key, item]) => [key, await resolve(item)] as const)),
  );
}

async function content(path: string): Promise<unknown> {
  const file = await TorchFile.open(path);
  try {
    return await resolve(file.content);
  } finally {
    await file.close();
  }
}

/** An archive as torch.save makes one, of any pickle and storages. */
async function archive(name: string, value: unknown, storages: Record<string, Uint8Array>): Promise<string> {
  const path = join(folder, name);
  await writeWhole(path, async (sink) => {
    const zip = new ZipWriter(sink);
    const add = (entry: string, bytes: Uint8Array) => zip.add(`archive/${entry}`, bytes.length, [bytes]);
    await add('data.pkl', Buffer.isBuffer(value) ? value : pickle(value, () => undefined));
    for (const [entry, bytes] of Object.entries(storages)) await add(entry, bytes);
    await zip.finish();
  });
  return path;
}

const storage = (elements = 6n, key = '0', type = 'torch.FloatStorage') =>
  new Persistent(['storage', new Global(type), key, 'cuda:0', elements]);
const hooks = new Call(new Global('collections.OrderedDict'), []);
const rebuild = new Global('torch._utils._rebuild_tensor_v2');
const tensor = (of: unknown, offset: bigint, shape: bigint[], strides: bigint[], ...more: unknown[]) =>
  new Call(rebuild, [of, offset, new Tuple(shape), new Tuple(strides), false, hooks, ...more]);
const six = Float32Array.of(1, 2, 3, 4, 5, 6);
const bytes = new Uint8Array(six.buffer);
const file = { 'data/0': bytes };

describe('a file of torch.save', () => {
  it('is read with all its tensors', async () => {
    const adamw = (await content(golden('adamw_torch.pt'))) as Map<string, Map<bigint, Map<string, unknown>>>;
    expect([...adamw.keys()]).toEqual(['state', 'param_groups']);
    const first = adamw.get('state')!.get(0n)!;
    expect(first.get('step')).toEqual({
      type: 'F32',
      shape: [],
      data: new Uint8Array(Float32Array.of(2).buffer),
    });
    expect(first.get('exp_avg')).toMatchObject({ type: 'F32', shape: [8, 4, 3] });
    const groups = adamw.get('param_groups') as unknown as Map<string, unknown>[];
    expect(groups[0]!.get('betas')).toEqual(Tuple.of(0.9, 0.98));
    expect(groups[0]!.get('fused')).toBe(true);
    expect(groups[1]!.get('weight_decay')).toBe(0);
  });

  it('comes back from being written', async () => {
    for (const name of ['adamw_torch.pt', 'adamw_bnb_8bit.pt', 'sgd.pt']) {
      const original = await TorchFile.open(golden(name));
      await writeTorchFile(join(folder, 'again.pt'), original.content);
      expect(await content(join(folder, 'again.pt'))).toEqual(await content(golden(name)));
      await original.close();
    }
  });

  it('may have tensors that are parts of a storage, and empty ones', async () => {
    const value = [
      tensor(storage(), 0n, [2n, 3n], [3n, 1n]),
      tensor(storage(), 2n, [1n, 3n], [17n, 1n]),
      tensor(storage(), 6n, [0n, 3n], [1n, 1n], null),
      tensor(storage(), 5n, [], []),
    ];
    const read = (await content(await archive('parts.pt', value, file))) as { data: Uint8Array }[];
    expect(read.map(({ data }) => [...new Float32Array(data.buffer)])).toEqual([
      [...six],
      [3, 4, 5],
      [],
      [6],
    ]);
  });

  it('keeps what two tensors share', async () => {
    const shared = new MemoryTensor('F32', [6], six);
    const path = join(folder, 'shared.pt');
    await writeTorchFile(path, [shared, shared, new MemoryTensor('F32', [6], six)]);
    const read = await TorchFile.open(path);
    const [a, b, c] = read.content as StoredTensor[];
    expect(a).toBe(b);
    expect(a).not.toBe(c);
    expect(readFileSync(path, 'latin1').match(/shared\/data\/\d/g)).toHaveLength(4);
    await read.close();
  });
});

describe('what is refused', () => {
  const withAttributes = (...args: unknown[]) =>
    new Call(new Global('torch._tensor._rebuild_from_type_v2'), args);

  it.each<[string, () => unknown, RegExp]>([
    [
      'a tensor that leaves its storage',
      () => tensor(storage(), 4n, [3n], [1n]),
      /leaves its storage archive\/data\/0/,
    ],
    [
      'an enormous tensor',
      () => tensor(storage(), 0n, [1n << 40n, 1n << 40n], [1n << 40n, 1n]),
      /leaves its storage/,
    ],
    ['an impossible shape', () => tensor(storage(), 0n, [1n << 60n], [1n]), /a tensor has no shape/],
    ['a negative shape', () => tensor(storage(), 0n, [-1n], [1n]), /a tensor has no shape/],
    ['a negative offset', () => tensor(storage(), -1n, [1n], [1n]), /not as torch writes it/],
    [
      'a transposed tensor',
      () => tensor(storage(), 0n, [2n, 3n], [1n, 2n]),
      /shape \[2,3\] is not row-major/,
    ],
    ['strides of another rank', () => tensor(storage(), 0n, [6n], [6n, 1n]), /not row-major/],
    [
      'a tensor with metadata',
      () => tensor(storage(), 0n, [6n], [1n], new Map([['conj', true]])),
      /hooks or metadata/,
    ],
    ['a tensor of no storage', () => tensor(1n, 0n, [6n], [1n]), /not as torch writes it/],
    [
      'a storage that is not there',
      () => tensor(storage(6n, '7'), 0n, [6n], [1n]),
      /archive\/data\/7 is missing/,
    ],
    [
      'a storage elsewhere',
      () => tensor(storage(6n, '../data.pkl'), 0n, [6n], [1n]),
      /data\/\.\.\/data\.pkl is missing/,
    ],
    [
      'a storage of another length',
      () => tensor(storage(7n), 0n, [6n], [1n]),
      /has 24 bytes, expected 7 elements of F32/,
    ],
    [
      'a storage of two types',
      () => [storage(), storage(6n, '0', 'torch.IntStorage')],
      /archive\/data\/0 is F32 and I32/,
    ],
    [
      'a persistent id of something else',
      () => new Persistent(['module', 'x']),
      /refers to what is no storage/,
    ],
    [
      'an OrderedDict of something',
      () => new Call(new Global('collections.OrderedDict'), [[]]),
      /made of something/,
    ],
    [
      'something else with attributes',
      () =>
        withAttributes(
          new Global('collections.OrderedDict'),
          new Global('torch.Tensor'),
          new Tuple([]),
          new Map(),
        ),
      /rebuilds something else than a tensor/,
    ],
    [
      'a module',
      () => new Global('torch.nn.modules.linear.Linear'),
      /it names "torch\.nn\.modules\.linear\.Linear"/,
    ],
  ])('%s', async (_, value, message) => {
    const path = await archive('refused.pt', value(), file);
    await expect(TorchFile.open(path)).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: expect.stringMatching(message),
    });
  });

  it('a command, by its name', async () => {
    await expect(TorchFile.open(golden('command.pt'))).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: expect.stringMatching(
        /command\.pt: data\.pkl, byte \d+: it names "posix\.system", which has no place/,
      ),
    });
  });

  it.each([
    ['the other byte order', { byteorder: Buffer.from('big') }, /its byte order is big, expected little$/],
    ['no data.pkl', undefined, /no file of torch\.save: it has no data\.pkl$/],
  ])('a file of %s', async (_, entries, message) => {
    const path = entries
      ? await archive('order.pt', [], entries)
      : await write('none.pt', (zip) => zip.add('a/b/data.pkl', 0, []));
    await expect(TorchFile.open(path)).rejects.toMatchObject({ message: expect.stringMatching(message) });
  });

  it('a storage whose bytes have changed, when it is read, whole or in part', async () => {
    const value = [tensor(storage(), 0n, [6n], [1n]), tensor(storage(), 1n, [2n], [1n])];
    const path = await archive('changed.pt', value, file);
    const damaged = readFileSync(path);
    damaged[damaged.indexOf(bytes)]! ^= 1;
    writeFileSync(path, damaged);
    const read = await TorchFile.open(path);
    for (const tensor of read.content as StoredTensor[]) {
      await expect(tensor.read()).rejects.toMatchObject({
        message: expect.stringMatching(/data\/0: its checksum is/),
      });
    }
    await read.close();
  });

  async function write(name: string, fill: (zip: ZipWriter) => Promise<void>): Promise<string> {
    const path = join(folder, name);
    await writeWhole(path, async (sink) => {
      const zip = new ZipWriter(sink);
      await fill(zip);
      await zip.finish();
    });
    return path;
  }
});
