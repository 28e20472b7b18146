// Training as in December 2022: gradients carried over the end of a pass, positions trained, a prompt without language.
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { FakeNative } from './fake-model.js';
import { json, of, outputDir, run } from './runs.js';

/** Ten rows in micro-batches of two: five of a pass, for updates of two. */
const options = {
  compat: 'era',
  gradientAccumulationSteps: 2,
  perDeviceTrainBatchSize: 2,
  maxSteps: 8,
  warmupSteps: 4,
  loggingSteps: 1,
  saveStrategy: 'steps',
  saveSteps: 3,
} as const;

describe('the era', () => {
  it('adds what a pass leaves over to the first update of the next', async () => {
    const { native, events } = await run(options);
    // Updates of the passes: 2 + 2, then (1 + 2) + 2 with one left, (1 + 2) …
    expect(native.steps.map(({ batches }) => batches.length)).toEqual([2, 2, 3, 2, 3, 2, 3, 2]);
    for (const { batches, options } of native.steps) {
      const tokens = batches.map(({ labels }) => labels.filter((label) => label >= 0).length);
      for (const [i, scale] of [...options.scales].entries()) expect(scale).toBeCloseTo(0.5 / tokens[i]!, 6);
    }
    // The source cannot count its rows; the pass is that of the last micro-batch.
    const passes = of(events, 'step').map(({ epoch }) => Math.floor(epoch));
    expect(passes.slice(0, 7)).toEqual([0, 0, 1, 1, 2, 2, 3]);
    expect(native.training).toMatchObject({ trainEncoderPositions: true, optimizer: 'adamw_hf' });
    rmSync(outputDir, { recursive: true });
    const frozen = await run({ ...options, trainEncoderPositions: false });
    expect(frozen.native.training).toMatchObject({ trainEncoderPositions: false, optimizer: 'adamw_hf' });
  });

  it('resumes to the same weights', async () => {
    const whole = await run(options);
    rmSync(outputDir, { recursive: true });
    const controller = new AbortController();
    await run({
      ...options,
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.step === 4 && controller.abort(),
    });
    const again = await run(options);
    expect(again.events[0]).toMatchObject({ step: 4 });
    expect(again.native.weights).toEqual(whole.native.weights);
    const sizes = ({ steps }: FakeNative) => steps.map(({ batches }) => batches.length);
    expect(sizes(again.native)).toEqual(sizes(whole.native).slice(4));
  });

  it('makes one update of a pass that is too short, and logs the next learning rate', async () => {
    const { native } = await run({ ...options, gradientAccumulationSteps: 20, maxSteps: 2 });
    expect(native.steps.map(({ batches }) => batches.length)).toEqual([10, 10]);
    rmSync(outputDir, { recursive: true });
    await run({ ...options, maxSteps: 3 });
    const rows: { learning_rate?: number }[] = json('trainer_state.json').log_history;
    const rates = rows.flatMap(({ learning_rate: rate }) => (rate === undefined ? [] : [rate]));
    expect(rates.map((rate) => Number(rate.toFixed(6)))).toEqual([0.025, 0.05, 0.075]);
  });

  it('evaluates behind the start token alone', async () => {
    const evaluating = { evalStrategy: 'steps', evalSteps: 8, predictWithGenerate: true } as const;
    const { native, events } = await run({ ...options, ...evaluating });
    expect(native.generations.every(({ options }) => options.prompt.length === 1)).toBe(true);
    expect(of(events, 'evaluate').map(({ step }) => step)).toEqual([8]);
    rmSync(outputDir, { recursive: true });
    const fixed = await run({ ...options, ...evaluating, compat: 'fixed' });
    expect(fixed.native.generations.every(({ options }) => options.prompt.length === 4)).toBe(true);
  });
});
