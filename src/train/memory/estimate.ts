// The public planner: how many bytes training or running a model takes, without loading it.
import { WhisperError } from '../../errors.js';
import { nativeLora } from '../../model/lora.js';
import { configSizes, findSizes } from '../../model/sizes.js';
import type { Whisper } from '../../model/whisper.js';
import { addon, type NativePlan } from '../../native.js';
import { planOptions } from '../arguments.js';
import { checkCheckpointing, checkLora, checkOptimizer } from '../checks.js';
import { engineOptions } from '../engine-options.js';
import { givenLora } from '../lora.js';
import { camelCase, resolveOptions, type Values } from '../option.js';
import { planStep } from './fit.js';

/** What is planned, in camelCase; those left out have the defaults of training. */
export type EstimateOptions = Partial<Values<typeof planOptions>>;

/**
 * The exact bytes of a training step, or of evaluating the loss: what the engine would hold, from a dry run of the same
 * schedule that takes milliseconds.
 *
 * ```ts
 * const { peak } = await estimate('small', { batchSize: 16, labelLength: 128, precision: 'bf16', optim: 'adamw_8bit' });
 * ```
 *
 * @param model a model, a checkpoint folder, or the name of a released model: `small`, `openai/whisper-large-v3`
 * @throws WhisperError `ERR_FILE` when there is no such model, `ERR_INVALID_ARGUMENT` for wrong or contradicting options
 */
export async function estimate(model: string | Whisper, options: EstimateOptions = {}): Promise<NativePlan> {
  const known = new Set(Object.keys(planOptions).map(camelCase));
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw new WhisperError('ERR_INVALID_ARGUMENT', `estimate has no option ${name}`);
  }
  return planOf(model, resolveOptions(planOptions, options), camelCase);
}

/** The same of options that are complete. */
export async function planOf(
  model: string | Whisper,
  options: Values<typeof planOptions>,
  spell: (name: string) => string,
): Promise<NativePlan> {
  checkOptimizer(options, spell);
  checkCheckpointing(options, spell);
  const { dims, rates } = typeof model === 'string' ? await findSizes(model) : configSizes(model.config);
  const { device, batchSize, labelLength: labels = dims.target, precision = 'f32', inference } = options;
  const given = givenLora(options, dims, spell) ?? (typeof model === 'string' ? undefined : model.lora);
  if (given) checkLora(options, given, spell);
  const lora = given && nativeLora(given);
  if (labels > dims.target) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `${spell('label_length')} must be at most ${dims.target} (max_target_positions), got ${labels}`,
    );
  }
  if (inference) return addon().plan(dims, { device, batch: batchSize, labels, training: false, precision });
  return planStep(
    { device, dims, rates, precision, labels, lora, engine: engineOptions(options, precision, rates) },
    batchSize,
  );
}
