// Micro-batches in parts: the update of the parts is that of the whole, in the engine itself, under a limit of memory.
import { describe, expect, it } from 'vitest';
import { addon, type NativeBatch, type NativeStepResult } from '../../../src/native.js';
import { bytesFor } from '../../../src/train/memory/fit.js';
import { inParts, wholeLosses } from '../../../src/train/memory/micro-batches.js';
import { clip } from '../../golden/model/clips.mjs';

const dims = {
  mels: 80,
  source: 100,
  target: 16,
  width: 64,
  encoderLayers: 2,
  encoderHeads: 1,
  encoderFfn: 256,
  decoderLayers: 1,
  decoderHeads: 1,
  decoderFfn: 256,
  vocab: 300,
  padding: 290,
  start: 291,
};

/** Rows of different lengths; the first labels of the second half of rows are ignored. */
function batchOf(rows: number, first: number): NativeBatch {
  const time = 8;
  return {
    samples: Array.from({ length: rows }, (_, row) => clip(first + row, 20000 + 1000 * row)),
    labels: Int32Array.from({ length: rows * time }, (_, i) =>
      i % 5 === 4 ? -100 : (i * 7919 + first) % 290,
    ),
    ...(first === 0 && { inputs: Int32Array.from({ length: rows * time }, (_, i) => (i * 31) % 290) }),
    time,
    maskSpans: Int32Array.of(0, 3, 9, 0, 80, rows - 1, 0, 200, 5, 11),
  };
}
const micro = [batchOf(5, 0), batchOf(2, 5)];
const scales = Float32Array.of(1 / 30, 1 / 40);

describe('parts of micro-batches', () => {
  it('have at most so many rows, each with its own samples, labels, inputs, spans and scale', () => {
    const { batches, scales: weights, of, rows } = inParts(micro, scales, 2);
    expect(of).toEqual([0, 0, 0, 1]);
    expect(rows).toBe(2);
    expect(batches.map(({ samples }) => samples.length)).toEqual([2, 2, 1, 2]);
    expect([...weights]).toEqual([scales[0], scales[0], scales[0], scales[1]]);
    expect(batches[2]!.samples[0]).toBe(micro[0]!.samples[4]);
    expect([...batches[1]!.labels]).toEqual([...micro[0]!.labels.subarray(16, 32)]);
    expect(batches[1]!.inputs).toEqual(micro[0]!.inputs!.subarray(16, 32));
    expect(batches[3]!.inputs).toBeUndefined();
    expect(batches.map(({ maskSpans }) => [...(maskSpans ?? [])])).toEqual([
      [0, 3, 9, 0, 80],
      [],
      [0, 0, 200, 5, 11],
      [0, 3, 9, 0, 80, 1, 0, 200, 5, 11],
    ]);
  });

  it('are the micro-batches themselves where those are small enough', () => {
    expect(inParts(micro, scales, 5).batches).toEqual(micro);
    expect(inParts(micro, scales, Infinity)).toMatchObject({ of: [0, 1], rows: 5 });
  });

  it('give their losses back to the micro-batches', () => {
    const part = (...values: number[]) => ({
      sums: Float32Array.from(values),
      tokens: Int32Array.from(values),
    });
    expect(wholeLosses([part(1, 2), part(3), part(4)], [0, 0, 1])).toEqual([part(1, 2, 3), part(4)]);
  });
});

/** Weights after two steps, from the same start, of at most `most` rows at a time. */
async function trained(most: number, limit = 0) {
  const model = await addon().openModel('cpu', dims, 'f32');
  await model.initialise('fan_in', 1);
  await model.prepareTraining({});
  await model.limitMemory(limit);
  const parts = inParts(micro, scales, most);
  const results: NativeStepResult[] = [];
  try {
    for (let step = 0; step < 2; step++) {
      // An epsilon of 1 makes AdamW smooth: with its own, the sign of a gradient near zero would decide.
      const result = await model.step(parts.batches, {
        scales: parts.scales,
        encoderRate: 0.1,
        decoderRate: 0.1,
        epsilon: 1,
      });
      results.push({ ...result, losses: wholeLosses(result.losses, parts.of) });
    }
    const weights = new Map<string, Float32Array>();
    for (const { name } of await model.parameters())
      weights.set(name, (await model.read(name, 'value')).data);
    return { results, weights };
  } finally {
    await model.dispose();
  }
}

describe('an update in parts', () => {
  it('is the update of the whole, up to the rounding of sums in another order', async () => {
    const whole = await trained(Infinity);
    const parts = await trained(2);
    for (const [i, { losses, gradNorm }] of parts.results.entries()) {
      expect(gradNorm / whole.results[i]!.gradNorm).toBeCloseTo(1, 4);
      for (const [m, { sums, tokens }] of losses.entries()) {
        expect([...tokens]).toEqual([...whole.results[i]!.losses[m]!.tokens]);
        expect([...sums]).toEqual(
          [...whole.results[i]!.losses[m]!.sums].map((sum) => expect.closeTo(sum, 3)),
        );
      }
    }
    for (const [name, values] of whole.weights) {
      const other = parts.weights.get(name)!;
      const largest = Math.max(...values.map((value, i) => Math.abs(value - other[i]!)));
      expect(largest, name).toBeLessThan(2e-6);
    }
  });

  it('fits where the whole does not', async () => {
    const plan = { labels: 8, training: true };
    const limit = bytesFor(await addon().plan(dims, { ...plan, batch: 2 }));
    await expect(trained(Infinity, limit)).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    await expect(trained(2, limit)).resolves.toBeDefined();
  });
});
