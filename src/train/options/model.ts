// Options that say which model is used, where, and in which precision.
import { z } from 'zod';
import { PRECISIONS } from '../../native.js';
import { boolean, choice, integers, json, required, string } from '../option.js';

/** How models and data sets on the Hub are got. */
export const hubOptions = {
  cache_dir: string(
    'folder of downloads from the Hub; default: that of Python’s huggingface_hub (HF_HUB_CACHE, HF_HOME)',
    undefined,
  ),
  token: string('token for the Hub; default: HF_TOKEN, or that of "hf auth login"', undefined),
  use_auth_token: boolean('end where there is no token for the Hub; one that is there is always sent', false),
};

/** Which model. */
export const modelOptions = {
  model_name_or_path: required('the checkpoint to start from: a folder, or owner/name on the Hub'),
  model_revision: string('branch, tag or commit of a model on the Hub; default: main', undefined),
  ...hubOptions,
  init_from_scratch: choice(
    'start from random weights of this scheme instead of the checkpoint’s: hf as transformers does, fan_in for small models',
    ['hf', 'fan_in'],
    undefined,
  ),
  device: string('where to compute: auto (a GPU if there is one), cpu, cuda or cuda:N', 'auto'),
};

/** What decoding is not to write, and begins with: kept with the model. */
export const generationOptions = {
  suppress_tokens: integers(
    'tokens that decoding never writes, instead of the checkpoint’s own; era: none if not given',
    { least: 0 },
  ),
  forced_decoder_ids: json(
    'positions and tokens that decoding begins with, as [[1, 50262], [2, 50359]]: another way to give language and task',
    z.array(z.tuple([z.int().positive(), z.int().nonnegative()])),
    'a list of pairs of a position and a token',
  ),
};

/** Other ways to say where, and in which precision. */
export const placeOptions = {
  use_cpu: boolean('as device cpu', false, { aliases: ['no_cuda'] }),
  fp16_full_eval: boolean('without do_train: as precision f16', false),
  bf16_full_eval: boolean('without do_train: as precision bf16', false),
};

/** In which precision a model computes. */
export const precisionOptions = {
  fp16: boolean('as precision f16', false),
  bf16: boolean('as precision bf16', false),
  precision: choice(
    'type of weights in products and of stored activations; f32 if not given; f32-fast: f32 by products of bf16, for AMX',
    PRECISIONS,
    undefined,
    { synonyms: { fp32: 'f32', 'fp32-fast': 'f32-fast', fp16: 'f16' } },
  ),
};
