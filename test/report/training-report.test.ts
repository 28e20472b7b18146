// What people see of a training run: lines where there is no terminal, one line that changes where there is one.
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/report/listener.js';
import { type Memory, TrainingReport } from '../../src/report/training-report.js';
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
  async function lines(events: RunEvent[], memory?: Memory): Promise<string[]> {
    let text = '';
    const report = new TrainingReport(
      { err: (more) => (text += more) },
      memory && (() => Promise.resolve(memory)),
    );
    for (const event of events) await report.tell(event);
    await report.close();
    return text.trimEnd().split('\n');
  }

  it('a line says what its steps waited for data, also where that is nothing', async () => {
    const told = await lines([start, step(1, 0.5), log(1, 0.5), step(2, 0), log(2, 0)]);
    expect(told[1]).toBe(
      'update 1/4  epoch 0.25  loss 1.5000  lr 1.0e-3  grad norm 2.00  data wait 0.50 s  0.8 rows/s, 2.0 audio-s/s  0:30 left',
    );
    expect(told[2]).toMatch(/ {2}data wait 0\.00 s {2}/);
  });

  it('an evaluation counts its rows by tenths, or by hundreds where nobody knows how many there are', async () => {
    const known = [10, 30, 35, 55, 100].map((rows) => evaluating(rows, 100));
    expect(await lines(known)).toEqual([10, 30, 55, 100].map((rows) => `update 2: evaluating: ${rows}/100`));
    expect(await lines([60, 99, 101, 150, 200].map((rows) => evaluating(rows)))).toEqual([
      'update 2: evaluating: 101',
      'update 2: evaluating: 200',
    ]);
  });

  it('a line says what the engine holds, and of a GPU what is left', async () => {
    const events = [start, step(1, 0), log(1, 0)];
    const onCpu = await lines(events, { live: 1.2e9, peak: 1.53e9, available: 0 });
    expect(onCpu[1]).toContain('audio-s/s  memory 1.20 GB (peak 1.53 GB)  0:30 left');
    const onGpu = await lines(events, { live: 1.2e9, peak: 1.53e9, available: 64e9 });
    expect(onGpu[1]).toContain('  memory 1.20 GB (peak 1.53 GB, 64.0 GB left)  ');
  });

  it('an evaluation stands beside the one before the first update', async () => {
    const counts = { samples: 5, batches: 2, audioSeconds: 5, seconds: 1, dropped: {} };
    const told = await lines([
      { type: 'evaluate', step: 0, epoch: 0, wer: 50, ...counts },
      { type: 'evaluate', step: 2, epoch: 1, wer: 40, ...counts },
    ]);
    expect(told).toEqual([
      'before the first update: WER 50.00 % (5 rows, 1.0 s)',
      'update 2: WER 40.00 % (5 rows, 1.0 s); WER 50.00 % before the first update',
    ]);
  });

  it('results come as the block of transformers', async () => {
    const metrics = {
      train_runtime: 3725.678,
      epoch: 3,
      train_loss: 0.123456,
      train_samples: 12,
      total_flos: 2 ** 31,
    };
    expect(await lines([{ type: 'results', split: 'train', step: 4, metrics }])).toEqual([
      '***** train metrics *****',
      '  epoch         =        3.0',
      '  total_flos    =        2GF',
      '  train_loss    =     0.1235',
      '  train_runtime = 1:02:05.67',
      '  train_samples =         12',
    ]);
  });
});

describe('on a terminal', () => {
  /** What stands there at the end. */
  async function last(events: TrainingEvent[], memory?: Memory): Promise<string> {
    const stream = new PassThrough();
    const screen = Object.assign(stream, {
      isTTY: true,
      columns: 200,
      clearLine: () => true,
      cursorTo: () => true,
      moveCursor: () => true,
    }) as unknown as NodeJS.WriteStream;
    const report = new TrainingReport({ err: () => {}, screen }, memory && (() => Promise.resolve(memory)));
    for (const event of events) await report.tell(event);
    await report.close();
    const written = stream.read().toString() as string;
    return written.slice(written.lastIndexOf('loss'));
  }

  it('the line tells of waiting for data where that is a hundredth of the time', async () => {
    expect(await last([start, step(1, 0.5)])).toContain('| 0:30 left | data wait 0.50 s');
    expect(await last([start, step(1, 0.09)])).not.toContain('data wait');
  });

  it('the line tells how far an evaluation is, while it goes on', async () => {
    const before = [start, step(1, 0), evaluating(4, 5)];
    expect(await last(before)).toContain('| evaluating 4/5');
    expect(await last([...before.slice(0, 2), evaluating(4)])).toMatch(/\| evaluating 4(?!\/)/);
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
    expect(await last([...before, evaluated])).not.toContain('evaluating');
  });

  it('the line tells of memory from the first line of the log on', async () => {
    const memory = { live: 1e9, peak: 2e9, available: 0 };
    expect(await last([start, step(1, 0), log(1, 0)], memory)).toContain(
      '0.8 rows/s | 0:30 left | memory 1.00 GB (peak 2.00 GB)',
    );
  });
});
