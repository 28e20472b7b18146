// Files of named tensors: those of Hugging Face's library and of the engine, ours, and what is refused.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SafetensorsFile, writeSafetensors } from '../../src/files/safetensors.js';
import { MemoryTensor, StoredTensor } from '../../src/files/tensor.js';

const golden = fileURLToPath(
  new URL('../golden/safetensors/model-00001-of-00002.safetensors', import.meta.url),
);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-safetensors-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of a header and zeros. */
function file(header: unknown, data = 0): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const path = join(folder, 'file.safetensors');
  writeFileSync(path, Buffer.concat([length, text, Buffer.alloc(data)]));
  return path;
}

describe('a safetensors file', () => {
  it('of the reference library is read', async () => {
    const read = await SafetensorsFile.open(golden);
    expect(read.metadata).toEqual({ format: 'pt' });
    // Element i of the first tensor by name is ((37 i) mod 257 - 128) / 64: see make.py.
    const bias = read.find('model.decoder.embed_positions.weight')!;
    expect(bias).toMatchObject({ type: 'F32', shape: [7, 4] });
    const expected = Float32Array.from({ length: 28 }, (_, i) => (((37 * i) % 257) - 128) / 64);
    expect(await bias.readF32()).toEqual(expected);
    await read.close();
  });

  it('comes back from being written, sorted metadata first, aligned to 8', async () => {
    const path = join(folder, 'own.safetensors');
    const tensors = new Map<string, StoredTensor>([
      ['b', new MemoryTensor('U8', [3], Uint8Array.of(1, 2, 3))],
      ['a', new MemoryTensor('F32', [2, 1], Float32Array.of(1, 2))],
      ['empty', new MemoryTensor('I64', [0], new Uint8Array())],
    ]);
    await writeSafetensors(path, tensors, { step: '2', format: 'pt' });
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(bytes.toString('utf8', 8, 8 + length).trimEnd()).toBe(
      '{"__metadata__":{"format":"pt","step":"2"},"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},' +
        '"a":{"dtype":"F32","shape":[2,1],"data_offsets":[3,11]},"empty":{"dtype":"I64","shape":[0],"data_offsets":[11,11]}}',
    );
    const read = await SafetensorsFile.open(path);
    expect(read.metadata).toEqual({ format: 'pt', step: '2' });
    expect([...read.tensors.keys()]).toEqual(['b', 'a', 'empty']);
    expect([...(await read.find('a')!.readF32())]).toEqual([1, 2]);
    await read.close();
  });

  it('stays as it was where a tensor cannot be read', async () => {
    class Broken extends StoredTensor {
      async *pieces(): AsyncGenerator<Uint8Array> {
        yield Uint8Array.of(1, 2, 3);
      }
    }
    const path = join(folder, 'kept.safetensors');
    writeFileSync(path, 'before');
    const write = writeSafetensors(path, new Map([['a', new Broken('F32', [1])]]), {});
    await expect(write).rejects.toMatchObject({ message: expect.stringContaining('a: 3 bytes, expected 4') });
    expect(readFileSync(path, 'utf8')).toBe('before');
  });
});

describe('what is refused', () => {
  const f32 = (begin: number, end: number, shape = [1]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });

  it.each<[string, () => string, RegExp]>([
    ['nothing', () => file('', 0), /8 bytes are too few for a safetensors file$/],
    ['a header that is no JSON', () => file('{"a":'), /the header is not JSON in UTF-8$/],
    ['a header that is no object', () => file('[1, 2]'), /header: expected/],
    [
      'a header beyond the end',
      () => cut(file({ a: f32(0, 4) }), 30),
      /a header of \d\d bytes in a file of 30$/,
    ],
    ['an unknown type', () => file({ a: { ...f32(0, 4), dtype: 'F3' } }, 4), /tensor a: dtype: .*got "F3"$/],
    ['a negative length', () => file({ a: f32(0, 4, [-1]) }, 4), /tensor a: shape\.0: /],
    ['another key', () => file({ a: { ...f32(0, 4), more: 1 } }, 4), /tensor a: .*more/],
    ['a gap', () => file({ a: f32(4, 8) }, 8), /tensor a: begins at byte 4, the tensor before it ends at 0$/],
    [
      'an overlap',
      () => file({ a: f32(0, 4), b: f32(0, 4) }, 4),
      /tensor b: begins at byte 0, .* ends at 4$/,
    ],
    [
      'another size',
      () => file({ a: f32(0, 4, [2]) }, 4),
      /tensor a: its shape needs 8 bytes, data_offsets give 4$/,
    ],
    ['an enormous shape', () => file({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), /its shape needs/],
    ['too many bytes', () => file({ a: f32(0, 4) }, 5), /5 bytes of data, the tensors end at 4$/],
    ['too few bytes', () => file({ a: f32(0, 4) }, 3), /3 bytes of data, the tensors end at 4$/],
    ['metadata that are no texts', () => file({ __metadata__: { step: 1 } }), /__metadata__: step: /],
  ])('%s', async (_, make, message) => {
    await expect(SafetensorsFile.open(make())).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: expect.stringMatching(message),
    });
  });

  function cut(path: string, bytes: number): string {
    writeFileSync(path, readFileSync(path).subarray(0, bytes));
    return path;
  }
});
