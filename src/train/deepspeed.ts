// ds_config.json of DeepSpeed: the options of training that it stands for. What it says of several processes, and of
// memory that they share, changes nothing on one.
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { readJson } from '../files/json.js';
import type { TrainingArguments } from './arguments.js';
import { camelCase } from './option.js';

const AUTO = 'auto';
const auto = <T extends z.ZodType>(schema: T) => z.union([z.literal(AUTO), schema]).optional();
const positive = auto(z.int().positive());
const rate = auto(z.number().nonnegative());
const flag = auto(z.boolean());
const size = auto(z.number().nonnegative());

const offload = z.looseObject({
  device: z.enum(['none', 'cpu', 'nvme']),
  pin_memory: z.boolean().optional(),
});

const zero = z.looseObject({
  stage: z.int().min(0).max(3).default(0),
  offload_optimizer: offload.optional(),
  offload_param: offload.optional(),
  allgather_partitions: flag,
  allgather_bucket_size: size,
  overlap_comm: flag,
  reduce_scatter: flag,
  reduce_bucket_size: size,
  contiguous_gradients: flag,
  round_robin_gradients: flag,
  sub_group_size: size,
  stage3_prefetch_bucket_size: size,
  stage3_param_persistence_threshold: size,
  stage3_max_live_parameters: size,
  stage3_max_reuse_distance: size,
  stage3_gather_16bit_weights_on_model_save: flag,
});

const schema = z.looseObject({
  fp16: z
    .looseObject({
      enabled: flag,
      auto_cast: flag,
      loss_scale: z.number().nonnegative().default(0),
      loss_scale_window: z.int().positive().default(1000),
      initial_scale_power: z.int().min(0).max(32).default(16),
      hysteresis: z.int().positive().default(2),
      min_loss_scale: z.number().positive().default(1),
    })
    .optional(),
  bf16: z.looseObject({ enabled: flag }).optional(),
  optimizer: z
    .looseObject({
      type: z.enum(['AdamW', 'Adam']),
      params: z
        .looseObject({
          lr: rate,
          betas: auto(z.tuple([z.number(), z.number()])),
          eps: rate,
          weight_decay: rate,
          torch_adam: flag,
          adam_w_mode: flag,
        })
        .default({}),
    })
    .optional(),
  scheduler: z
    .looseObject({
      type: z.enum(['WarmupLR', 'WarmupDecayLR']),
      params: z
        .looseObject({
          warmup_min_lr: rate,
          warmup_max_lr: rate,
          warmup_num_steps: auto(z.int().nonnegative()),
          warmup_type: z.enum(['log', 'linear']).optional(),
          total_num_steps: positive,
          last_batch_iteration: z.int().optional(),
        })
        .default({}),
    })
    .optional(),
  zero_optimization: zero.optional(),
  gradient_accumulation_steps: positive,
  gradient_clipping: rate,
  train_batch_size: positive,
  train_micro_batch_size_per_gpu: positive,
  steps_per_print: auto(z.number()),
  wall_clock_breakdown: flag,
  zero_allow_untested_optimizer: flag,
  zero_force_ds_cpu_optimizer: flag,
});

export type DeepspeedConfig = z.output<typeof schema>;

/** A configuration and where it came from. */
export interface Deepspeed {
  path: string;
  config: DeepspeedConfig;
}

/** @throws WhisperError `ERR_FILE`, or `ERR_CONFIG` naming the file and the key */
export async function readDeepspeed(path: string): Promise<Deepspeed> {
  return { path, config: await readJson(path, schema) };
}

type Options = TrainingArguments & { fp16: boolean; bf16: boolean };

/**
 * The options with what a configuration says. `auto` stands for what the options say; what it says itself must be what
 * was given by a flag, where one was.
 *
 * @param given names of the flags that were given, in snake_case
 * @returns the options, and lines about what has no effect
 * @throws WhisperError `ERR_INVALID_ARGUMENT` naming both where they differ
 */
export function applyDeepspeed<O extends Options>(
  { path, config }: Deepspeed,
  options: O,
  given: ReadonlySet<string>,
): { options: O; notices: string[] } {
  const { optimizer, scheduler } = config;
  const changed: O = { ...options };
  const set = (key: string, name: string, value: unknown): void => {
    if (value === undefined || value === AUTO) return;
    const was = changed[camelCase(name) as keyof O];
    if (given.has(name) && was !== value) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${path}: ${key} is ${value}, and --${name} is ${was}: make them equal, or write "auto" for ${key}`,
      );
    }
    changed[camelCase(name) as keyof O] = value as never;
  };

  set('fp16.enabled', 'fp16', config.fp16?.enabled);
  set('bf16.enabled', 'bf16', config.bf16?.enabled);
  if (config.fp16 && changed.fp16) setLossScale(config.fp16, set);
  set('gradient_accumulation_steps', 'gradient_accumulation_steps', config.gradient_accumulation_steps);
  set('gradient_clipping', 'max_grad_norm', config.gradient_clipping);
  const { train_micro_batch_size_per_gpu: rows } = config;
  set('train_micro_batch_size_per_gpu', 'per_device_train_batch_size', rows);
  checkBatch(path, config.train_batch_size, changed);
  if (optimizer) {
    const { lr, betas, eps, weight_decay: decay } = optimizer.params;
    set('optimizer.type', 'optim', 'adamw_torch');
    set('optimizer.params.lr', 'learning_rate', lr);
    if (betas !== undefined && betas !== AUTO) {
      set('optimizer.params.betas[0]', 'adam_beta1', betas[0]);
      set('optimizer.params.betas[1]', 'adam_beta2', betas[1]);
    }
    set('optimizer.params.eps', 'adam_epsilon', eps);
    set('optimizer.params.weight_decay', 'weight_decay', decay);
  }
  if (scheduler) {
    const { warmup_max_lr: peak, warmup_num_steps: warmup, total_num_steps: total } = scheduler.params;
    const { warmup_min_lr: least, warmup_type: type = 'log' } = scheduler.params;
    set('scheduler.type', 'lr_scheduler_type', scheduler.type);
    set('scheduler.params.warmup_max_lr', 'learning_rate', peak);
    set('scheduler.params.warmup_num_steps', 'warmup_steps', warmup);
    if (scheduler.type === 'WarmupDecayLR') set('scheduler.params.total_num_steps', 'max_steps', total);
    const lowest = typeof least === 'number' ? least : 0;
    changed.lrSchedulerKwargs = { warmup_min_lr: lowest, warmup_type: type };
  }
  return { options: changed, notices: noticesOf(path, config, changed) };
}

type Set = (key: string, name: string, value: unknown) => void;

/** A loss scale of its own kind; one that is not 0 stays as it is. */
function setLossScale(fp16: NonNullable<DeepspeedConfig['fp16']>, set: Set): void {
  const forever = 2 ** 30;
  const fixed = fp16.loss_scale > 0;
  set('fp16', 'loss_scaler', 'deepspeed');
  const initial = fixed ? fp16.loss_scale : 2 ** fp16.initial_scale_power;
  set('fp16.initial_scale_power', 'initial_loss_scale', initial);
  set('fp16.loss_scale_window', 'loss_scale_window', fixed ? forever : fp16.loss_scale_window);
  set('fp16.hysteresis', 'loss_scale_hysteresis', fixed ? forever : fp16.hysteresis);
  set('fp16.min_loss_scale', 'min_loss_scale', Math.min(initial, fp16.min_loss_scale));
}

function checkBatch(path: string, total: DeepspeedConfig['train_batch_size'], options: Options): void {
  if (total === undefined || total === AUTO) return;
  const { perDeviceTrainBatchSize: rows, gradientAccumulationSteps: count } = options;
  if (total === rows * count) return;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `${path}: train_batch_size is ${total}, and --per_device_train_batch_size ${rows} times ` +
      `--gradient_accumulation_steps ${count} on one process is ${rows * count}`,
  );
}

/** What the configuration asks for that has no effect, and what it asks for that is not known. */
function noticesOf(path: string, config: DeepspeedConfig, { weightDecay }: Options): string[] {
  const notices: string[] = [];
  const { zero_optimization: zeroed, optimizer } = config;
  const shared = [
    ...(zeroed && zeroed.stage > 0 ? [`ZeRO stage ${zeroed.stage}`] : []),
    ...[zeroed?.offload_optimizer, zeroed?.offload_param].flatMap((section, i) =>
      section && section.device !== 'none' ? [`offloading of ${i ? 'parameters' : 'the optimizer'}`] : [],
    ),
  ];
  if (shared.length > 0) {
    notices.push(`${path}: ${shared.join(' and ')}: not active yet on one process, which trains without`);
  }
  if (optimizer && weightDecay > 0) {
    notices.push(`${path}: weight decay leaves out biases and layer norms, which DeepSpeed’s does not`);
  }
  const unknown = unknownKeys(config, schema, '');
  if (unknown.length > 0) notices.push(`${path}: passed over, as not known here: ${unknown.join(', ')}`);
  return notices;
}

/** Keys that no part of a schema names, as `optimizer.params.amsgrad`. */
function unknownKeys(value: object, of: z.ZodObject, prefix: string): string[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const known = of.shape[key] as z.ZodType | undefined;
    if (!known) return [`${prefix}${key}`];
    const object = bare(known);
    const nested = object instanceof z.ZodObject && inner !== null && typeof inner === 'object';
    return nested ? unknownKeys(inner as object, object, `${prefix}${key}.`) : [];
  });
}

/** A schema without what makes it optional. */
function bare(type: z.ZodType): z.ZodType {
  return type instanceof z.ZodOptional || type instanceof z.ZodDefault
    ? bare(type.unwrap() as z.ZodType)
    : type;
}
