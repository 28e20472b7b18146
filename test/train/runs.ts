// Training runs against a stand-in for the engine, each in an output folder of its own that the test's end removes.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { fromIterable } from '../../src/data/index.js';
import type { Precision } from '../../src/native.js';
import type { TrainingEvent } from '../../src/train/events.js';
import { Trainer, type TrainerOptions } from '../../src/train/trainer.js';
import { type FakeNative, fakeWhisper, rows } from './fake-model.js';

/** Where the running test trains into. */
export let outputDir: string;
beforeEach(() => {
  outputDir = join(mkdtempSync(join(tmpdir(), 'trainer-')), 'out');
});
afterEach(() => rmSync(join(outputDir, '..'), { recursive: true, force: true }));

/** A JSON file of the output folder. */
export const json = (...path: string[]) => JSON.parse(readFileSync(join(outputDir, ...path), 'utf8'));
/** The folders in the output folder. */
export const folders = () =>
  readdirSync(outputDir)
    .filter((name) => !name.includes('.'))
    .sort();

export interface Run {
  events: TrainingEvent[];
  native: FakeNative;
  trainer: Trainer;
}

type More = Partial<TrainerOptions> & {
  onEvent?: (event: TrainingEvent) => void;
  setUp?: (native: FakeNative) => void;
  precision?: Precision;
};

/** Trains to the end and returns what happened. */
export async function run({ onEvent, setUp, precision, ...more }: More = {}): Promise<Run> {
  const { model, native } = await fakeWhisper(precision);
  setUp?.(native);
  const trainer = new Trainer(model, {
    outputDir,
    trainDataset: fromIterable(rows(10)),
    evalDataset: fromIterable(rows(5)),
    perDeviceTrainBatchSize: 2,
    perDeviceEvalBatchSize: 2,
    maxSteps: 8,
    learningRate: 0.1,
    saveStrategy: 'no',
    shuffleBufferSize: 4,
    language: 'en',
    ...more,
  });
  const events: TrainingEvent[] = [];
  for await (const event of trainer.train()) {
    events.push(event);
    onEvent?.(event);
  }
  return { events, native, trainer };
}

/** The events of one type. */
export const of = <T extends TrainingEvent['type']>(events: TrainingEvent[], type: T) =>
  events.filter((event): event is Extract<TrainingEvent, { type: T }> => event.type === type);
