// AdamW with moments in 8 bits through whole steps: which tensors have them, what its files hold, and that it learns as
// AdamW does. The code itself is tested with the operations.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NativeModel } from '../../src/native.js';
import { numbers, readTensors, type TensorFile, writeTensors } from '../helpers/safetensors.js';
import { codeOf } from '../reference/eight-bit.js';
import { folder, inTraining, step, steps } from './small.js';

const optimizer = 'adamw_bnb_8bit';

async function saved(model: NativeModel, name = 'optimizer'): Promise<TensorFile> {
  await model.saveOptimizer(join(folder, name));
  return readTensors(join(folder, name));
}

/** What the codes of a parameter's moment stand for, in the order of memory. */
function decoded({ tensors }: TensorFile, moment: 1 | 2, name: string, block = 256): Float32Array {
  const map = numbers(tensors[`qmap${moment}`]!);
  const absmax = numbers(tensors[`absmax${moment}.${name}`]!);
  const codes = tensors[`state${moment}.${name}`]!.bytes;
  return Float32Array.from(codes, (code, i) => map[code]! * absmax[Math.floor(i / block)]!);
}

/** A file's tensor as it lies in memory: of a convolution `[out, 3, in]` instead of `[out, in, 3]`. */
function inMemory(values: Float32Array, shape: number[]): Float32Array {
  if (shape.length < 3) return values;
  const [out, width, taps] = shape as [number, number, number];
  return Float32Array.from(values, (_, at) => {
    const [o, tap, i] = [Math.floor(at / (taps * width)), Math.floor(at / width) % taps, at % width];
    expect(o).toBeLessThan(out);
    return values[(o * width + i) * taps + tap]!;
  });
}

describe('adamw_bnb_8bit', () => {
  it.each([false, true])('with eightBitEmbeddings %s has the right tensors in 8 bits', async (embeddings) => {
    const model = await inTraining({ optimizer, eightBitEmbeddings: embeddings });
    const { tensors } = await saved(model);
    const counts = { U8: 0, F32: 0 };
    for (const { name, shape } of await model.parameters()) {
      if (name === 'model.encoder.embed_positions.weight') continue;
      const size = shape.reduce((a, b) => a * b, 1);
      const coded = size >= 4096 && (embeddings || !name.includes('embed_'));
      for (const moment of [1, 2]) {
        const state = tensors[`state${moment}.${name}`]!;
        expect(state.dtype, name).toBe(coded ? 'U8' : 'F32');
        expect(tensors[`absmax${moment}.${name}`]?.shape, name).toEqual(
          coded ? [Math.ceil(size / 256)] : undefined,
        );
        counts[coded ? 'U8' : 'F32'] += 1;
      }
    }
    expect(Object.keys(tensors).length).toBe(2 * counts.U8 + counts.F32 + 2);
    expect(counts.U8).toBeGreaterThan(20);
  });

  it('has the maps of bitsandbytes', async () => {
    const { tensors } = await saved(await inTraining({ optimizer }));
    const hash = (name: string) => createHash('sha256').update(tensors[name]!.bytes).digest('hex');
    expect(hash('qmap1')).toBe('e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c');
    expect(hash('qmap2')).toBe('305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398');
  });

  // After a first step from zero both have seen the same gradient. Codes are at most 0.0142 of the block's largest apart.
  it('has the moments of adamw_torch, to a code', async () => {
    const [model, exact] = [await inTraining({ optimizer }), await inTraining({})];
    await step(model);
    await step(exact);
    const [file, { tensors }] = [await saved(model), await saved(exact, 'exact')];
    let coded = 0;
    for (const [entry, { dtype }] of Object.entries(file.tensors)) {
      const [, moment, name] = /^state([12])\.(.*)$/.exec(entry) ?? [];
      if (!name) continue;
      const { shape, ...mean } = tensors[`${moment === '1' ? 'exp_avg' : 'exp_avg_sq'}.${name}`]!;
      const expected = numbers({ shape, ...mean });
      if (dtype === 'F32') {
        expect(numbers(file.tensors[entry]!), entry).toEqual(expected);
        continue;
      }
      const values = inMemory(expected, shape);
      const got = decoded(file, moment === '1' ? 1 : 2, name);
      const absmax = numbers(file.tensors[`absmax${moment}.${name}`]!);
      for (const [i, largest] of absmax.entries()) {
        const block = values.subarray(256 * i, 256 * (i + 1));
        expect(largest, `${entry} block ${i}`).toBe(
          block.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
        );
      }
      const off = values.findIndex((x, i) => Math.abs(got[i]! - x) > 0.0071 * absmax[Math.floor(i / 256)]!);
      expect(off, entry).toBe(-1);
      coded += 1;
    }
    expect(coded).toBeGreaterThan(20);
  });

  it('learns as adamw_torch does: within one percent after 50 steps', async () => {
    const losses: number[] = [];
    for (const optim of ['adamw_torch', optimizer] as const) {
      const results = await steps(await inTraining({ optimizer: optim }), 50);
      const loss = (i: number) =>
        results
          .at(i)!
          .losses.flatMap(({ sums }) => [...sums])
          .reduce((a, b) => a + b);
      losses.push(loss(-1));
      expect(loss(-1) / loss(0)).toBeLessThan(0.5);
    }
    expect(Math.abs(losses[1]! / losses[0]! - 1)).toBeLessThan(0.01);
  });

  it('goes on from blocks of 2048, as bitsandbytes had them before 0.44', async () => {
    const model = await inTraining({ optimizer });
    await steps(model, 5);
    await model.save(join(folder, 'model'), {});
    const file = await saved(model);
    const rates = { encoderRate: 0, decoderRate: 0 };
    const old: TensorFile = { ...file, tensors: { ...file.tensors } };
    for (const [entry, { dtype, shape }] of Object.entries(file.tensors)) {
      const [, digit, name] = /^state([12])\.(.*)$/.exec(entry) ?? [];
      if (!name || dtype !== 'U8') continue;
      const moment = digit === '1' ? 1 : 2;
      const { absmax, codes } = codedInBlocks(decoded(file, moment, name), moment, 2048);
      old.tensors[entry] = { dtype, shape, bytes: codes };
      old.tensors[`absmax${moment}.${name}`] = {
        dtype: 'F32',
        shape: [absmax.length],
        bytes: new Uint8Array(absmax.buffer),
      };
    }
    writeTensors(join(folder, 'old'), old);
    const other = await inTraining({ optimizer });
    await other.load([join(folder, 'model')]);
    await other.loadOptimizer(join(folder, 'old'));
    const now = await saved(other, 'now');
    for (const entry of Object.keys(file.tensors).filter((name) => name.startsWith('absmax'))) {
      const [, digit, name] = /^absmax([12])\.(.*)$/.exec(entry)!;
      const moment = digit === '1' ? 1 : 2;
      expect(now.tensors[entry]!.shape, entry).toEqual(file.tensors[entry]!.shape);
      const [was, is] = [decoded(old, moment, name!, 2048), decoded(now, moment, name!)];
      const largest = numbers(now.tensors[entry]!);
      expect(
        was.findIndex((x, i) => Math.abs(is[i]! - x) > 0.0071 * largest[Math.floor(i / 256)]!),
        entry,
      ).toBe(-1);
    }
    expect((await step(other, rates)).gradNorm).toBe((await step(model, rates)).gradNorm);
  });
});

/** Codes in blocks of any length. */
function codedInBlocks(values: Float32Array, moment: 1 | 2, block: number) {
  const absmax = Float32Array.from({ length: Math.ceil(values.length / block) }, (_, i) =>
    values.subarray(block * i, block * (i + 1)).reduce((most, x) => Math.max(most, Math.abs(x)), 0),
  );
  const codes = Uint8Array.from(values, (value, i) =>
    codeOf(value / (absmax[Math.floor(i / block)]! || 1), moment === 1),
  );
  return { absmax, codes };
}
