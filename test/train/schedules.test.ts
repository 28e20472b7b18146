// Learning rates against values of transformers' and torch's schedules, and what DeepSpeed's formulas say.
import { describe, expect, it } from 'vitest';
import { NO_PLATEAU, type Plateau, plateauAfter } from '../../src/train/plateau.js';
import {
  checkSchedule,
  learningRateAt,
  type Schedule,
  type ScheduleKwargs,
} from '../../src/train/schedule.js';

/** The rates of ten updates from a peak of 2. */
const rates = (schedule: Schedule, warmupSteps: number, lrSchedulerKwargs: ScheduleKwargs = {}) =>
  Array.from({ length: 10 }, (_, update) =>
    learningRateAt(
      { learningRate: 2, lrSchedulerType: schedule, lrSchedulerKwargs, warmupSteps, warmupRatio: 0 },
      update,
      10,
    ),
  );

// transformers 5.17: get_scheduler(name, AdamW(lr=2), num_warmup_steps, num_training_steps=10, kwargs): lr before each step.
const golden: [Schedule, number, ScheduleKwargs, number[]][] = [
  ['cosine', 4, { num_cycles: 1.5 }, [0.0, 0.5, 1.0, 1.5, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0]],
  [
    'cosine_with_restarts',
    2,
    {},
    [0.0, 1.0, 2.0, 1.923879533, 1.707106781, 1.382683432, 1.0, 0.617316568, 0.292893219, 0.076120467],
  ],
  [
    'cosine_with_restarts',
    2,
    { num_cycles: 3 },
    [0.0, 1.0, 2.0, 1.382683432, 0.292893219, 1.923879533, 1.0, 0.076120467, 1.707106781, 0.617316568],
  ],
  [
    'polynomial',
    2,
    {},
    [0.0, 1.0, 2.0, 1.750000012, 1.500000025, 1.250000037, 1.00000005, 0.750000062, 0.500000075, 0.250000087],
  ],
  [
    'polynomial',
    2,
    { lr_end: 0.5, power: 2 },
    [0.0, 1.0, 2.0, 1.6484375, 1.34375, 1.0859375, 0.875, 0.7109375, 0.59375, 0.5234375],
  ],
  [
    'inverse_sqrt',
    3,
    {},
    [
      0.0,
      0.666666667,
      1.333333333,
      2.0,
      1.732050808,
      1.549193338,
      Math.SQRT2,
      1.309307341,
      1.224744871,
      1.154700538,
    ],
  ],
  [
    'inverse_sqrt',
    0,
    { timescale: 4 },
    [
      2.0,
      1.788854382,
      1.632993162,
      1.511857892,
      Math.SQRT2,
      1.333333333,
      1.264911064,
      1.206045378,
      1.154700538,
      1.109400392,
    ],
  ],
  [
    'cosine_with_min_lr',
    2,
    { min_lr: 0.2 },
    [0.0, 1.0, 2.0, 1.931491579, 1.736396103, 1.444415089, 1.1, 0.755584911, 0.463603897, 0.268508421],
  ],
  [
    'cosine_with_min_lr',
    2,
    { min_lr_rate: 0.2, num_cycles: 1 },
    [0.0, 1.0, 2.0, 1.765685425, 1.2, 0.634314575, 0.4, 0.634314575, 1.2, 1.765685425],
  ],
  [
    'cosine_warmup_with_min_lr',
    4,
    { min_lr_rate: 0.2 },
    [0.5, 1.0, 1.5, 2.0, 1.892820323, 1.6, 1.2, 0.8, 0.507179677, 0.4],
  ],
  [
    'cosine_warmup_with_min_lr',
    4,
    { min_lr: 0.2, warmup_lr_rate: 0.1 },
    [0.2, 0.8, 1.4, 2.0, 1.879422863, 1.55, 1.1, 0.65, 0.320577137, 0.2],
  ],
  [
    'warmup_stable_decay',
    3,
    { num_decay_steps: 4 },
    [0.0, 0.666666667, 1.333333333, 2.0, 2.0, 2.0, 2.0, 1.707106781, 1.0, 0.292893219],
  ],
  [
    'warmup_stable_decay',
    3,
    {
      num_decay_steps: 3,
      num_stable_steps: 2,
      warmup_type: 'cosine',
      decay_type: '1-sqrt',
      min_lr_ratio: 0.1,
    },
    [0.2, 0.65, 1.55, 2.0, 2.0, 2.0, 0.960769515, 0.530306154, 0.2, 0.2],
  ],
  [
    'warmup_stable_decay',
    4,
    { num_decay_steps: 4, warmup_type: '1-sqrt', decay_type: 'linear' },
    [0.0, 0.267949192, 0.585786438, 1.0, 2.0, 2.0, 2.0, 1.5, 1.0, 0.5],
  ],
];

describe('schedules with settings', () => {
  it.each(golden)('%s with %i updates of warm-up and %j', (schedule, warmup, kwargs, expected) => {
    checkSchedule(schedule, kwargs, 'lr_scheduler_kwargs');
    for (const [update, rate] of rates(schedule, warmup, kwargs).entries()) {
      expect(rate, `update ${update}`).toBeCloseTo(expected[update]!, 8);
    }
  });

  it('warm up for two updates at least, as DeepSpeed does', () => {
    for (const warmup of [0, 1, 2]) {
      expect(rates('WarmupLR', warmup).slice(0, 3)).toEqual([0, 2, 2]);
      expect(rates('WarmupDecayLR', warmup).slice(0, 5)).toEqual([0, 2, 2, 1.75, 1.5]);
    }
  });

  it('are nothing of a rate of 0', () => {
    const settings = { learningRate: 0, lrSchedulerKwargs: { min_lr: 0 }, warmupSteps: 0, warmupRatio: 0 };
    expect(learningRateAt({ ...settings, lrSchedulerType: 'cosine_with_min_lr' }, 5, 10)).toBe(0);
  });

  it('warm up by the logarithm, as DeepSpeed does', () => {
    const at = (type: Schedule, update: number, kwargs: ScheduleKwargs = {}) =>
      learningRateAt(
        {
          learningRate: 1,
          lrSchedulerType: type,
          lrSchedulerKwargs: kwargs,
          warmupSteps: 500,
          warmupRatio: 0,
        },
        update,
        5000,
      );
    // The shares that its documentation gives for 500 updates: 11 % after 1, 39 % after 10, 74 % after 100.
    expect(at('WarmupLR', 0)).toBe(0);
    expect(at('WarmupLR', 1)).toBeCloseTo(0.1115, 4);
    expect(at('WarmupLR', 10)).toBeCloseTo(0.3858, 4);
    expect(at('WarmupLR', 100)).toBeCloseTo(0.7426, 4);
    expect(at('WarmupLR', 600)).toBe(1);
    expect(at('WarmupDecayLR', 500)).toBe(1);
    expect(at('WarmupDecayLR', 2750)).toBeCloseTo(0.5, 12);
    expect(at('WarmupDecayLR', 100, { warmup_type: 'linear' })).toBeCloseTo(0.2, 12);
    expect(at('WarmupDecayLR', 0, { warmup_min_lr: 0.25 })).toBe(0.25);
  });

  it('take warm-up as a share of all updates', () => {
    expect(rates('linear', 0.4)).toEqual(rates('linear', 4));
  });

  it.each([
    ['linear', { num_cycles: 2 }, 'kw: linear has no setting num_cycles; it has none'],
    ['cosine', { cycles: 2 }, 'kw: cosine has no setting cycles; it has num_cycles'],
    ['cosine', { num_cycles: 'two' }, 'kw: num_cycles must be a number, got two'],
    [
      'WarmupLR',
      { warmup_type: 'exp' },
      'kw: warmup_type must be one of linear, cosine, 1-sqrt, log, got exp',
    ],
    ['cosine_with_min_lr', {}, 'kw: cosine_with_min_lr needs one of min_lr and min_lr_rate'],
    [
      'cosine_with_min_lr',
      { min_lr: 0, min_lr_rate: 0 },
      'kw: cosine_with_min_lr needs one of min_lr and min_lr_rate',
    ],
    ['warmup_stable_decay', {}, 'kw: warmup_stable_decay needs num_decay_steps'],
  ] as const)('refuse for %s %j', (schedule, kwargs, message) => {
    expect(() => checkSchedule(schedule, kwargs, 'kw')).toThrow(message);
  });
});

describe('reduce_lr_on_plateau', () => {
  const follow = (values: number[], grows: boolean, kwargs: ScheduleKwargs) => {
    let state: Plateau = NO_PLATEAU;
    return values.map((value) => {
      state = plateauAfter(state, value, grows, kwargs, 2);
      return 2 * state.factor;
    });
  };

  it('falls as torch’s does', () => {
    const values = [3, 2, 2.5, 2.4, 2.3, 2.2, 2.1, 1.9, ...Array(6).fill(1.95)];
    const kwargs = { patience: 1, factor: 0.5, cooldown: 1, min_lr: 0.3 };
    const expected = [2, 2, 2, 1, 1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3];
    for (const [i, rate] of follow(values, false, kwargs).entries()) {
      expect(rate, `evaluation ${i}`).toBeCloseTo(expected[i]!, 12);
    }
  });

  it('compares as it is told', () => {
    const kwargs = { patience: 0, threshold: 0.5, threshold_mode: 'abs' };
    for (const [i, rate] of follow([1, 1.4, 2, 2.2, 3], true, kwargs).entries()) {
      expect(rate).toBeCloseTo([2, 0.2, 0.2, 0.02, 0.02][i]!, 12);
    }
    // What the metric says of itself gives way to the mode.
    expect(follow([1, 2, 3], false, { patience: 0, mode: 'max' })).toEqual([2, 2, 2]);
  });

  it('stays where it would fall by next to nothing', () => {
    expect(follow([1, 2, 3], false, { patience: 0, factor: 0.5, eps: 0.6 })).toEqual([2, 1, 1]);
  });
});
