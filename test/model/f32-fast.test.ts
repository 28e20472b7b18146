// f32 by products of bf16: how much less exact its gradients are than those of strict f32, and who refuses it.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { addon, type Precision } from '../../src/native.js';
import { batch, dims, seed } from '../golden/model/clips.mjs';

const golden: { loss: number; grads: Record<string, { at: number[] }> } = JSON.parse(
  readFileSync(new URL('../golden/model/golden.json', import.meta.url), 'utf8'),
);
const tokens = batch.labels.filter((label) => label >= 0).length;
const before = process.env.WHISPER_TUNE_ISA;
const { isas } = addon().deviceInfo();
const able = isas.filter((isa) => /^(avx512bf16|amx)$/.test(isa));

afterEach(() => {
  if (before === undefined) delete process.env.WHISPER_TUNE_ISA;
  else process.env.WHISPER_TUNE_ISA = before;
});

/** The loss's relative distance from float64, and the largest of the gradients', each in the root mean square. */
async function distance(isa: string, precision: Precision): Promise<{ loss: number; gradient: number }> {
  process.env.WHISPER_TUNE_ISA = isa;
  const model = await addon().openModel('cpu', dims, precision);
  await model.initialise('fan_in', seed);
  await model.prepareTraining({});
  const { sums } = await model.accumulate(batch, 1 / tokens);
  const loss = sums.reduce((a, b) => a + b, 0) / tokens;
  let gradient = 0;
  for (const [name, { at }] of Object.entries(golden.grads)) {
    const { data } = await model.read(name, 'grad');
    let error = 0;
    let size = 1e-60;
    at.forEach((value, i) => {
      error += (data[Math.floor((i * data.length) / at.length)]! - value) ** 2;
      size += value ** 2;
    });
    gradient = Math.max(gradient, Math.sqrt(error / size));
  }
  await model.dispose();
  return { loss: Math.abs(loss - golden.loss) / golden.loss, gradient };
}

describe('f32-fast', () => {
  it.skipIf(able.length === 0).each(able)('has sixteen bits of accuracy with %s', async (isa) => {
    const [strict, fast] = [await distance(isa, 'f32'), await distance(isa, 'f32-fast')];
    expect(fast.gradient).toBeGreaterThan(2 * strict.gradient); // it is another way of computing
    expect(fast.gradient).toBeLessThan(2 ** -12);
    expect(fast.loss).toBeLessThan(2 ** -15);
  });

  it.each(isas.filter((isa) => !able.includes(isa)))('is refused with %s', async (isa) => {
    process.env.WHISPER_TUNE_ISA = isa;
    await expect(addon().openModel('cpu', dims, 'f32-fast')).rejects.toThrow(
      `precision f32-fast needs a CPU with AMX or AVX512_BF16, this one runs ${isa}: use f32`,
    );
  });
});
