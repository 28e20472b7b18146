// Stopping, resuming and failing against a stand-in for the engine: a resumed run is the run that was never stopped.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WhisperError } from '../../src/errors.js';
import type { TrainerOptions } from '../../src/train/trainer.js';
import type { FakeNative } from './fake-model.js';
import { folders, json, of, outputDir, run } from './runs.js';

describe('resuming', () => {
  const options = {
    saveStrategy: 'steps',
    saveSteps: 4,
    maxSteps: 13,
    warmupSteps: 3,
    loggingSteps: 3,
  } as const;

  it('gives the bits of the run that was never stopped', async () => {
    const whole = await run(options);
    const history = json('trainer_state.json').log_history;
    rmSync(outputDir, { recursive: true });

    const controller = new AbortController();
    const first = await run({
      ...options,
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.step === 7 && controller.abort(),
    });
    // Between two log lines, in the middle of a pass, with rows in the shuffle buffer.
    expect(first.events.at(-1)).toMatchObject({ type: 'end', step: 7, reason: 'stopped' });
    expect(folders()).toEqual(['checkpoint-4', 'checkpoint-7']);
    const second = await run(options);
    expect(second.events[0]).toMatchObject({
      type: 'start',
      step: 7,
      resumedFrom: join(outputDir, 'checkpoint-7'),
    });
    expect(second.native.weights).toEqual(whole.native.weights);
    expect(second.native.moments).toEqual(whole.native.moments);
    const data = (steps: FakeNative['steps']) =>
      steps.map(({ batches }) =>
        batches.map(({ samples, maskSpans }) => [samples.map((s) => s.length), [...maskSpans!]]),
      );
    expect(data([...first.native.steps, ...second.native.steps])).toEqual(data(whole.native.steps));
    const timeless = (lines: Record<string, number>[]) =>
      lines.map((line) =>
        Object.fromEntries(Object.entries(line).filter(([key]) => !/runtime|per_second|data_wait/.test(key))),
      );
    expect(timeless(json('trainer_state.json').log_history)).toEqual(timeless(history));
  });

  it('also when the signal ended an update half way', async () => {
    const whole = await run(options);
    rmSync(outputDir, { recursive: true });
    const controller = new AbortController();
    const first = await run({
      ...options,
      signal: controller.signal,
      setUp: (fake) => {
        const step = fake.step.bind(fake);
        fake.step = async (...given) => {
          if (fake.steps.length < 7) return step(...given);
          controller.abort();
          throw new WhisperError('ERR_CANCELLED', 'cancelled');
        };
      },
    });
    expect(first.events.at(-1)).toMatchObject({ type: 'end', step: 7, reason: 'stopped' });
    const second = await run(options);
    expect(second.native.weights).toEqual(whole.native.weights);
    expect(second.native.moments).toEqual(whole.native.moments);
  });

  it('takes the last checkpoint, or the one named', async () => {
    await run(options);
    const again = await run({ ...options, resumeFromCheckpoint: join(outputDir, 'checkpoint-4') });
    expect(again.events[0]).toMatchObject({ type: 'start', step: 4 });
    const last = await run({ ...options, maxSteps: 14, resumeFromCheckpoint: 'true' });
    expect(of(last.events, 'notice')[0]!.message).toContain('the number of updates (was 13, is 14)');
    expect(of(last.events, 'start')[0]!.step).toBe(13);
  });

  it('refuses another seed, a folder without a checkpoint and an incomplete one', async () => {
    await run(options);
    await expect(run({ ...options, maxSteps: 20, seed: 7 })).rejects.toThrow(
      /the seed was 42 .* and is 7 now/,
    );
    rmSync(join(outputDir, 'checkpoint-13', 'optimizer.safetensors'));
    await expect(run(options)).rejects.toThrow(/checkpoint-13: it has no optimizer.safetensors/);
    rmSync(outputDir, { recursive: true });
    await expect(run({ ...options, resumeFromCheckpoint: 'true' })).rejects.toThrow(/has no checkpoint/);
  });

  it('refuses an output folder that is not empty', async () => {
    await run({ maxSteps: 1 });
    await expect(run({ maxSteps: 1 })).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `output_dir ${outputDir} is not empty and has no checkpoint to resume from: choose another, or overwrite_output_dir`,
    });
  });
});

describe('trouble', () => {
  it('a loss that is not a number stops with the row, and the last good weights are kept', async () => {
    const attempt = run({
      shuffleBufferSize: 1,
      setUp: (fake) => {
        fake.lossOf = (batch, row) => (batch.samples[row]!.length === 1600 + 16 * 5 ? Number.NaN : 1);
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_DIVERGED',
      message:
        'update 3: the loss of row row-5 is not a finite number; nothing was updated; the model of update 2 is in ' +
        join(outputDir, 'checkpoint-2'),
    });
    expect(folders()).toEqual(['checkpoint-2']);
  });

  it('a failing save loses no earlier checkpoint', async () => {
    let saves = 0;
    const attempt = run({
      saveStrategy: 'steps',
      saveSteps: 2,
      setUp: (fake) => {
        const save = fake.save.bind(fake);
        fake.save = async (path: string) => {
          if (++saves === 2) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
          return save(path);
        };
      },
    });
    await expect(attempt).rejects.toThrow(
      `cannot write ${join(outputDir, 'checkpoint-4')}: no space left on the disk`,
    );
    expect(readdirSync(outputDir)).toEqual(['checkpoint-2']);
  });

  it('a signal before the first update writes nothing', async () => {
    const { events } = await run({ signal: AbortSignal.abort() });
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 0, reason: 'stopped' });
    expect(folders()).toEqual([]);
  });

  it.each([
    [{ evalStrategy: 'steps', evalDataset: undefined }, 'evalStrategy steps needs an evalDataset'],
    [{ maxStepz: 3 }, 'Trainer has no option maxStepz'],
    [{ maxSteps: 1.5 }, 'maxSteps must be a whole number of at least -1, got 1.5'],
    [{ maxSteps: 0 }, 'maxSteps must be at least 1, or -1 for none, got 0'],
    [{ loadBestModelAtEnd: true }, /equal strategies/],
    [
      { loadBestModelAtEnd: true, evalStrategy: 'steps', saveStrategy: 'steps', evalSteps: 3, saveSteps: 4 },
      /to be a multiple of evalSteps, got 4 and 3/,
    ],
    [
      { metricForBestModel: 'wer', evalStrategy: 'steps' },
      /metricForBestModel eval_wer needs predictWithGenerate/,
    ],
    [{ generationMaxLength: 65 }, /at most 64 \(max_target_positions of the model\), got 65/],
    [{ language: 'klingon' }, /unknown language/],
    [{ minDurationInSeconds: 30 }, /must be below maxDurationInSeconds, got 30 and 20/],
  ])('refuses %j', async (wrong, message) => {
    await expect(run(wrong as Partial<TrainerOptions>)).rejects.toThrow(message);
  });
});
