// Decoding in batches: rows that end leave the batch, and nothing of it is seen in the others; and evaluation, which encodes
// once.
import { describe, expect, it } from 'vitest';
import { addon, type NativeGenerateOptions, type NativeModel } from '../../src/native.js';
import { dims } from '../bindings/helpers.js';
import { modelDevice } from '../helpers/native.js';
import { storages } from '../helpers/ops.js';

const rows = 7;
/** Tones, each an octave or less above the last. */
const clips = Array.from({ length: rows }, (_, row) =>
  Float32Array.from({ length: 12800 }, (_, i) => 0.3 * Math.sin((i * (row + 1)) / 20)),
);
const prompt = Int32Array.of(41, 3);
const of = (end: number): NativeGenerateOptions => ({ prompt, maxLength: 16, end });
/** Audio of 40 places, more than products take for few rows: those round otherwise. */
const sizes = { ...dims, source: 40, decoderLayers: 2 };

/** The seed is one whose model says different things of the clips. */
async function open(precision: 'f32' | 'f16' | 'bf16'): Promise<NativeModel> {
  const model = await addon().openModel(modelDevice, sizes, precision);
  await model.initialise('fan_in', 46);
  return model;
}

describe.each(storages)('decoding in %s', (precision) => {
  it('gives each row what it gets alone, whenever others end', async () => {
    const model = await open(precision);
    // No row can end by a token outside of what it says, so all go on to the last position.
    const whole = await model.generate(clips, of(40));
    const ends = new Set(whole.flatMap(({ tokens }) => [...tokens]));
    let lengths = 0;
    for (const end of ends) {
      const together = await model.generate(clips, of(end));
      const alone = await Promise.all(clips.map(async (clip) => (await model.generate([clip], of(end)))[0]!));
      expect(together).toEqual(alone);
      lengths = Math.max(lengths, new Set(together.map(({ tokens }) => tokens.length)).size);
    }
    expect(lengths).toBeGreaterThan(2);
    await model.dispose();
  });
});

describe('evaluation', () => {
  const labels = Int32Array.from({ length: 4 * rows }, (_, i) =>
    i % 4 < 1 + ((i >> 2) % 4) ? i % 40 : -100,
  );
  const batch = { samples: clips, labels, time: 4 };

  it('has the losses and texts of calls of their own', async () => {
    const model = await open('f32');
    const { losses, texts } = await model.evaluate(batch, of(40));
    expect(losses).toEqual(await model.loss(batch));
    expect(texts).toEqual(await model.generate(clips, of(40)));
    await model.dispose();
  });

  it('refuses wrong labels and options, and stops', async () => {
    const model = await open('f32');
    const invalid = { code: 'ERR_INVALID_ARGUMENT' };
    await expect(model.evaluate({ ...batch, labels: labels.map(() => 50) }, of(40))).rejects.toMatchObject(
      invalid,
    );
    await expect(model.evaluate(batch, of(50))).rejects.toMatchObject(invalid);
    const cancel = new (addon().Cancel)();
    cancel.cancel();
    await expect(model.evaluate(batch, of(40), cancel)).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    await model.dispose();
  });
});
