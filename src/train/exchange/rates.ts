// The rates that stand in an exported file: given, or those of the run whose checkpoint the source lies in.
import { join } from 'node:path';
import { z } from 'zod';
import { exists } from '../../files/folders.js';
import { readJson } from '../../files/json.js';
import { trainingOptions } from '../arguments.js';
import { learningRateAt, SCHEDULES } from '../schedule.js';
import type { Rates } from './optimizers.js';

/** Options of training that an optimizer's file repeats. */
export interface GivenRates {
  learningRate?: number | undefined;
  weightDecay?: number | undefined;
  adamBeta1?: number | undefined;
  adamBeta2?: number | undefined;
  adamEpsilon?: number | undefined;
}

const argumentsSchema = z.looseObject({
  learningRate: z.number().optional(),
  weightDecay: z.number().optional(),
  adamBeta1: z.number().optional(),
  adamBeta2: z.number().optional(),
  adamEpsilon: z.number().optional(),
  lrSchedulerType: z.enum(SCHEDULES).optional(),
  lrSchedulerKwargs: z.record(z.string(), z.union([z.number(), z.string()])).optional(),
  warmupSteps: z.number().optional(),
  warmupRatio: z.number().optional(),
});
const stateSchema = z.looseObject({ max_steps: z.number() });

/**
 * What is given, else what `training_args.json` of the folder says, else the defaults of training. The current learning
 * rate follows the schedule of these files, where both are there; else it is the peak.
 *
 * @param step updates made
 * @throws WhisperError `ERR_FILE` or `ERR_CONFIG` naming the file and the key
 */
export async function findRates(folder: string, step: number, given: GivenRates): Promise<Rates> {
  const found = await readBeside(join(folder, 'training_args.json'), argumentsSchema);
  const state = await readBeside(join(folder, 'trainer_state.json'), stateSchema);
  const known = (value: number | undefined, ...others: (number | undefined)[]): number =>
    value ?? others.find((other) => other !== undefined)!;
  const rates = {
    learningRate: known(given.learningRate, found?.learningRate, trainingOptions.learning_rate.default),
    weightDecay: known(given.weightDecay, found?.weightDecay, trainingOptions.weight_decay.default),
    beta1: known(given.adamBeta1, found?.adamBeta1, trainingOptions.adam_beta1.default),
    beta2: known(given.adamBeta2, found?.adamBeta2, trainingOptions.adam_beta2.default),
    epsilon: known(given.adamEpsilon, found?.adamEpsilon, trainingOptions.adam_epsilon.default),
  };
  const { learningRate } = rates;
  if (found?.lrSchedulerType === undefined || state === undefined) {
    return { ...rates, currentLearningRate: learningRate };
  }
  const { lrSchedulerType, lrSchedulerKwargs, warmupSteps = 0, warmupRatio = 0 } = found;
  const schedule = { learningRate, lrSchedulerType, lrSchedulerKwargs, warmupSteps, warmupRatio };
  return { ...rates, currentLearningRate: learningRateAt(schedule, step, state.max_steps) };
}

/** A JSON file; undefined where there is none. */
async function readBeside<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S> | undefined> {
  return (await exists(path)) ? readJson(path, schema) : undefined;
}

/** The state_dict of torch's LambdaLR after `step` updates (torch/optim/lr_scheduler.py), for two groups. */
export function schedulerState(step: number, rates: Rates): Map<string, unknown> {
  const both = (value: unknown) => [value, value];
  return new Map<string, unknown>([
    ['base_lrs', both(rates.learningRate)],
    ['last_epoch', BigInt(step)],
    ['_step_count', BigInt(step + 1)],
    ['_is_initial', false],
    ['_get_lr_called_within_step', false],
    ['_last_lr', both(rates.currentLearningRate)],
    // Of functions without a state of their own, as transformers' are.
    ['lr_lambdas', both(new Map())],
  ]);
}
