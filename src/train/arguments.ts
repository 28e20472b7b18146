// Every option of training, once: the command line, its help, the checks and the type of Trainer's options follow.
import { WhisperError } from '../errors.js';
import { checkTogether } from './checks.js';
import { applyCompat } from './compat.js';
import { boolean, camelCase, choice, resolveOptions, string, type Values } from './option.js';
import { rowOptions } from './options/rows.js';
import { trainingOptions } from './options/training.js';

export { datasetOptions } from './options/dataset.js';
export { adapterOptions, loraOptions, tokenOptions } from './options/lora.js';
export { generationOptions, modelOptions, placeOptions, precisionOptions } from './options/model.js';
export { rowOptions } from './options/rows.js';
export { checkpointingOptions, optimizerOptions, planOptions, trainingOptions } from './options/training.js';

/** The options of `Trainer`. */
export const trainerOptions = { ...rowOptions, ...trainingOptions };

/** What the train command does. */
export const phaseOptions = {
  do_train: boolean('train', false),
  do_eval: boolean('evaluate at the end', false),
  preflight: boolean('look at the first rows before training, and say what is wrong with them', true),
  deepspeed: string(
    'configuration file of DeepSpeed (ds_config.json), whose settings count beside the flags',
    undefined,
  ),
  log_level: choice(
    'error and critical: nothing on the terminal but errors',
    ['debug', 'info', 'warning', 'error', 'critical', 'passive'],
    'passive',
  ),
};

/** Options of training, in camelCase and complete. */
export type TrainingArguments = Values<typeof trainerOptions>;

/**
 * Checks the options of `Trainer` and fills in the defaults.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for an unknown, wrong or contradicting option
 */
export function trainingArguments(given: Readonly<Record<string, unknown>>): TrainingArguments {
  const known = new Set(Object.keys(trainerOptions).map(camelCase));
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue;
    const hint = /^(fp16|bf16|precision)$/.test(name)
      ? ": precision is the model's, Whisper.fromPretrained(folder, { precision })"
      : '';
    throw new WhisperError('ERR_INVALID_ARGUMENT', `Trainer has no option ${name}${hint}`);
  }
  const named = new Set(Object.keys(given).filter((name) => given[name] !== undefined));
  const options = applyCompat(resolveOptions(trainerOptions, given), trainerOptions, named);
  checkTogether(options, camelCase);
  return options;
}
