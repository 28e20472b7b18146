// Every option of training, once: the command line, its help, the checks and the type of Trainer's options follow.
import { join } from 'node:path';
import { WhisperError } from '../errors.js';
import { checkTrainable } from '../model/config.js';
import type { Whisper } from '../model/whisper.js';
import {
  boolean,
  camelCase,
  choice,
  integer,
  number,
  required,
  resolveOptions,
  string,
  type Values,
} from './option.js';
import { SCHEDULES } from './schedule.js';

/** Which model. */
export const modelOptions = {
  model_name_or_path: required('folder of the checkpoint to start from'),
  init_from_scratch: choice(
    'start from random weights of this scheme instead of the checkpoint’s: hf as transformers does, fan_in for small models',
    ['hf', 'fan_in'],
    undefined,
  ),
  device: string('where to compute: auto or cpu', 'auto'),
};

/** Which data. */
export const datasetOptions = {
  dataset_name: required('folder of the data set (Common Voice, audio folder) or a manifest file'),
  dataset_config_name: string('sub-folder of the data set, as a language of Common Voice', undefined),
  train_split_name: string('split to train on; a+b is one after the other', 'train'),
  eval_split_name: string('split to evaluate on; a+b is one after the other', 'test'),
  audio_column_name: string('column with the audio file (default: found by its name)', undefined),
  text_column_name: string('column with the text (default: found by its name)', undefined),
};

/** What becomes of the rows: also options of `Trainer`, in camelCase. */
export const rowOptions = {
  language: string('language of the speech, by name or code: its token begins every label', undefined),
  task: choice('what the texts are', ['transcribe', 'translate'], 'transcribe'),
  max_duration_in_seconds: number('audio of this length or longer is dropped from training', 20, {
    above: 0,
  }),
  min_duration_in_seconds: number('audio of this length or shorter is dropped from training', 0, {
    least: 0,
  }),
  on_long_label: choice(
    'what to do with labels longer than the decoder has positions, in training',
    ['drop', 'truncate', 'error'],
    'drop',
  ),
  do_lower_case: boolean('lower-case the texts', false),
  do_remove_punctuation: boolean('remove punctuation from the texts', false),
  streaming: boolean('shuffle within a buffer; false shuffles the whole split', true),
  shuffle_buffer_size: integer('rows in the shuffle buffer; 1 keeps the order of the file', 500, {
    least: 1,
  }),
};

/** How to train: also the options of `Trainer`, in camelCase. */
export const trainingOptions = {
  max_steps: integer('updates to make; -1 to count epochs instead', -1, { least: -1 }),
  num_train_epochs: number('passes over the training data, when max_steps is -1', 3, { above: 0 }),
  per_device_train_batch_size: integer('rows of a micro-batch', 8, { least: 1 }),
  per_device_eval_batch_size: integer('rows of an evaluation batch', 8, { least: 1 }),
  gradient_accumulation_steps: integer('micro-batches of an update', 1, { least: 1 }),
  mean_of_means: boolean(
    'weigh micro-batches equally instead of by their tokens, as transformers did before 4.46',
    false,
  ),
  learning_rate: number('peak learning rate', 5e-5, { least: 0 }),
  lr_scheduler_type: choice('learning rate over time', SCHEDULES, 'linear'),
  warmup_steps: integer('updates of linear warm-up', 0, { least: 0 }),
  warmup_ratio: number('warm-up as a share of all updates, when warmup_steps is 0', 0, { least: 0, most: 1 }),
  weight_decay: number('decoupled weight decay, on all but biases and layer norms', 0, { least: 0 }),
  adam_beta1: number('decay of the gradient’s mean', 0.9, { least: 0, most: 0.999999 }),
  adam_beta2: number('decay of the squared gradient’s mean', 0.999, { least: 0, most: 0.9999999 }),
  adam_epsilon: number('added to the root of the squared gradient’s mean', 1e-8, { above: 0 }),
  max_grad_norm: number('clip the norm of all gradients; 0 for never', 1, { least: 0 }),
  label_smoothing_factor: number('share of the target spread over the vocabulary', 0, {
    least: 0,
    most: 0.999999,
  }),
  gradient_checkpointing: boolean('keep less and compute blocks again on the way back', false),
  freeze_encoder: boolean('do not train the encoder', false),
  seed: integer('seed of shuffling, masking and random weights', 42, { least: 0 }),
  logging_steps: integer('updates between two lines of the log', 500, { least: 1 }),
  logging_first_step: boolean('log the first update too', false),
  eval_strategy: choice('when to evaluate', ['no', 'steps', 'epoch'], 'no', {
    aliases: ['evaluation_strategy'],
  }),
  eval_steps: integer('updates between evaluations; default: logging_steps', undefined, { least: 1 }),
  eval_on_start: boolean('evaluate once before the first update', true),
  predict_with_generate: boolean('evaluate by generating text, for WER and CER', false),
  generation_max_length: integer('tokens of a generated text, its prompt included', undefined, { least: 1 }),
  do_normalize_eval: boolean('normalise texts before WER and CER', true),
  save_strategy: choice('when to save a checkpoint', ['no', 'steps', 'epoch'], 'steps'),
  save_steps: integer('updates between checkpoints', 500, { least: 1 }),
  save_total_limit: integer('checkpoints to keep; the best is never deleted', undefined, { least: 1 }),
  load_best_model_at_end: boolean('end with the best checkpoint instead of the last', false),
  metric_for_best_model: choice(
    'what makes a checkpoint the best',
    ['loss', 'wer', 'cer', 'eval_loss', 'eval_wer', 'eval_cer'],
    undefined,
  ),
  greater_is_better: boolean('whether the metric should grow; all three known ones should not', undefined),
  output_dir: required('folder of everything that is written'),
  overwrite_output_dir: boolean(
    'train into a folder that is not empty, from the start; without it training resumes from the last checkpoint there',
    false,
  ),
  resume_from_checkpoint: string('checkpoint folder to go on from, or true for the last one', undefined),
};

/** The options of `Trainer`. */
export const trainerOptions = { ...rowOptions, ...trainingOptions };

/** What the train command does. */
export const phaseOptions = {
  do_train: boolean('train', false),
  do_eval: boolean('evaluate at the end', false),
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
    if (!known.has(name)) throw new WhisperError('ERR_INVALID_ARGUMENT', `Trainer has no option ${name}`);
  }
  const options = resolveOptions(trainerOptions, given);
  checkTogether(options, camelCase);
  return options;
}

/**
 * Refuses options that do not fit the model.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a language or a length it does not have, `ERR_CONFIG` for a model that
 *   cannot be trained here
 */
export function checkAgainstModel(options: TrainingArguments, model: Whisper): void {
  checkTrainable(model.config, join(model.folder, 'config.json'));
  const { length: prompt } = model.tokenizer.promptTokens({ language: options.language, task: options.task });
  const most = model.config.max_target_positions;
  const length = options.generationMaxLength ?? most;
  if (length <= prompt || length > most) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `generation_max_length must be more than the prompt's ${prompt} tokens and at most ${most} ` +
        `(max_target_positions of the model), got ${length}`,
    );
  }
}

/** The metric that decides about the best checkpoint, as `eval_wer`; undefined when nothing asked for one. */
export function bestMetric(options: TrainingArguments): string | undefined {
  const metric = options.metricForBestModel ?? (options.loadBestModelAtEnd ? 'loss' : undefined);
  if (metric === undefined) return undefined;
  return metric.startsWith('eval_') ? metric : `eval_${metric}`;
}

/**
 * Refuses options that contradict each other.
 *
 * @param spell how to write an option's name in the message
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names both
 */
export function checkTogether(options: TrainingArguments, spell: (name: string) => string): void {
  const refuse = (message: string): never => {
    throw new WhisperError('ERR_INVALID_ARGUMENT', message);
  };
  const evalSteps = options.evalSteps ?? options.loggingSteps;
  if (options.loadBestModelAtEnd) {
    if (options.evalStrategy !== options.saveStrategy || options.evalStrategy === 'no') {
      refuse(
        `${spell('load_best_model_at_end')} needs equal strategies: ${spell('eval_strategy')} is ` +
          `${options.evalStrategy} and ${spell('save_strategy')} is ${options.saveStrategy}`,
      );
    }
    if (options.evalStrategy === 'steps' && options.saveSteps % evalSteps !== 0) {
      refuse(
        `${spell('load_best_model_at_end')} needs ${spell('save_steps')} to be a multiple of ` +
          `${spell('eval_steps')}, got ${options.saveSteps} and ${evalSteps}`,
      );
    }
  }
  const metric = bestMetric(options);
  if (metric !== undefined && metric !== 'eval_loss' && !options.predictWithGenerate) {
    refuse(`${spell('metric_for_best_model')} ${metric} needs ${spell('predict_with_generate')}`);
  }
  if (metric !== undefined && options.evalStrategy === 'no') {
    refuse(`${spell('metric_for_best_model')} needs an ${spell('eval_strategy')} of steps or epoch, got no`);
  }
  if (options.minDurationInSeconds >= options.maxDurationInSeconds) {
    refuse(
      `${spell('min_duration_in_seconds')} must be below ${spell('max_duration_in_seconds')}, ` +
        `got ${options.minDurationInSeconds} and ${options.maxDurationInSeconds}`,
    );
  }
  if (options.maxSteps === 0) refuse(`${spell('max_steps')} must be at least 1, or -1 for none, got 0`);
}
