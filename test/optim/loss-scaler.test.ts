// The loss scale through a run of real steps, some of which are made to overflow.
import { describe, expect, it } from 'vitest';
import type { NativeModel, NativeTrainingOptions } from '../../src/native.js';
import { batches, bits, inTraining, step } from './small.js';

/**
 * Makes the steps of a trace, o with an overflow and g without, and returns the loss scales that they were made with,
 * and behind the last.
 */
async function trace(model: NativeModel, letters: string): Promise<number[]> {
  const scales: number[] = [];
  for (const letter of letters) {
    const before = await bits(model);
    // In f16 the gradient of the logits is infinite; in f32 that of the weights.
    const overflows = letter === 'o';
    const result = await step(model, overflows ? { scales: Float32Array.of(1, 3e38) } : {});
    scales.push(result.lossScale);
    expect(result.finite, `step ${scales.length}`).toBe(!overflows);
    expect(Number.isFinite(result.gradNorm)).toBe(!overflows);
    if (overflows) expect(await bits(model)).toEqual(before);
    else expect(await bits(model)).not.toEqual(before);
  }
  const { lossScale } = await step(model);
  return [...scales, lossScale];
}

const torch: NativeTrainingOptions = { lossScaler: 'torch', initialLossScale: 1024, lossScaleWindow: 3 };
const deepspeed: NativeTrainingOptions = {
  lossScaler: 'deepspeed',
  initialLossScale: 1024,
  lossScaleWindow: 4,
  lossScaleHysteresis: 2,
};

describe.each(['f16', 'f32'] as const)('in %s', (precision) => {
  it('torch’s scaler halves at once and doubles after a window of clean steps', async () => {
    const model = await inTraining(torch, precision);
    expect(await trace(model, 'ggggoooggg')).toEqual([
      1024, 1024, 1024, 2048, 2048, 1024, 512, 256, 256, 256, 512,
    ]);
  });

  it('DeepSpeed’s waits for its hysteresis, and counts from the step after an overflow', async () => {
    const model = await inTraining(deepspeed, precision);
    expect(await trace(model, 'oogggggggggooo')).toEqual([
      1024, 1024, 512, 512, 512, 512, 512, 1024, 1024, 1024, 1024, 2048, 2048, 1024, 512,
    ]);
  });
});

it('a power of two changes no bit of what f32 learns, and a skipped step none at all', async () => {
  const scaled = await inTraining(torch);
  await trace(scaled, 'gogoogg');
  const plain = await inTraining({});
  for (let i = 0; i < 5; i++) await step(plain);
  expect(await bits(scaled)).toEqual(await bits(plain));
});

it('reports the norm without the scale', async () => {
  const norm = async (options: NativeTrainingOptions) => (await step(await inTraining(options))).gradNorm;
  expect(await norm(torch)).toBe(await norm({}));
});

it('without a scaler a step that is not finite changes nothing, and the next is made as ever', async () => {
  const model = await inTraining({});
  expect(await trace(model, 'ogo')).toEqual([1, 1, 1, 1]);
});

it('DeepSpeed’s ends the run at its minimum', async () => {
  const model = await inTraining({ ...deepspeed, initialLossScale: 2, lossScaleHysteresis: 1 }, 'f16');
  expect(await trace(model, 'o')).toEqual([2, 1]);
  const before = await bits(model);
  await expect(step(model, { scales: Float32Array.of(3e38, 1) })).rejects.toMatchObject({
    code: 'ERR_DIVERGED',
    message: 'the loss scale is at its minimum, 1, and the gradients are not finite',
  });
  expect(await bits(model)).toEqual(before);
});

it('a loss scale that is too large for f32 is brought down like any other', async () => {
  const model = await inTraining({ lossScaler: 'torch', initialLossScale: 2 ** 127 });
  let result = await model.step(batches, {
    scales: Float32Array.of(4, 4),
    encoderRate: 1e-3,
    decoderRate: 1e-3,
  });
  expect(result).toMatchObject({ finite: false, lossScale: 2 ** 127 });
  for (let i = 0; i < 20 && !result.finite; i++) result = await step(model);
  expect(result.finite).toBe(true);
  expect(result.lossScale).toBeLessThan(2 ** 127);
});

it.each<[NativeTrainingOptions, string]>([
  [{ initialLossScale: 0 }, 'loss scaling: the initial scale must be a positive f32, got 0'],
  [{ lossScaleWindow: 0 }, 'loss scaling: the window must be at least 1, got 0'],
  [{ lossScaleHysteresis: 0 }, 'loss scaling: the hysteresis must be at least 1, got 0'],
  [{ minLossScale: -1 }, 'loss scaling: the minimum must be a positive f32, got -1'],
  [{ dropout: 1 }, 'training: the dropout must be at least 0 and below 1, got 1'],
  [{ attentionDropout: -0.5 }, 'training: the attention dropout must be at least 0 and below 1, got -0.5'],
  [{ decoderLayerdrop: 2 }, 'training: the decoder layerdrop must be at least 0 and below 1, got 2'],
  [{ checkpointEvery: 0 }, 'training: checkpointing of every n-th block needs n of at least 1, got 0'],
])('refuses %j', async (options, message) => {
  await expect(inTraining(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message });
});
