// Learning-rate schedules as factors of the peak rate: formulas of transformers (optimization.py) and, under the names
// WarmupLR and WarmupDecayLR, of DeepSpeed (lr_schedules.py).
import { WhisperError } from '../errors.js';

/** The shapes of `lr_scheduler_type`. */
export const SCHEDULES = [
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'constant',
  'constant_with_warmup',
  'inverse_sqrt',
  'reduce_lr_on_plateau',
  'cosine_with_min_lr',
  'cosine_warmup_with_min_lr',
  'warmup_stable_decay',
  'WarmupLR',
  'WarmupDecayLR',
] as const;

export type Schedule = (typeof SCHEDULES)[number];

/** `lr_scheduler_kwargs`: settings of a shape under their names in Python. */
export type ScheduleKwargs = Readonly<Record<string, number | string>>;

/** Where in the training a factor is asked for. */
interface Place {
  /** Updates made before this one: 0 for the first. */
  update: number;
  /** Updates of warm-up. */
  warmup: number;
  /** Updates of the whole training. */
  total: number;
  /** The peak learning rate, for settings that are rates. */
  peak: number;
}

type Numbers = Readonly<Record<string, number>>;

/** The settings each shape has; those of `reduce_lr_on_plateau` are in plateau.ts. */
const SETTINGS: Partial<Record<Schedule, readonly string[]>> = {
  cosine: ['num_cycles'],
  cosine_with_restarts: ['num_cycles'],
  polynomial: ['lr_end', 'power'],
  inverse_sqrt: ['timescale'],
  reduce_lr_on_plateau: [
    'factor',
    'patience',
    'threshold',
    'threshold_mode',
    'cooldown',
    'min_lr',
    'mode',
    'eps',
  ],
  cosine_with_min_lr: ['num_cycles', 'min_lr', 'min_lr_rate'],
  cosine_warmup_with_min_lr: ['num_cycles', 'min_lr', 'min_lr_rate', 'warmup_lr_rate'],
  warmup_stable_decay: [
    ...['num_decay_steps', 'num_stable_steps', 'min_lr_ratio', 'num_cycles'],
    ...['warmup_type', 'decay_type'],
  ],
  WarmupLR: ['warmup_min_lr', 'warmup_type'],
  WarmupDecayLR: ['warmup_min_lr', 'warmup_type'],
};

/** Settings that are words, and those they may be. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  warmup_type: ['linear', 'cosine', '1-sqrt', 'log'],
  decay_type: ['linear', 'cosine', '1-sqrt'],
  threshold_mode: ['rel', 'abs'],
  mode: ['min', 'max'],
};

/**
 * Refuses settings that a shape does not have.
 *
 * @param name of the option, for the message
 * @throws WhisperError `ERR_INVALID_ARGUMENT`
 */
export function checkSchedule(schedule: Schedule, kwargs: ScheduleKwargs, name: string): void {
  const refuse = (message: string): never => {
    throw new WhisperError('ERR_INVALID_ARGUMENT', `${name}: ${message}`);
  };
  const known = SETTINGS[schedule] ?? [];
  for (const [key, value] of Object.entries(kwargs)) {
    if (!known.includes(key)) {
      refuse(`${schedule} has no setting ${key}; it has ${known.join(', ') || 'none'}`);
    }
    const words = WORDS[key];
    const fits = words ? words.includes(`${value}`) : typeof value === 'number';
    if (!fits) refuse(`${key} must be ${words ? `one of ${words.join(', ')}` : 'a number'}, got ${value}`);
  }
  const needed: Partial<Record<Schedule, readonly string[]>> = {
    cosine_with_min_lr: ['min_lr', 'min_lr_rate'],
    cosine_warmup_with_min_lr: ['min_lr', 'min_lr_rate'],
    warmup_stable_decay: ['num_decay_steps'],
  };
  const one = needed[schedule];
  if (one && one.filter((key) => key in kwargs).length !== 1) {
    refuse(`${schedule} needs ${one.length > 1 ? `one of ${one.join(' and ')}` : one[0]}`);
  }
}

/**
 * What the peak learning rate is multiplied by for an update.
 *
 * With warm-up the factor rises from 0, so that the first update moves nothing: as in transformers, where the schedule
 * starts at step 0.
 *
 * @param update updates made before this one: 0 for the first
 * @param warmup updates of warm-up; `constant` has none
 * @param total updates of the whole training
 * @param peak the peak learning rate, for settings that are rates themselves
 */
export function scheduleFactor(
  schedule: Schedule,
  update: number,
  warmup: number,
  total: number,
  kwargs: ScheduleKwargs = {},
  peak = 1,
): number {
  const place = { update, warmup, total, peak };
  switch (schedule) {
    case 'constant':
    case 'reduce_lr_on_plateau':
      return 1;
    case 'warmup_stable_decay':
      return warmupStableDecay(place, kwargs);
    case 'cosine_warmup_with_min_lr':
      return cosineWarmup(place, kwargs as Numbers);
    case 'WarmupLR':
      return deepspeedWarmup(place, kwargs) ?? 1;
    case 'WarmupDecayLR':
      return (
        deepspeedWarmup(place, kwargs) ??
        Math.max(0, (total - update) / Math.max(1, total - deepspeedSteps(warmup)))
      );
    default:
      return update < warmup ? update / Math.max(1, warmup) : decayed(schedule, place, kwargs as Numbers);
  }
}

/** Behind a linear warm-up from 0. */
function decayed(schedule: Schedule, place: Place, kwargs: Numbers): number {
  const { update, warmup, total, peak } = place;
  const progress = (update - warmup) / Math.max(1, total - warmup);
  switch (schedule) {
    case 'linear':
      return Math.max(0, (total - update) / Math.max(1, total - warmup));
    case 'cosine':
      return Math.max(0, wave(2 * (kwargs.num_cycles ?? 0.5) * progress));
    case 'cosine_with_restarts':
      return progress >= 1 ? 0 : Math.max(0, wave(((kwargs.num_cycles ?? 1) * progress) % 1));
    case 'cosine_with_min_lr':
      return above(floorOf(kwargs, peak), wave(2 * (kwargs.num_cycles ?? 0.5) * progress));
    case 'polynomial': {
      const end = (kwargs.lr_end ?? 1e-7) / peak;
      return end + (1 - end) * Math.max(0, 1 - progress) ** (kwargs.power ?? 1);
    }
    case 'inverse_sqrt': {
      const scale = kwargs.timescale ?? (warmup || 10_000);
      return Math.sqrt(scale / (update + scale - warmup));
    }
    default:
      return 1;
  }
}

/** A falling half of a cosine from 1 at 0 to 0 at 1, and on. */
function wave(angle: number): number {
  return 0.5 * (1 + Math.cos(Math.PI * angle));
}

/** From 0 … 1 to least … 1. */
function above(least: number, factor: number): number {
  return Math.max(0, factor * (1 - least) + least);
}

/** The lowest factor: a share of the peak rate, or a rate. */
function floorOf({ min_lr: rate = 0, min_lr_rate: share }: Numbers, peak: number): number {
  return share ?? rate / peak;
}

/** A cosine whose warm-up ends, and whose decay begins, one update earlier than those of the others. */
function cosineWarmup({ update, warmup, total, peak }: Place, kwargs: Numbers): number {
  const { warmup_lr_rate: first, num_cycles: cycles = 0.5 } = kwargs;
  if (update < warmup && first === undefined) return (update + 1) / Math.max(1, warmup);
  if (update < warmup) return first! + ((1 - first!) * update) / Math.max(1, warmup - 1);
  const progress = (update - warmup + 1) / Math.max(1, total - warmup);
  return above(floorOf(kwargs, peak), wave(2 * cycles * progress));
}

/** What is left of the rate when a share of the way down is done; read backwards it is a way up. */
const CURVES: Readonly<Record<string, (done: number, cycles: number) => number>> = {
  linear: (done) => 1 - done,
  cosine: (done, cycles) => wave(2 * cycles * done),
  '1-sqrt': (done) => 1 - Math.sqrt(done),
};

/** Warm-up, the peak rate for as long as there is time, and a decay at the end. */
function warmupStableDecay({ update, warmup, total }: Place, kwargs: ScheduleKwargs): number {
  const { num_decay_steps: decay = 0, min_lr_ratio: least = 0, num_cycles: cycles = 0.5 } = kwargs as Numbers;
  const { warmup_type: up = 'linear', decay_type: down = 'cosine' } = kwargs;
  const decayAt = warmup + ((kwargs as Numbers).num_stable_steps ?? total - warmup - decay);
  if (update < warmup) return above(least, CURVES[up]!(1 - update / Math.max(1, warmup), 0.5));
  if (update < decayAt) return 1;
  if (update >= decayAt + decay) return least;
  return above(least, CURVES[down]!((update - decayAt) / Math.max(1, decay), cycles));
}

/** Updates of DeepSpeed's warm-up: two at least, or the logarithm of one would be divided by. */
function deepspeedSteps(warmup: number): number {
  return Math.max(2, warmup);
}

/** By the logarithm of the update, or linearly, from a lowest rate; undefined behind it. */
function deepspeedWarmup({ update, warmup, peak }: Place, kwargs: ScheduleKwargs): number | undefined {
  const steps = deepspeedSteps(warmup);
  if (update >= steps) return undefined;
  const least = ((kwargs as Numbers).warmup_min_lr ?? 0) / peak;
  const rise = kwargs.warmup_type === 'linear' ? update / steps : Math.log(update + 1) / Math.log(steps);
  return least + (1 - least) * rise;
}

/** The part of the options that decides about the learning rate. */
export interface ScheduleSettings {
  learningRate: number;
  lrSchedulerType: Schedule;
  lrSchedulerKwargs?: ScheduleKwargs | undefined;
  /** Below 1 a share of all updates, as `warmupRatio`. */
  warmupSteps: number;
  /** Counts when `warmupSteps` is 0. */
  warmupRatio: number;
}

/** Updates of warm-up, of `total`. */
export function warmupUpdates({ warmupSteps, warmupRatio }: ScheduleSettings, total: number): number {
  if (warmupSteps >= 1) return warmupSteps;
  return Math.ceil(total * (warmupSteps > 0 ? warmupSteps : warmupRatio));
}

/** The learning rate of an update, the first being 0, of `total`. */
export function learningRateAt(settings: ScheduleSettings, update: number, total: number): number {
  const { learningRate: peak, lrSchedulerType, lrSchedulerKwargs } = settings;
  // Settings that are rates are shares of the peak, which may be 0.
  if (peak === 0) return 0;
  const warmup = warmupUpdates(settings, total);
  return peak * scheduleFactor(lrSchedulerType, update, warmup, total, lrSchedulerKwargs, peak);
}
