// The schedule reduce_lr_on_plateau: the learning rate falls where evaluations no longer improve (torch's
// ReduceLROnPlateau).
import type { ScheduleKwargs } from './schedule.js';

/** JSON, saved with a run. */
export interface Plateau {
  /** What the peak learning rate is multiplied by. */
  factor: number;
  best: number | undefined;
  /** Evaluations in a row without improvement. */
  bad: number;
  /** Evaluations still to come that count for nothing. */
  cooldown: number;
}

export const NO_PLATEAU: Plateau = { factor: 1, best: undefined, bad: 0, cooldown: 0 };

/**
 * The state after an evaluation.
 *
 * @param value of the metric
 * @param grows whether a larger value is better
 * @param peak the peak learning rate, which `min_lr` is compared with
 */
export function plateauAfter(
  before: Plateau,
  value: number,
  grows: boolean,
  kwargs: ScheduleKwargs,
  peak: number,
): Plateau {
  const setting = (name: string, value: number) => (kwargs[name] as number | undefined) ?? value;
  const up = kwargs.mode === undefined ? grows : kwargs.mode === 'max';
  const better = before.best === undefined || isBetter(value, before.best, up, kwargs);
  const cooling = before.cooldown > 0;
  const bad = cooling || better ? 0 : before.bad + 1;
  const after: Plateau = {
    factor: before.factor,
    best: better ? value : before.best,
    bad,
    cooldown: cooling ? before.cooldown - 1 : 0,
  };
  if (bad <= setting('patience', 10)) return after;
  const factor = Math.max(before.factor * setting('factor', 0.1), setting('min_lr', 0) / peak);
  const falls = (before.factor - factor) * peak > setting('eps', 1e-8);
  return { ...after, factor: falls ? factor : before.factor, bad: 0, cooldown: setting('cooldown', 0) };
}

function isBetter(value: number, best: number, up: boolean, kwargs: ScheduleKwargs): boolean {
  const threshold = (kwargs.threshold as number | undefined) ?? 1e-4;
  const relative = (kwargs.threshold_mode ?? 'rel') === 'rel';
  const margin = (up ? 1 : -1) * threshold;
  const bar = relative ? best * (1 + margin) : best + margin;
  return up ? value > bar : value < bar;
}
