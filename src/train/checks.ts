// Options that are each right and cannot be together, or not with this model.
import { join } from 'node:path';
import { WhisperError } from '../errors.js';
import { type DropoutRates, NO_DROPOUT } from '../model/config.js';
import { adapts, type Lora } from '../model/lora.js';
import type { Whisper } from '../model/whisper.js';
import type { Precision } from '../native.js';
import type { TrainingArguments } from './arguments.js';
import { augmentationOf } from './augmentation.js';
import { optimizerOf, policyOf } from './engine-options.js';
import type { EvaluationSet } from './evaluation.js';
import { camelCase } from './option.js';
import { checkSchedule } from './schedule.js';
import { specAugment } from './spec-augment.js';

/** How messages write an option's name: `--eval_steps` on the command line, `evalSteps` in code. */
type Spell = (name: string) => string;

function refuse(message: string): never {
  throw new WhisperError('ERR_INVALID_ARGUMENT', message);
}

/**
 * Refuses options that contradict each other.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names both
 */
export function checkTogether(options: TrainingArguments, spell: Spell): void {
  checkUpdates(options, spell);
  checkBest(options, spell);
  checkSchedule(options.lrSchedulerType, options.lrSchedulerKwargs ?? {}, spell('lr_scheduler_kwargs'));
  checkOptimizer(options, spell);
  checkCheckpointing(options, spell);
  if (options.minDurationInSeconds >= options.maxDurationInSeconds) {
    refuse(
      `${spell('min_duration_in_seconds')} must be below ${spell('max_duration_in_seconds')}, ` +
        `got ${options.minDurationInSeconds} and ${options.maxDurationInSeconds}`,
    );
  }
  if (options.maxSteps === 0) refuse(`${spell('max_steps')} must be at least 1, or -1 for none, got 0`);
}

function checkBest(options: TrainingArguments, spell: Spell): void {
  if (options.loadBestModelAtEnd) {
    if (options.evalStrategy !== options.saveStrategy || options.evalStrategy === 'no') {
      refuse(
        `${spell('load_best_model_at_end')} needs equal strategies: ${spell('eval_strategy')} is ` +
          `${options.evalStrategy} and ${spell('save_strategy')} is ${options.saveStrategy}`,
      );
    }
    const evalSteps = options.evalSteps ?? options.loggingSteps;
    if (options.evalStrategy === 'steps' && !isMultiple(options.saveSteps, evalSteps)) {
      refuse(
        `${spell('load_best_model_at_end')} needs ${spell('save_steps')} to be a multiple of ` +
          `${spell('eval_steps')}, got ${options.saveSteps} and ${evalSteps}`,
      );
    }
  }
  const metric = bestMetric(options);
  const given = options.metricForBestModel;
  if (/_(wer|cer)$/.test(metric ?? '') && !(options.predictWithGenerate && !options.predictionLossOnly)) {
    refuse(`${spell('metric_for_best_model')} ${metric} needs ${spell('predict_with_generate')}`);
  }
  const needs: [string, boolean][] = [
    ['metric_for_best_model', given !== undefined],
    ['early_stopping_patience', options.earlyStoppingPatience !== undefined],
    ['lr_scheduler_type reduce_lr_on_plateau', options.lrSchedulerType === 'reduce_lr_on_plateau'],
  ];
  for (const [name, needed] of needs) {
    if (needed && options.evalStrategy === 'no') {
      refuse(`${spell(name)} needs an ${spell('eval_strategy')} of steps or epoch, got no`);
    }
  }
}

/** Of two numbers of updates, or of two shares of all of them. */
function isMultiple(value: number, of: number): boolean {
  if (value < 1 !== of < 1) return false;
  const times = value / of;
  return Math.abs(times - Math.round(times)) < 1e-6 && times > 0.5;
}

/** Refuses numbers of updates that are neither whole nor a share of all of them. */
function checkUpdates(options: TrainingArguments, spell: Spell): void {
  for (const [name, value] of [
    ['logging_steps', options.loggingSteps],
    ['eval_steps', options.evalSteps],
    ['save_steps', options.saveSteps],
    ['warmup_steps', options.warmupSteps],
  ] as const) {
    if (value === undefined || value < 1 || Number.isInteger(value)) continue;
    refuse(`${spell(name)} must be a whole number, or a share of all updates below 1, got ${value}`);
  }
}

/**
 * Refuses a metric for the best model that no evaluation will produce.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with the metrics there will be
 */
export function checkMetrics(
  options: TrainingArguments,
  sets: readonly Pick<EvaluationSet, 'name'>[],
  spell: Spell = camelCase,
): void {
  const metric = bestMetric(options);
  if (metric === undefined || sets.length === 0) return;
  const known = sets.flatMap(({ name }) =>
    ['loss', 'wer', 'cer'].map((what) => (name === undefined ? what : `${name}_${what}`)),
  );
  if (known.some((name) => `eval_${name}` === metric)) return;
  refuse(
    `${spell('metric_for_best_model')} must be one of ${known.join(', ')}, which evaluations produce, ` +
      `got ${JSON.stringify(options.metricForBestModel)}`,
  );
}

/**
 * Refuses options of an optimizer that contradict each other: for training and for its plan.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names both
 */
export function checkOptimizer(options: Partial<TrainingArguments>, spell: Spell): void {
  const { optim, adafactor } = options;
  if (adafactor && optim !== undefined && optim !== 'adafactor') {
    refuse(`${spell('adafactor')} means ${spell('optim')} adafactor, got ${optim}`);
  }
  for (const [name, given] of [
    ['optim_8bit_embeddings', options.optim8bitEmbeddings],
    ['optim_8bit_guard', options.optim8bitGuard],
  ] as const) {
    const optimizer = optimizerOf(options);
    if (given && optimizer !== 'adamw_bnb_8bit') {
      refuse(`${spell(name)} needs ${spell('optim')} adamw_bnb_8bit, got ${optimizer}`);
    }
  }
  if (options.freezeEncoder && options.freezeDecoder) {
    refuse(
      `${spell('freeze_encoder')} and ${spell('freeze_decoder')} leave nothing to train: give one of them`,
    );
  }
  for (const [part, frozen, rate] of [
    ['encoder', options.freezeEncoder, options.encoderLearningRate],
    ['decoder', options.freezeDecoder, options.decoderLearningRate],
  ] as const) {
    if (frozen && rate !== undefined) {
      refuse(`${spell(`${part}_learning_rate`)} has no meaning with ${spell(`freeze_${part}`)}`);
    }
  }
}

/**
 * Refuses to leave out of training what the adapters are in.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that says what to adapt instead
 */
export function checkLora(options: Partial<TrainingArguments>, lora: Lora, spell: Spell): void {
  for (const [part, other, frozen] of [
    ['encoder', 'decoder', options.freezeEncoder],
    ['decoder', 'encoder', options.freezeDecoder],
  ] as const) {
    if (!frozen || !adapts(lora, part)) continue;
    refuse(
      `${spell(`freeze_${part}`)} and adapters in the ${part} exclude each other: adapt the ${other} only, with ` +
        `${spell('lora_target_modules')} ".*${other}.*(q_proj|v_proj)"`,
    );
  }
  if (options.trainEncoderPositions) {
    refuse(`${spell('train_encoder_positions')} has no meaning where only adapters (LoRA) are trained`);
  }
}

/**
 * Refuses a policy that is not the one that gradient checkpointing means: for training and for its plan.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names both
 */
export function checkCheckpointing(options: Partial<TrainingArguments>, spell: Spell): void {
  if (options.gradientCheckpointing && policyOf(options) !== 'all') {
    refuse(
      `${spell('gradient_checkpointing')} means ${spell('checkpointing_policy')} all, ` +
        `got ${options.checkpointingPolicy}: leave one of them out`,
    );
  }
}

/**
 * Refuses flags that ask for several precisions.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names both
 */
export function checkPrecision(
  options: { fp16: boolean; bf16: boolean; precision: Precision | undefined },
  spell: Spell,
): void {
  const { fp16, bf16, precision } = options;
  if (fp16 && bf16) refuse(`${spell('fp16')} and ${spell('bf16')} exclude each other: give one of them`);
  const [flag, means] = fp16 ? (['fp16', 'f16'] as const) : (['bf16', 'bf16'] as const);
  if ((fp16 || bf16) && precision !== undefined && precision !== means) {
    refuse(`${spell(flag)} means ${spell('precision')} ${means}, got ${precision}: leave one of them out`);
  }
}

/**
 * Refuses options of a loss scale that is not there.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names the option and what it needs
 */
export function checkLossScale(options: TrainingArguments, precision: Precision, spell: Spell): void {
  for (const [name, value, ofDeepspeed] of [
    ['loss_scaler', options.lossScaler, false],
    ['initial_loss_scale', options.initialLossScale, false],
    ['loss_scale_window', options.lossScaleWindow, false],
    ['loss_scale_hysteresis', options.lossScaleHysteresis, true],
    ['min_loss_scale', options.minLossScale, true],
  ] as const) {
    if (value === undefined) continue;
    if (precision !== 'f16')
      refuse(`${spell(name)} needs precision f16, got ${precision}: only f16 has a loss scale`);
    if (ofDeepspeed && options.lossScaler !== 'deepspeed') {
      refuse(`${spell(name)} needs ${spell('loss_scaler')} deepspeed, got ${options.lossScaler ?? 'torch'}`);
    }
  }
  const [initial, least] = [options.initialLossScale ?? 65536, options.minLossScale ?? 0];
  if (least > initial) {
    refuse(
      `${spell('min_loss_scale')} must be at most ${spell('initial_loss_scale')}, got ${least} and ${initial}`,
    );
  }
}

/**
 * Refuses options that do not fit the model.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a language, a length or a loss scale it does not have, `ERR_CONFIG` for
 *   a configuration under which nothing would be learnt
 */
export function checkAgainstModel(options: TrainingArguments, model: Whisper): void {
  const { config, precision, tokenizer, folder } = model;
  checkLossScale(options, precision, (name) => name);
  if (model.lora) checkLora(options, model.lora, (name) => name);
  else if (options.saveAdapterOnly) refuse('save_adapter_only needs an adapter: give lora_rank or adapter');
  specAugment(options, config);
  augmentationOf(options);
  checkLabels(options, model);
  for (const name of Object.keys(NO_DROPOUT) as (keyof DropoutRates)[]) {
    if (config[name] < 1) continue;
    throw new WhisperError(
      'ERR_CONFIG',
      `${join(folder, 'config.json')}: ${name} must be below 1 in training, got ${config[name]}`,
    );
  }
  const { length: prompt } = tokenizer.promptTokens({ language: options.language, task: options.task });
  const most = config.max_target_positions;
  for (const [name, length] of [
    ['generation_max_length', options.generationMaxLength ?? most],
    ['max_label_length', options.maxLabelLength ?? most],
  ] as const) {
    if (length > prompt && length <= most) continue;
    refuse(
      `${name} must be more than the prompt's ${prompt} tokens and at most ${most} ` +
        `(max_target_positions of the model), got ${length}`,
    );
  }
}

/** Timestamps and prompts that the model has no tokens or no room for. */
function checkLabels(
  { timestamps, maxPromptLength }: TrainingArguments,
  { config, tokenizer }: Whisper,
): void {
  // A position of the encoder is 0.02 s, as is a timestamp.
  const last = tokenizer.timestampBegin + config.max_source_positions;
  if (timestamps && last >= config.vocab_size) {
    refuse(
      `timestamps need a token for each 0.02 s of the window, up to ${last}, and the model has ${config.vocab_size} ` +
        '(vocab_size)',
    );
  }
  const most = config.max_target_positions;
  if (maxPromptLength !== undefined && maxPromptLength >= most) {
    refuse(
      `max_prompt_length must be below ${most} (max_target_positions of the model), got ${maxPromptLength}`,
    );
  }
}

/** The metric that decides about the best checkpoint, as `eval_wer`; undefined when nothing asked for one. */
export function bestMetric(options: TrainingArguments): string | undefined {
  const { loadBestModelAtEnd, earlyStoppingPatience, metricForBestModel } = options;
  const needed = loadBestModelAtEnd || earlyStoppingPatience !== undefined;
  const metric = metricForBestModel ?? (needed ? 'loss' : undefined);
  if (metric === undefined) return undefined;
  return metric.startsWith('eval_') ? metric : `eval_${metric}`;
}
