// Options of the learning rate over time.
import { z } from 'zod';
import { choice, json, number } from '../option.js';
import { SCHEDULES } from '../schedule.js';

export const scheduleOptions = {
  lr_scheduler_type: choice('learning rate over time', SCHEDULES, 'linear'),
  lr_scheduler_kwargs: json(
    'settings of the learning rate over time, as {"num_cycles": 2}',
    z.record(z.string(), z.union([z.number(), z.string()])),
    'a JSON object of numbers and words, as {"num_cycles": 2}',
  ),
  warmup_steps: number('updates of linear warm-up, or below 1 their share of all updates', 0, { least: 0 }),
  warmup_ratio: number('warm-up as a share of all updates, when warmup_steps is 0', 0, { least: 0, most: 1 }),
};
