// What people see of a training run: lines where there is no terminal, one line that changes where there is one.
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { TrainingReport } from '../../src/report/progress.js';
import type { StepEvent, TrainingEvent } from '../../src/train/events.js';

const start: TrainingEvent = {
  type: 'start',
  step: 0,
  maxSteps: 4,
  device: 'cpu',
  precision: 'f32',
  optim: 'adamw_torch',
  parameters: 2_000_000,
  trainable: 1_000_000,
  resumedFrom: undefined,
};

const step = (number: number, dataWait: number): StepEvent => ({
  type: 'step',
  step: number,
  maxSteps: 4,
  epoch: number / 4,
  loss: 1.5,
  learningRate: 1e-3,
  encoderRate: 1e-3,
  decoderRate: 1e-3,
  gradNorm: 2,
  lossScale: undefined,
  skippedSteps: undefined,
  rows: 8,
  tokens: 100,
  audioSeconds: 20,
  seconds: 10,
  dataWait,
});

const log = (number: number, dataWait: number): TrainingEvent => {
  const { epoch, loss, learningRate, gradNorm, lossScale, skippedSteps } = step(number, dataWait);
  return {
    type: 'log',
    step: number,
    epoch,
    loss,
    learningRate,
    gradNorm,
    dataWait,
    lossScale,
    skippedSteps,
  };
};

const evaluating = (rows: number, total?: number): TrainingEvent => ({
  type: 'evaluating',
  step: 2,
  rows,
  total,
});

describe('without a terminal', () => {
  function lines(events: TrainingEvent[]): string[] {
    let text = '';
    const report = new TrainingReport({ err: (more) => (text += more) });
    for (const event of events) report.tell(event);
    report.close();
    return text.trimEnd().split('\n');
  }

  it('a line says what its steps waited for data, also where that is nothing', () => {
    const told = lines([start, step(1, 0.5), log(1, 0.5), step(2, 0), log(2, 0)]);
    expect(told[1]).toBe(
      'update 1/4  epoch 0.25  loss 1.5000  lr 1.0e-3  grad norm 2.00  data wait 0.50 s  2.0 audio-s/s  0:30 left',
    );
    expect(told[2]).toMatch(/ {2}data wait 0\.00 s {2}/);
  });

  it('an evaluation counts its rows by tenths, or by hundreds where nobody knows how many there are', () => {
    const known = [10, 30, 35, 55, 100].map((rows) => evaluating(rows, 100));
    expect(lines(known)).toEqual([10, 30, 55, 100].map((rows) => `update 2: evaluating: ${rows}/100`));
    expect(lines([60, 99, 101, 150, 200].map((rows) => evaluating(rows)))).toEqual([
      'update 2: evaluating: 101',
      'update 2: evaluating: 200',
    ]);
  });
});

describe('on a terminal', () => {
  /** What stands there at the end. */
  function last(events: TrainingEvent[]): string {
    const stream = new PassThrough();
    const screen = Object.assign(stream, {
      isTTY: true,
      columns: 200,
      clearLine: () => true,
      cursorTo: () => true,
      moveCursor: () => true,
    }) as unknown as NodeJS.WriteStream;
    const report = new TrainingReport({ err: () => {}, screen });
    for (const event of events) report.tell(event);
    report.close();
    const written = stream.read().toString() as string;
    return written.slice(written.lastIndexOf('loss'));
  }

  it('the line tells of waiting for data where that is a hundredth of the time', () => {
    expect(last([start, step(1, 0.5)])).toContain('| 0:30 left | data wait 0.50 s');
    expect(last([start, step(1, 0.09)])).not.toContain('data wait');
  });

  it('the line tells how far an evaluation is, while it goes on', () => {
    const before = [start, step(1, 0), evaluating(4, 5)];
    expect(last(before)).toContain('| evaluating 4/5');
    expect(last([...before.slice(0, 2), evaluating(4)])).toMatch(/\| evaluating 4(?!\/)/);
    const evaluated: TrainingEvent = {
      type: 'evaluate',
      step: 2,
      epoch: 0.5,
      loss: 1,
      samples: 5,
      batches: 2,
      audioSeconds: 5,
      seconds: 1,
      dropped: {},
    };
    expect(last([...before, evaluated])).not.toContain('evaluating');
  });
});
