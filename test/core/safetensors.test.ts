// Checkpoints through the engine: one that Hugging Face's safetensors wrote (test/golden/safetensors/make.py), our own,
// and the complaints about those that do not fit.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon, type NativeDims, type NativeModel } from '../../src/native.js';
import { type Header, parse, write } from '../helpers/safetensors.js';

const dims: NativeDims = {
  mels: 5,
  source: 6,
  target: 7,
  width: 4,
  encoderLayers: 1,
  encoderHeads: 2,
  encoderFfn: 8,
  decoderLayers: 1,
  decoderHeads: 2,
  decoderFfn: 8,
  vocab: 9,
  padding: -1,
  start: 0,
};
const shards = [1, 2].map((number) =>
  fileURLToPath(new URL(`../golden/safetensors/model-0000${number}-of-00002.safetensors`, import.meta.url)),
);

/** What make.py put there: see its first lines. */
const expected = (tensor: number, size: number) =>
  Float32Array.from({ length: size }, (_, i) => (((37 * i + 11 * tensor) % 257) - 128) / 64);

describe('a checkpoint', () => {
  let model: NativeModel;
  let folder: string;
  let saved: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'whisper-tune-'));
    saved = join(folder, 'model.safetensors');
    model = await addon().openModel('cpu', dims, 'f32');
    await model.load(shards);
    await model.save(saved, { format: 'pt' });
  });
  afterAll(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true });
  });

  it('of two shards in F32, F16 and BF16 is read exactly', async () => {
    const names = (await model.parameters()).map(({ name }) => name).sort();
    for (const [i, name] of names.entries()) {
      const { shape, data } = await model.read(name, 'value');
      expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      expect(data, name).toEqual(expected(i, data.length));
    }
  });

  it('is saved in F32 under the same names and shapes', async () => {
    const { header, data } = parse(readFileSync(saved));
    const { __metadata__: metadata, ...tensors } = header;
    expect(metadata).toEqual({ format: 'pt' });
    const golden = Object.assign({}, ...shards.map((path) => parse(readFileSync(path)).header));
    delete golden.__metadata__;
    expect(Object.keys(tensors).sort()).toEqual(Object.keys(golden).sort());
    for (const [i, name] of Object.keys(tensors).sort().entries()) {
      const { dtype, shape, data_offsets: offsets } = tensors[name]!;
      expect([dtype, shape]).toEqual(['F32', golden[name].shape]);
      const values = new Float32Array(new Uint8Array(data.subarray(...offsets)).buffer);
      expect(values, name).toEqual(expected(i, values.length));
    }
  });

  it('is read without the prefix "model."', async () => {
    const { header, data } = parse(readFileSync(saved));
    const bare = Object.fromEntries(
      Object.entries(header).map(([name, entry]) => [name.replace(/^model\./, ''), entry]),
    );
    const path = join(folder, 'bare.safetensors');
    write(path, bare, data);
    const other = await addon().openModel('cpu', dims, 'f32');
    await other.load([path]);
    const name = 'model.decoder.layer_norm.bias';
    expect(await other.read(name, 'value')).toEqual(await model.read(name, 'value'));
    await other.dispose();
  });

  it.each<[string, string, Partial<Header[string]>]>([
    ['has another shape', 'ERR_SHAPE_MISMATCH', { shape: [2, 2] }],
    ['has integers', 'ERR_CORRUPT_FILE', { dtype: 'I32' }],
    ['has a hole', 'ERR_CORRUPT_FILE', { data_offsets: [4, 8] }],
  ])('that %s is refused, by name, and the model stays as it is', async (_, code, change) => {
    const { header, data } = parse(readFileSync(saved));
    Object.assign(header['model.encoder.conv1.bias']!, change);
    const path = join(folder, 'changed.safetensors');
    write(path, header, data);
    const before = await model.read('model.encoder.conv1.weight', 'value');
    await expect(model.load([path])).rejects.toMatchObject({ code, message: expect.stringContaining(path) });
    await expect(model.load([path])).rejects.toThrow('model.encoder.conv1.');
    expect(await model.read('model.encoder.conv1.weight', 'value')).toEqual(before);
  });

  it('of which a shard is missing is refused', async () => {
    await expect(model.load([shards[0]!])).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: expect.stringMatching(/tensor model\.\S+ of shape \[.*\] is missing/),
    });
  });

  it('that is cut short is refused', async () => {
    const path = join(folder, 'short.safetensors');
    writeFileSync(path, readFileSync(saved).subarray(0, -1));
    await expect(model.load([path])).rejects.toMatchObject({ code: 'ERR_CORRUPT_FILE' });
  });
});
