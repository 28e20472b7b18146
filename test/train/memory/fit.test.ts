// Micro-batches chosen for a budget, halved where memory does not suffice, and what is said when nothing fits.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { WhisperError } from '../../../src/errors.js';
import { configSizes } from '../../../src/model/sizes.js';
import { engineOptions } from '../../../src/train/engine-options.js';
import { parseBytes } from '../../../src/train/memory/bytes.js';
import { estimate } from '../../../src/train/memory/estimate.js';
import {
  availableBytes,
  availableOnDevice,
  bytesFor,
  describePlan,
  divisors,
  largestFitting,
  planStep,
} from '../../../src/train/memory/fit.js';
import { fakeWhisper } from '../fake-model.js';
import { folders, json, of, outputDir, run } from '../runs.js';

const { model } = await fakeWhisper();
const sizes = configSizes(model.config);
const workload = {
  ...sizes,
  device: 'cpu',
  precision: 'f32' as const,
  engine: engineOptions({}, 'f32'),
  labels: 64,
};
const bytes = async (rows: number) => bytesFor(await planStep(workload, rows));

describe('the plan of a run', () => {
  it('is that of estimate()', async () => {
    expect(await estimate(model, { batchSize: 3 })).toEqual(await planStep(workload, 3));
    expect(await estimate(model.folder, { batchSize: 3, labelLength: 64 })).toEqual(
      await planStep(workload, 3),
    );
    const { peak } = await estimate('tiny', { batchSize: 1 });
    expect((await estimate('tiny', { batchSize: 1, checkpointingPolicy: 'all' })).peak).toBeLessThan(peak);
    expect((await estimate('tiny', { batchSize: 1, optim: 'adafactor' })).optimizer).toBeLessThan(2e6);
    expect((await estimate('tiny', { inference: true })).gradients).toBe(0);
  });

  it.each([
    [{ batchsize: 3 }, 'estimate has no option batchsize'],
    [{ batchSize: 0 }, 'batchSize must be a whole number of at least 1, got 0'],
    [{ labelLength: 65 }, 'labelLength must be at most 64 (max_target_positions), got 65'],
    [{ optim: 'lion' }, /optim must be one of .*, got "lion"/],
    [{ gradientCheckpointing: true, checkpointingPolicy: 'none' }, /gradientCheckpointing means/],
  ])('is not made of %j', async (wrong, message) => {
    await expect(estimate(model, wrong as object)).rejects.toThrow(message);
  });

  it('counts every block, also those that LayerDrop may skip', async () => {
    const engine = { ...workload.engine, encoderLayerdrop: 0.9, decoderLayerdrop: 0.9 };
    expect(await planStep({ ...workload, engine }, 2)).toEqual(await planStep(workload, 2));
  });

  it('finds the largest micro-batch among the divisors of an update', async () => {
    expect(divisors(12)).toEqual([1, 2, 3, 4, 6, 12]);
    expect(await largestFitting(workload, divisors(12), await bytes(5))).toMatchObject({ rows: 4 });
    expect(await largestFitting(workload, divisors(12), await bytes(12))).toMatchObject({ rows: 12 });
    expect(await largestFitting(workload, divisors(12), (await bytes(1)) - 1)).toBeUndefined();
  });

  it('takes nine tenths of what a GPU can give, and what the model holds already', () => {
    expect(availableOnDevice(3e9, 10e9)).toBe(12e9);
  });

  it('is told in words, without what it does not have', async () => {
    const words = describePlan(await planStep(workload, 2));
    expect(words).toMatch(
      /^[\d.]+ MB \(weights [\d.]+ [kM]B, gradients [\d.]+ [kM]B, optimizer [\d.]+ [kM]B, activations [\d.]+ MB\)$/,
    );
  });

  it('takes four fifths of what the machine can give, and what the model holds already', () => {
    const available = vi.spyOn(process, 'availableMemory').mockReturnValue(8e9);
    expect(availableBytes(1e9)).toBe(7.4e9);
    available.mockRestore();
  });
});

describe('auto_batch', () => {
  const options = { perDeviceTrainBatchSize: 8, maxSteps: 3, autoBatch: true } as const;

  it('keeps the rows of an update in smaller micro-batches, and says what it planned', async () => {
    const budget = await bytes(2);
    const { events, native } = await run({ ...options, memoryBudget: `${budget / 1000}KB` });
    expect(events[0]).toEqual({
      type: 'plan',
      rows: 2,
      microBatches: 4,
      labels: 64,
      budget,
      plan: await planStep(workload, 2),
    });
    const sizes = native.steps.map(({ batches }) => batches.map(({ samples }) => samples.length));
    expect(sizes).toEqual([[2, 2, 2, 2], [2], [2, 2, 2, 2]]);
    expect(native.limits).toEqual([budget, 0]);
    expect(json('trainer_state.json').train_batch_size).toBe(2);
  });

  it('makes micro-batches larger too', async () => {
    const { events } = await run({ ...options, perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 3 });
    expect(events[0]).toMatchObject({ type: 'plan', rows: 6, microBatches: 1 });
  });

  it('plans for the longest label allowed', async () => {
    const { events } = await run({ ...options, maxLabelLength: 20, memoryBudget: '1GB' });
    expect(events[0]).toMatchObject({ labels: 20, plan: { peak: expect.any(Number) } });
    expect(of(events, 'plan')[0]!.plan.peak).toBeLessThan((await planStep(workload, 8)).peak);
  });

  it('keeps a resumed run’s micro-batches, while they fit', async () => {
    const saving = { ...options, saveStrategy: 'steps', saveSteps: 2, maxSteps: 2 } as const;
    const small = `${(await bytes(2)) / 1000}KB`;
    await run({ ...saving, memoryBudget: small });
    const { events } = await run({ ...saving, maxSteps: 3, memoryBudget: '1GB' });
    expect(events[0]).toMatchObject({ type: 'plan', rows: 2, microBatches: 4, budget: 1e9 });
    const other = { ...saving, maxSteps: 4, memoryBudget: `${(await bytes(1)) / 1000}KB` };
    expect((await run(other)).events[0]).toMatchObject({ rows: 1, microBatches: 8 });
    const { native } = await run({ ...saving, maxSteps: 5, autoBatch: false });
    expect(native.steps[0]!.batches.map(({ samples }) => samples.length)).toEqual([8]);
  });
});

describe('a budget that is too small for one row', () => {
  const budget = '2MB';
  const line =
    /^memory_budget, 2\.00 MB, is too small to train in: the smallest memory_budget that works is ([\d.]+MB) \(one row, a label of 64 tokens\); (.*)$/;

  it('is refused before training, with the smallest that works and what would help', async () => {
    const error: WhisperError = await run({ memoryBudget: budget }).catch((error) => error);
    expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', message: expect.stringMatching(line) });
    const [, smallest, help] = line.exec(error.message)!;
    expect(parseBytes(smallest!)).toBeGreaterThanOrEqual(await bytes(1));
    expect(help).toMatch(
      /^with bf16 [\d.]+MB, with optim=adamw_bnb_8bit [\d.]+MB, with gradient_checkpointing [\d.]+MB, with freeze_encoder [\d.]+MB, with all of these [\d.]+MB$/,
    );
    const planned = await estimate(model, { batchSize: 1, labelLength: 64, freezeEncoder: true });
    expect(
      Math.abs(parseBytes(/freeze_encoder ([\d.]+MB)/.exec(help!)![1]!) / bytesFor(planned) - 1),
    ).toBeLessThan(0.01);
    expect((await run({ memoryBudget: smallest!, maxSteps: 1 })).events.at(-1)).toMatchObject({
      reason: 'done',
    });
  });

  it('offers only what is not used already, and helps', async () => {
    const error: WhisperError = await run({
      memoryBudget: budget,
      optim: 'adafactor',
      gradientCheckpointing: true,
      freezeEncoder: true,
    }).catch((error) => error);
    expect(error.message).not.toMatch(/with (optim|gradient_checkpointing|freeze_encoder)/);
  });
});

describe('memory that does not suffice', () => {
  const halving = { perDeviceTrainBatchSize: 6, maxSteps: 4, autoFindBatchSize: true } as const;

  it('halves the rows at a time and makes the same update again, for the rest of the run', async () => {
    const { events, native } = await run({
      ...halving,
      setUp: (fake) => {
        fake.fits = 2;
      },
    });
    expect(of(events, 'notice').map(({ message }) => message)).toEqual([
      'update 1: 6 rows at a time do not fit memory, going on with 3',
      'update 1: 3 rows at a time do not fit memory, going on with 2',
    ]);
    const sizes = native.steps.map(({ batches }) => batches.map(({ samples }) => samples.length));
    expect(sizes).toEqual([
      [2, 2, 2],
      [2, 2],
      [2, 2, 2],
      [2, 2],
    ]);
    // Every token weighs as in the whole micro-batch.
    const whole = await run({ ...halving, outputDir: join(outputDir, 'whole') });
    for (const [i, { options, batches }] of native.steps.entries()) {
      const { scales } = whole.native.steps[i]!.options;
      expect([...options.scales]).toEqual(batches.map(() => scales[0]));
    }
    expect(of(events, 'step').map(({ loss }) => loss)).toEqual(
      of(whole.events, 'step').map(({ loss }) => expect.closeTo(loss, 6)),
    );
  });

  it('goes on so when resumed', async () => {
    const setUp = (fake: { fits: number }) => {
      fake.fits = 2;
    };
    const saving = { ...halving, saveStrategy: 'steps', saveSteps: 2, maxSteps: 2, setUp } as const;
    await run(saving);
    const { events, native } = await run({ ...saving, maxSteps: 4 });
    expect(of(events, 'notice').filter(({ message }) => message.includes('rows at a time'))).toEqual([]);
    expect(native.steps[0]!.batches.map(({ samples }) => samples.length)).toEqual([2, 2, 2]);
    rmSync(outputDir, { recursive: true });
  });

  it('is an error when one row does not fit, and the last update is kept', async () => {
    const attempt = run({
      ...halving,
      setUp: (fake) => {
        const step = fake.step.bind(fake);
        fake.step = async (...given) => {
          if (fake.steps.length === 2) fake.fits = 0;
          return step(...given);
        };
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringMatching(
        new RegExp(
          '^update 3: one row does not fit memory: a step is planned to take [\\d.]+ MB \\(weights .*\\); the smallest memory_budget that works is [\\d.]+MB .*; the model of ' +
            `update 2 is in ${join(outputDir, 'checkpoint-2')}$`,
        ),
      ),
    });
    expect(folders()).toEqual(['checkpoint-2']);
  });

  it('is an error at once where nothing allows smaller micro-batches', async () => {
    const attempt = run({
      perDeviceTrainBatchSize: 6,
      setUp: (fake) => {
        fake.fits = 3;
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringMatching(
        /^update 1: micro-batches of 6 rows do not fit memory: a step is planned to take [\d.]+ MB \(weights .*\); auto_batch and auto_find_batch_size go on with smaller micro-batches; the smallest/,
      ),
    });
  });

  it('in an evaluation names the option that asks for less, and keeps the last update', async () => {
    const attempt = run({
      evalStrategy: 'steps',
      evalSteps: 3,
      setUp: (fake) => {
        const loss = fake.loss.bind(fake);
        fake.loss = async (batch) => {
          if (fake.steps.length === 3) throw new WhisperError('ERR_OUT_OF_MEMORY', 'cpu: too much');
          return loss(batch);
        };
      },
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message:
        'evaluation of 2 rows at a time: cpu: too much; give a smaller per_device_eval_batch_size; the model of update 3 is ' +
        `in ${join(outputDir, 'checkpoint-3')}`,
    });
    expect(folders()).toEqual(['checkpoint-3']);
  });
});
