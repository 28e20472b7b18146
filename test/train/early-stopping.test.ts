// What evaluations change in a run: its early end, its best checkpoint by another set's metric, its learning rate.
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromIterable } from '../../src/data/index.js';
import { NO_PATIENCE, patienceAfter } from '../../src/train/improvement.js';
import type { TrainerOptions } from '../../src/train/trainer.js';
import { type FakeNative, rows } from './fake-model.js';
import { folders, json, of, outputDir, run } from './runs.js';

describe('patience', () => {
  const after = (values: number[], grows = false, threshold = 0) => {
    let state = NO_PATIENCE;
    return values.map((value) => {
      state = patienceAfter(state, value, grows, threshold);
      return state.bad;
    });
  };

  it('counts evaluations that are not better than the best before them', () => {
    expect(after([5, 4, 4, 4.5, 3, 6])).toEqual([0, 0, 1, 2, 0, 1]);
    expect(after([5, 6, 6, 7], true)).toEqual([0, 0, 1, 0]);
  });

  // As transformers' EarlyStoppingCallback: the best moves with improvements that are too small to count.
  it('needs more than the threshold', () => {
    expect(after([5, 4.6, 4.2, 3.5], false, 0.5)).toEqual([0, 1, 2, 0]);
    expect(after([5, 4.5, 3.5], false, 0.5)).toEqual([0, 1, 0]);
  });
});

const options = {
  evalStrategy: 'steps',
  evalSteps: 2,
  saveStrategy: 'steps',
  saveSteps: 2,
  maxSteps: 20,
  earlyStoppingPatience: 2,
  loadBestModelAtEnd: true,
  evalOnStart: false,
} as const;

/** Losses of the evaluations, one after the other; each has three batches. */
const losing =
  (losses: number[], batches = 3) =>
  (fake: FakeNative): void => {
    let calls = 0;
    fake.loss = async (batch) => {
      const loss = losses[Math.min(losses.length - 1, Math.floor(calls++ / batches))]!;
      const rows = batch.samples.length;
      return { sums: new Float32Array(rows).fill(loss), tokens: new Int32Array(rows).fill(1) };
    };
  };

describe('early stopping', () => {
  it('ends the run, with the best checkpoint', async () => {
    const { events, trainer } = await run({ ...options, setUp: losing([5, 3, 4, 3.5, 1]) });
    expect(of(events, 'evaluate').map(({ step, loss }) => [step, loss])).toEqual([
      [2, 5],
      [4, 3],
      [6, 4],
      [8, 3.5],
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 8, reason: 'early' });
    expect(trainer.state.bestStep).toBe(4);
    expect(json('trainer_state.json')).toMatchObject({
      global_step: 8,
      max_steps: 20,
      best_global_step: 4,
      stateful_callbacks: {
        EarlyStoppingCallback: {
          args: { early_stopping_patience: 2, early_stopping_threshold: 0 },
          attributes: { early_stopping_patience_counter: 2 },
        },
      },
    });
  });

  it('goes on counting where it was resumed', async () => {
    const setUp = losing([5, 3, 4, 4, 1]);
    const whole = await run({ ...options, setUp });
    rmSync(outputDir, { recursive: true });
    const controller = new AbortController();
    await run({
      ...options,
      setUp: losing([5, 3, 4]),
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.step === 7 && controller.abort(),
    });
    const again = await run({ ...options, setUp: losing([4, 1]) });
    expect(again.events.at(-1)).toEqual(
      expect.objectContaining({ step: 8, reason: 'early', epoch: whole.trainer.state.epoch }),
    );
  });

  it('needs evaluations', async () => {
    await expect(run({ earlyStoppingPatience: 1 })).rejects.toThrow(
      'earlyStoppingPatience needs an evalStrategy of steps or epoch, got no',
    );
  });
});

describe('further evaluation sets', () => {
  const extra: Partial<TrainerOptions> = { extraEvalDatasets: { other: fromIterable(rows(3), 'other') } };

  it('are evaluated too, under their own names, and may decide about the best', async () => {
    // Five rows in three batches, then three rows in two.
    const losses = [1, 1, 1, 9, 9, 2, 2, 2, 4, 4, 3, 3, 3, 6, 6];
    const { events } = await run({
      ...options,
      ...extra,
      maxSteps: 6,
      earlyStoppingPatience: 9,
      metricForBestModel: 'other_loss',
      setUp: losing(losses, 1),
    });
    expect(of(events, 'evaluate').map(({ step, name, loss }) => [step, name, loss])).toEqual([
      [2, undefined, 1],
      [2, 'other', 9],
      [4, undefined, 2],
      [4, 'other', 4],
      [6, undefined, 3],
      [6, 'other', 6],
    ]);
    expect(of(events, 'evaluating').some(({ name }) => name === 'other')).toBe(true);
    const state = json('trainer_state.json');
    expect(state).toMatchObject({ best_global_step: 4, best_metric: 4 });
    expect(state.log_history.filter((row: object) => 'eval_other_loss' in row)).toHaveLength(3);
  });

  it('have the metrics that a name may ask for', async () => {
    await expect(run({ ...options, ...extra, metricForBestModel: 'rouge' })).rejects.toThrow(
      'metricForBestModel must be one of loss, wer, cer, other_loss, other_wer, other_cer, which evaluations produce, got "rouge"',
    );
    await expect(run({ ...options, ...extra, metricForBestModel: 'other_wer' })).rejects.toThrow(
      'metricForBestModel eval_other_wer needs predictWithGenerate',
    );
  });
});

describe('reduce_lr_on_plateau', () => {
  it('lowers the rate of the updates after an evaluation', async () => {
    const { native } = await run({
      ...options,
      maxSteps: 8,
      earlyStoppingPatience: 9,
      lrSchedulerType: 'reduce_lr_on_plateau',
      lrSchedulerKwargs: { patience: 0, factor: 0.5 },
      setUp: losing([3, 4, 2, 5]),
    });
    expect(native.steps.map(({ options }) => options.encoderRate)).toEqual([
      0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05,
    ]);
    expect(folders()).toContain('checkpoint-8');
  });
});

describe('when', () => {
  it('takes shares of all updates', async () => {
    const { events } = await run({
      evalStrategy: 'steps',
      evalSteps: 0.25,
      loggingSteps: 0.1,
      saveStrategy: 'steps',
      saveSteps: 0.5,
      evalOnStart: false,
    });
    const steps = (type: 'evaluate' | 'log' | 'save') => of(events, type).map(({ step }) => step);
    expect(steps('evaluate')).toEqual([2, 4, 6, 8]);
    expect(steps('log')).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(steps('save')).toEqual([4, 8]);
    expect(json('trainer_state.json')).toMatchObject({ eval_steps: 2, logging_steps: 1, save_steps: 4 });
    await expect(run({ loggingSteps: 2.5 })).rejects.toThrow(
      'loggingSteps must be a whole number, or a share of all updates below 1, got 2.5',
    );
  });

  it('waits before the first evaluation, and logs by the epoch or not at all', async () => {
    const delayed = await run({ ...options, maxSteps: 8, evalDelay: 5, setUp: losing([1]) });
    expect(of(delayed.events, 'evaluate').map(({ step }) => step)).toEqual([6, 8]);
    rmSync(outputDir, { recursive: true });
    // The delay counts passes, each of five updates.
    const passes = await run({ evalStrategy: 'epoch', evalDelay: 2, evalOnStart: false, maxSteps: 16 });
    expect(of(passes.events, 'evaluate').map(({ step }) => step)).toEqual([10, 15]);
    rmSync(outputDir, { recursive: true });
    const byEpoch = await run({ loggingStrategy: 'epoch', maxSteps: 11 });
    expect(of(byEpoch.events, 'log').map(({ step }) => step)).toEqual([5, 10]);
    rmSync(outputDir, { recursive: true });
    const never = await run({ loggingStrategy: 'no', loggingFirstStep: true });
    expect(of(never.events, 'log').map(({ step }) => step)).toEqual([1]);
  });
});

describe('checkpoints', () => {
  it('may be of the model alone, which cannot be resumed from', async () => {
    await run({ saveStrategy: 'steps', saveSteps: 4, saveOnlyModel: true });
    expect(folders()).toContain('checkpoint-8');
    await expect(run({ saveStrategy: 'steps', saveSteps: 4, maxSteps: 12 })).rejects.toThrow(
      /cannot resume from .*checkpoint-8: it has no optimizer.safetensors/,
    );
  });

  it('may be gone on from with the data from its start', async () => {
    const data = ({ steps }: FakeNative) =>
      steps.map(({ batches }) => batches.map(({ samples }) => samples.map(({ length }) => length)));
    const first = await run({ saveStrategy: 'steps', saveSteps: 3, maxSteps: 3 });
    const again = await run({ saveStrategy: 'no', maxSteps: 6, ignoreDataSkip: true });
    expect(data(again.native)).toEqual(data(first.native));
  });

  it('may be gone on from at the start of a later pass, with another buffer', async () => {
    const first = await run({ saveStrategy: 'steps', saveSteps: 7, maxSteps: 7, shuffleBufferSize: 4 });
    const pass = Math.floor((first.events.at(-1) as { epoch: number }).epoch);
    expect(pass).toBeGreaterThan(0);
    const again = await run({ saveStrategy: 'no', maxSteps: 8, ignoreDataSkip: true, shuffleBufferSize: 5 });
    expect((again.events.at(-1) as { epoch: number }).epoch).toBeGreaterThan(pass);
  });
});
