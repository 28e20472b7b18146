// What a step waits for its data: measured, logged, and nothing where the data is prepared while the step before runs.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decoderPool } from '../../src/data/decode/pool.js';
import { fromIterable } from '../../src/data/index.js';
import type { TrainingEvent } from '../../src/train/events.js';
import { Trainer } from '../../src/train/trainer.js';
import { type FakeNative, fakeWhisper, rows } from './fake-model.js';
import { json, of, outputDir, run } from './runs.js';

// Milliseconds; time passes only where a test says so.
let now: number;
beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

/** Lets everything happen that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise(setImmediate);
}

const shared = {
  perDeviceTrainBatchSize: 1,
  shuffleBufferSize: 1,
  saveStrategy: 'no',
  language: 'en',
} as const;

it('is the time until a step has all of its data', async () => {
  // A batch is known to be complete when the row after it is there.
  let allowed = 0;
  let allow: (() => void) | undefined;
  async function* slow() {
    for (const [i, row] of rows(9).entries()) {
      while (i >= allowed) await new Promise<void>((resolve) => (allow = resolve));
      allow = undefined;
      yield row;
    }
  }
  const { model } = await fakeWhisper();
  const trainDataset = fromIterable(slow);
  const trainer = new Trainer(model, { ...shared, outputDir, trainDataset, maxSteps: 3, loggingSteps: 3 });
  const events: TrainingEvent[] = [];
  const training = (async () => {
    for await (const event of trainer.train()) events.push(event);
  })();
  for (const [until, milliseconds] of [
    [2, 500],
    [3, 1500],
    [9, 250],
  ] as const) {
    // Opening the run takes real time.
    while (!allow) await settle();
    await settle();
    now += milliseconds;
    allowed = until;
    allow();
  }
  await training;
  expect(of(events, 'step').map(({ dataWait, seconds }) => [dataWait, seconds])).toEqual([
    [0.5, 0.5],
    [1.5, 1.5],
    [0.25, 0.25],
  ]);
  expect(of(events, 'log')[0]!.dataWait).toBe(0.75);
  expect(json('trainer_state.json').log_history[0]).toMatchObject({ step: 3, data_wait: 0.75 });
});

describe('data that is prepared while a step runs', () => {
  /** Rows each of which takes 10 ms to read, and an engine whose steps take a second in which everything else happens. */
  function slowly(count: number) {
    const read = { rows: 0 };
    async function* source() {
      for (const row of rows(count)) {
        await new Promise(setImmediate);
        now += 10;
        read.rows += 1;
        yield row;
      }
    }
    const setUp = (native: FakeNative) => {
      const { step } = native;
      native.step = async (...given) => {
        now += 1000;
        await settle();
        return step.call(native, ...given);
      };
    };
    return { trainDataset: fromIterable(source), setUp, read };
  }

  it.each([1, 3])('is not waited for, with %i micro-batches to a step', async (gradientAccumulationSteps) => {
    const { read: _, ...given } = slowly(400);
    const { events } = await run({
      ...shared,
      ...given,
      // More than are on the threads' way at a time.
      perDeviceTrainBatchSize: 20,
      gradientAccumulationSteps,
      maxSteps: 6,
      loggingSteps: 2,
    });
    const waits = of(events, 'step').map(({ dataWait }) => dataWait);
    expect(waits[0]).toBeGreaterThan(0);
    expect(waits.slice(1)).toEqual([0, 0, 0, 0, 0]);
    expect(of(events, 'log').map(({ dataWait }) => dataWait)).toEqual([waits[0]! / 2, 0, 0]);
  });

  it('is at least a whole step ahead, and bounded', async () => {
    const { read, ...given } = slowly(1000);
    const batch = 4;
    const micro = 3;
    const ahead: number[] = [];
    await run({
      ...shared,
      ...given,
      perDeviceTrainBatchSize: batch,
      gradientAccumulationSteps: micro,
      maxSteps: 5,
      onEvent: (event) => event.type === 'step' && ahead.push(read.rows - batch * micro * event.step),
    });
    // The batches kept ready, the row that ends them, and those on the threads' way.
    const most = batch * micro + 1 + 2 * decoderPool().threads;
    for (const rows of ahead) {
      expect(rows).toBeGreaterThan(batch * micro);
      expect(rows).toBeLessThanOrEqual(most);
    }
    expect(ahead).toHaveLength(5);
  });
});

it('is kept over a resume, in the middle of two lines of the log', async () => {
  const options = { ...shared, maxSteps: 4, loggingSteps: 4, saveStrategy: 'steps', saveSteps: 3 } as const;
  const controller = new AbortController();
  const waiting = (seconds: number) => {
    async function* source() {
      for (const [i, row] of rows(9).entries()) {
        if (i === 0) {
          await new Promise(setImmediate);
          now += 1000 * seconds;
        }
        yield row;
      }
    }
    return fromIterable(source);
  };
  const stop = (event: TrainingEvent) => event.type === 'step' && event.step === 3 && controller.abort();
  await run({ ...options, trainDataset: waiting(8), signal: controller.signal, onEvent: stop });
  const { events } = await run({ ...options, trainDataset: waiting(0) });
  expect(of(events, 'log').map(({ step, dataWait }) => [step, dataWait])).toEqual([[4, 2]]);
});
