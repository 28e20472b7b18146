// Training in f16 against a stand-in for the engine: steps that overflow update nothing, are told, counted and logged,
// hold the learning rate, and resume exactly.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WhisperError } from '../../src/errors.js';
import type { FakeNative } from './fake-model.js';
import { folders, json, of, outputDir, run } from './runs.js';

/** Overflows above a scale of 16,384, and wherever the step's number is in the list. */
const overflowing =
  (...numbers: number[]) =>
  (fake: FakeNative) => {
    let step = 0;
    fake.overflows = (scale) => numbers.includes(++step) || scale > 16384;
  };

const options = { precision: 'f16', maxSteps: 9, warmupSteps: 3, loggingSteps: 3 } as const;

describe('a step that overflows', () => {
  it('is a step that updates nothing, told with the scale that was too large', async () => {
    const { events, native } = await run({ ...options, setUp: overflowing(6) });
    expect(of(events, 'skip')).toMatchObject([
      { step: 1, lossScale: 65536, gradNorm: Infinity },
      { step: 2, lossScale: 32768, gradNorm: Infinity },
      { step: 6, lossScale: 16384, gradNorm: Infinity },
    ]);
    const steps = of(events, 'step');
    expect(steps.map(({ step, lossScale }) => [step, lossScale])).toEqual([
      [3, 16384],
      [4, 16384],
      [5, 16384],
      [7, 8192],
      [8, 8192],
      [9, 8192],
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 9, reason: 'done' });
    expect(native.training).toMatchObject({ lossScaler: 'torch', initialLossScale: 65536 });
  });

  it('leaves the learning-rate schedule where it is', async () => {
    const { native } = await run({ ...options, setUp: overflowing(6) });
    // Steps 1, 2 and 6 are skipped: the schedule of nine updates is at 0 until step 3, and ends at its sixth value.
    expect(native.steps.map(({ options }) => options.decoderRate / 0.1)).toEqual(
      [0, 0, 0, 1 / 3, 2 / 3, 1, 1, 5 / 6, 4 / 6].map((factor) => expect.closeTo(factor, 12)),
    );
  });

  it('is in the log: the scale, the number skipped, and a norm only where it is finite', async () => {
    const { events } = await run({ ...options, setUp: overflowing(6) });
    const { log_history: history } = json('trainer_state.json');
    expect(history.slice(0, 3)).toMatchObject([
      { step: 3, loss_scale: 16384, skipped_steps: 2, grad_norm: expect.any(Number) },
      { step: 6, loss_scale: 16384, skipped_steps: 3 },
      { step: 9, loss_scale: 8192, skipped_steps: 3, grad_norm: expect.any(Number) },
    ]);
    expect(Object.keys(history[1])).not.toContain('grad_norm');
    expect(of(events, 'log').map(({ skippedSteps }) => skippedSteps)).toEqual([2, 3, 3]);
  });

  it('counts its loss where that is finite', async () => {
    const { events, trainer } = await run({
      ...options,
      maxSteps: 4,
      loggingSteps: 1,
      setUp: (fake) => {
        let row = 0;
        fake.lossOf = () => (row++ < 4 ? Number.NaN : 2);
        fake.overflows = (scale) => scale > 16384;
      },
    });
    // Two rows a step: the first two steps have no loss, and are skipped as the scale is too large.
    expect(of(events, 'log').map(({ loss }) => loss)).toEqual([
      Number.NaN,
      Number.NaN,
      expect.closeTo(2, 6),
      expect.closeTo(2, 6),
    ]);
    expect(trainer.metrics().train_loss).toBeCloseTo(2, 6);
    const { log_history: history } = json('trainer_state.json');
    expect(history.map((row: object) => 'loss' in row)).toEqual([false, false, true, true, false]);
  });
});

describe('resuming in f16', () => {
  const longer = { ...options, maxSteps: 12, saveStrategy: 'steps', saveSteps: 20 } as const;
  const setUp = (fake: FakeNative) => {
    fake.overflows = (scale, batches) => scale > 16384 || batches[0]!.samples[0]!.length === 1600 + 16 * 7;
  };

  it('goes on as if it had never stopped', async () => {
    const whole = await run({ ...longer, setUp });
    const history = json('trainer_state.json').log_history;
    rmSync(outputDir, { recursive: true });
    const controller = new AbortController();
    const first = await run({
      ...longer,
      setUp,
      signal: controller.signal,
      // Between two log lines, right after a step that was skipped.
      onEvent: (event) => event.type === 'skip' && event.step > 2 && controller.abort(),
    });
    const { step } = of(first.events, 'end')[0]!;
    expect(json(`checkpoint-${step}`, 'whisper_tune_state.json')).toMatchObject({
      skipped: 3,
      skipped_in_row: 1,
      kind: { precision: 'f16', loss_scaler: 'torch' },
    });
    const second = await run({ ...longer, setUp });
    expect(second.native.weights).toEqual(whole.native.weights);
    expect(second.native.scaler).toEqual(whole.native.scaler);
    const rates = (native: FakeNative) => native.steps.map(({ options }) => options.decoderRate);
    expect([...rates(first.native), ...rates(second.native)]).toEqual(rates(whole.native));
    const timeless = (lines: Record<string, number>[]) =>
      lines.map((line) =>
        Object.fromEntries(Object.entries(line).filter(([key]) => !/runtime|per_second|data_wait/.test(key))),
      );
    expect(timeless(json('trainer_state.json').log_history)).toEqual(timeless(history));
  });
});

describe('what no loss scale mends', () => {
  it('is said after forty overflows, with the row', async () => {
    const attempt = run({
      ...options,
      maxSteps: 60,
      shuffleBufferSize: 1,
      setUp: (fake) => {
        fake.lossOf = (batch, row) => (fake.steps.length > 3 && row === 1 && batch ? Number.NaN : 1);
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message:
        'update 43: overflow number 40 in a row, at a loss scale of 1.1920928955078125e-7: the loss of row row-5 is not a ' +
        `finite number; nothing was updated; the model of update 42 is in ${join(outputDir, 'checkpoint-42')}`,
    });
    expect(folders()).toEqual(['checkpoint-42']);
  });

  it('ends a run at once where there is no loss scale', async () => {
    const attempt = run({
      ...options,
      precision: 'bf16',
      setUp: (fake) => {
        fake.overflows = () => fake.steps.length === 2;
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message: expect.stringMatching(
        /^update 2: the gradient of rows .* is not finite; nothing was updated;/,
      ),
    });
  });

  it('or when the engine’s scaler can go no lower, with the rows', async () => {
    const attempt = run({
      ...options,
      lossScaler: 'deepspeed',
      minLossScale: 16384,
      setUp: (fake) => {
        fake.step = async () => {
          throw new WhisperError('ERR_DIVERGED', 'the loss scale is at its minimum, 16384');
        };
      },
      shuffleBufferSize: 1,
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message: 'update 1, rows row-0, row-1: the loss scale is at its minimum, 16384',
    });
  });
});
