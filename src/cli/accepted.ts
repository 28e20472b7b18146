// Flags of transformers' scripts that change nothing here: taken, so that a command line of theirs runs as it is, named
// once, and refused where they ask for what would come out otherwise.

import { z } from 'zod';
import { WhisperError } from '../errors.js';
import {
  boolean,
  camelCase,
  integer,
  json,
  number,
  type Option,
  type Options,
  string,
  strings,
} from '../train/option.js';
import type { Terminal } from './command.js';

/** A flag, why it changes nothing, and the values for which that holds. */
interface Accepted {
  option: Option;
  allows?: (value: unknown) => boolean;
  /** What to do instead of a value that is not allowed. */
  instead?: string;
}

type Kind = 'string' | 'integer' | 'number' | 'boolean' | 'strings' | 'json';

function optionOf(kind: Kind, reason: string): Option {
  switch (kind) {
    case 'string':
      return string(reason, undefined);
    case 'integer':
      return integer(reason, undefined);
    case 'number':
      return number(reason, undefined);
    case 'boolean':
      return boolean(reason, undefined);
    case 'strings':
      return strings(reason);
    case 'json':
      return json(reason, z.unknown(), 'JSON');
  }
}

const inert = (kind: Kind, reason: string): Accepted => ({ option: optionOf(kind, reason) });
const only = (
  kind: Kind,
  allows: (value: unknown) => boolean,
  reason: string,
  instead: string,
): Accepted => ({ option: optionOf(kind, reason), allows, instead });

const off = (value: unknown): boolean => value === false;
const nothing = (value: unknown): boolean =>
  value === '' || (Array.isArray(value) && value.length === 0) || value === false;
const PROCESS = 'one process trains; there is nothing to share out';
const LOADER = 'audio is decoded ahead on every core';
const COMPILER = 'the engine is compiled already';
const BACKEND = 'there is no PyTorch, whose back end it would choose';

/** Of the model and the data. */
const SCRIPT: Record<string, Accepted> = {
  use_fast_tokenizer: inert('boolean', 'there is one tokenizer'),
  freeze_feature_encoder: inert(
    'boolean',
    'Whisper has no feature encoder: what it has freeze_encoder freezes',
  ),
  trust_remote_code: inert('boolean', 'no code is taken from the Hub'),
  text_column: inert('string', 'no script has ever read it; text_column_name is the column'),
  preprocessing_num_workers: inert('integer', LOADER),
  overwrite_cache: inert('boolean', 'what is cached is known by its content'),
  preprocessing_only: only(
    'boolean',
    off,
    'rows are prepared while the model trains',
    'use the preflight command',
  ),
  length_column_name: inert('string', 'lengths are known from the audio'),
};

/** Of the hardware and the program behind transformers. */
const MACHINE: Record<string, Accepted> = {
  ...Object.fromEntries(
    ['log_on_each_node', 'save_on_each_node', 'ddp_find_unused_parameters', 'ddp_broadcast_buffers']
      .concat(['ddp_static_graph', 'dispatch_batches', 'split_batches', 'average_tokens_across_devices'])
      .concat(['eval_use_gather_object'])
      .map((name) => [name, inert('boolean', PROCESS)]),
  ),
  log_level_replica: inert('string', PROCESS),
  local_rank: only(
    'integer',
    (rank) => rank === -1 || rank === 0,
    PROCESS,
    'one process trains: leave it out',
  ),
  ddp_bucket_cap_mb: inert('integer', PROCESS),
  ddp_timeout: inert('integer', PROCESS),
  ddp_backend: inert('string', PROCESS),
  xpu_backend: inert('string', PROCESS),
  ray_scope: inert('string', PROCESS),
  accelerator_config: inert('json', PROCESS),
  parallelism_config: inert('json', PROCESS),
  fsdp: only('strings', nothing, PROCESS, 'one process trains and shards nothing: leave it out'),
  sharded_ddp: only('strings', nothing, PROCESS, 'one process trains and shards nothing: leave it out'),
  fsdp_config: inert('json', PROCESS),
  fsdp_min_num_params: inert('integer', PROCESS),
  fsdp_transformer_layer_cls_to_wrap: inert('string', PROCESS),
  mp_parameters: inert('string', PROCESS),
  use_mps_device: inert('boolean', 'device says where to compute'),
  tpu_num_cores: inert('integer', 'device says where to compute'),
  tpu_metrics_debug: inert('boolean', 'device says where to compute'),
  use_ipex: inert('boolean', BACKEND),
  jit_mode_eval: inert('boolean', COMPILER),
  torchdynamo: inert('string', COMPILER),
  torch_compile: inert('boolean', COMPILER),
  torch_compile_backend: inert('string', COMPILER),
  torch_compile_mode: inert('string', COMPILER),
  use_liger_kernel: inert('boolean', COMPILER),
  liger_kernel_config: inert('json', COMPILER),
  use_cache: inert('boolean', 'decoding always has its cache, training none'),
  fp16_opt_level: inert('string', BACKEND),
  fp16_backend: inert('string', BACKEND),
  half_precision_backend: inert('string', BACKEND),
  tf32: inert('boolean', 'precision says how products are made'),
  full_determinism: inert('boolean', 'every run is deterministic'),
  torch_empty_cache_steps: inert('integer', 'memory is given back by itself'),
  eval_accumulation_steps: inert('integer', 'predictions are texts, which lie in the system’s memory'),
  skip_memory_metrics: inert('boolean', 'memory is always reported'),
  gradient_checkpointing_kwargs: inert('json', 'there is one way to compute again'),
  enable_jit_checkpoint: inert('boolean', 'a signal always writes a checkpoint'),
};

const DATA_LOADER: Record<string, Accepted> = {
  dataloader_num_workers: inert('integer', LOADER),
  dataloader_pin_memory: inert('boolean', LOADER),
  dataloader_prefetch_factor: inert('integer', LOADER),
  dataloader_persistent_workers: inert('boolean', LOADER),
  dataloader_multiprocessing_context: inert('string', LOADER),
  dataloader_in_order: inert('boolean', 'rows always come in the order of the seed'),
  remove_unused_columns: inert('boolean', 'only the columns that are used are read'),
  label_names: only(
    'strings',
    (names) => `${names}` === 'labels',
    'labels are labels',
    'only labels is there',
  ),
  group_by_length: only(
    'boolean',
    off,
    'each clip is padded to the model’s window anyway',
    'rows are not put together by length: leave it out',
  ),
  train_sampling_strategy: only(
    'string',
    (way) => way === 'random',
    'rows come at random',
    'only random is there',
  ),
  sortish_sampler: inert('boolean', 'Whisper’s script never used it'),
};

/** Of training, evaluating and saving. */
const TRAINER: Record<string, Accepted> = {
  do_predict: inert('boolean', 'the event’s script has no such phase: evaluate is a command'),
  optim_args: inert('string', 'these optimizers have none: see adam_beta1 and the like'),
  optim_target_modules: only('strings', nothing, 'of optimizers that are not there', 'leave it out'),
  neftune_noise_alpha: only(
    'number',
    (alpha) => alpha === 0,
    'no noise is added',
    'it is not there: leave it out',
  ),
  past_index: only('integer', (index) => index === -1, 'Whisper has no such output', 'leave it out'),
  debug: inert('strings', BACKEND),
  run_name: inert('string', 'runs are told apart by their folders'),
  project: inert('string', 'reports to Trackio are not there'),
  trackio_space_id: inert('string', 'reports to Trackio are not there'),
  trackio_bucket_id: inert('string', 'reports to Trackio are not there'),
  trackio_static_space_id: inert('string', 'reports to Trackio are not there'),
  save_safetensors: inert('boolean', 'weights are always in safetensors'),
  restore_callback_states_from_checkpoint: inert('boolean', 'a resumed run always goes on as it was'),
  include_inputs_for_metrics: inert('boolean', 'metrics are of texts'),
  include_for_metrics: inert('strings', 'metrics are of texts'),
  include_num_input_tokens_seen: inert('string', 'the input is audio'),
  include_tokens_per_second: inert('boolean', 'the input is audio'),
  batch_eval_metrics: inert('boolean', 'metrics are counted as texts come'),
  eval_do_concat_batches: inert('boolean', 'metrics are counted as texts come'),
  use_legacy_prediction_loop: inert('boolean', 'there is one way to evaluate'),
  generation_num_beams: only(
    'integer',
    (beams) => beams === 1,
    'texts are generated greedily',
    'beam search is not there: leave it out',
  ),
  generation_config: only(
    'string',
    nothing,
    'that of the model counts',
    'put its generation_config.json into the model’s folder',
  ),
};

const ACCEPTED: Readonly<Record<string, Accepted>> = { ...SCRIPT, ...DATA_LOADER, ...MACHINE, ...TRAINER };

/** The flags as options, whose help is why they change nothing. */
export const acceptedOptions: Options = Object.fromEntries(
  Object.entries(ACCEPTED).map(([name, { option }]) => [name, option]),
);

/**
 * Names the flags that were given and change nothing, in one line.
 *
 * @param values by camelCase names
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a value that asks for what is not there
 */
export function tellAccepted(
  given: ReadonlySet<string>,
  values: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): void {
  const names = Object.keys(ACCEPTED).filter((name) => given.has(name));
  for (const name of names) {
    const { allows, instead } = ACCEPTED[name]!;
    const value = values[camelCase(name)];
    if (!allows || allows(value)) continue;
    throw new WhisperError('ERR_INVALID_ARGUMENT', `--${name} ${describe(value)}: ${instead}`);
  }
  if (names.length > 0) terminal.err(`accepted, without effect here: ${names.join(', ')}\n`);
}

function describe(value: unknown): string {
  return Array.isArray(value)
    ? value.join(',')
    : typeof value === 'object'
      ? JSON.stringify(value)
      : `${value}`;
}
