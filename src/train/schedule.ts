// Learning-rate schedules: transformers' formulas (optimization.py), as a factor of the peak rate.

/** The shapes of `lr_scheduler_type`. */
export const SCHEDULES = ['linear', 'cosine', 'constant', 'constant_with_warmup'] as const;

export type Schedule = (typeof SCHEDULES)[number];

/**
 * What the peak learning rate is multiplied by for an update.
 *
 * With warm-up the factor rises linearly from 0, so that the first update moves nothing: as in transformers, where the
 * schedule starts at step 0.
 *
 * @param update updates made before this one: 0 for the first
 * @param warmup updates of warm-up; `constant` has none
 * @param total updates of the whole training
 */
export function scheduleFactor(schedule: Schedule, update: number, warmup: number, total: number): number {
  if (schedule === 'constant') return 1;
  if (update < warmup) return update / Math.max(1, warmup);
  const decay = Math.max(1, total - warmup);
  switch (schedule) {
    case 'constant_with_warmup':
      return 1;
    case 'linear':
      return Math.max(0, (total - update) / decay);
    case 'cosine':
      return Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (update - warmup)) / decay)));
  }
}

/** The part of the options that decides about the learning rate. */
export interface ScheduleSettings {
  learningRate: number;
  lrSchedulerType: Schedule;
  warmupSteps: number;
  /** Counts when `warmupSteps` is 0. */
  warmupRatio: number;
}

/** The learning rate of an update, the first being 0, of `total`. */
export function learningRateAt(settings: ScheduleSettings, update: number, total: number): number {
  const { learningRate, lrSchedulerType, warmupSteps, warmupRatio } = settings;
  const warmup = warmupSteps > 0 ? warmupSteps : Math.ceil(total * warmupRatio);
  return learningRate * scheduleFactor(lrSchedulerType, update, warmup, total);
}
