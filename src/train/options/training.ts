// Options of how a model is trained, and of what the memory planner is told of it.
import { COMPATS } from '../compat.js';
import { POLICY_FORM } from '../engine-options.js';
import { SIZE_FORM } from '../memory/bytes.js';
import { boolean, choice, integer, number, string } from '../option.js';
import { evaluationOptions } from './evaluation.js';
import { loraOptions, savedAdapterOptions } from './lora.js';
import { precisionOptions } from './model.js';
import { loggingOptions, savingOptions } from './saving.js';
import { scheduleOptions } from './schedule.js';

/** What moves the parameters: also options of `Trainer`. */
export const optimizerOptions = {
  optim: choice(
    'optimizer; adamw_torch if not given. adamw_torch_fused is the same, adamw_8bit is adamw_bnb_8bit',
    ['adamw_torch', 'adamw_torch_fused', 'adamw_hf', 'adamw_bnb_8bit', 'adamw_8bit', 'adafactor', 'sgd'],
    undefined,
    {
      // The same formulas in other programs or another memory.
      synonyms: {
        adamw_torch_xla: 'adamw_torch',
        adamw_apex_fused: 'adamw_torch',
        paged_adamw: 'adamw_torch',
        paged_adamw_32bit: 'adamw_torch',
        paged_adamw_8bit: 'adamw_bnb_8bit',
      },
    },
  ),
  adafactor: boolean('as optim adafactor', false),
  optim_8bit_embeddings: boolean('adamw_bnb_8bit: moments of embeddings in 8 bits too', false),
  optim_8bit_guard: boolean(
    'adamw_bnb_8bit: forget the first moment where the second has vanished beneath its code; bitsandbytes does not',
    false,
  ),
  freeze_encoder: boolean('do not train the encoder', false),
  freeze_decoder: boolean('do not train the decoder, nor the embedding of tokens', false),
  train_encoder_positions: boolean(
    'train the encoder’s positions too, as transformers did before 4.35; not with freeze_encoder',
    false,
  ),
};

/** What is kept for the way back: also options of `Trainer`. */
export const checkpointingOptions = {
  gradient_checkpointing: boolean('as checkpointing_policy all', false),
  checkpointing_policy: string(
    'which blocks are computed again on the way back: those of the encoder, all, every N-th; selective: only GELU and ' +
      'layer norms',
    undefined,
    { form: POLICY_FORM },
  ),
};

/** The loss scale of f16: also options of `Trainer`. */
const lossScaleOptions = {
  loss_scaler: choice(
    'f16: how the loss scale follows overflows; torch if not given',
    ['torch', 'deepspeed'],
    undefined,
  ),
  initial_loss_scale: number('f16: the loss scale at the start; 65536 if not given', undefined, { above: 0 }),
  loss_scale_window: integer(
    'f16: updates without overflow after which the loss scale doubles; 2000 if not given, of deepspeed 1000',
    undefined,
    { least: 1 },
  ),
  loss_scale_hysteresis: integer(
    'loss_scaler deepspeed: overflows before the loss scale is halved; 2 if not given',
    undefined,
    { least: 1 },
  ),
  min_loss_scale: number(
    'loss_scaler deepspeed: an overflow at this loss scale is an error; 1 if not given',
    undefined,
    {
      above: 0,
    },
  ),
};

const rate = (help: string) =>
  number(`${help}; default: what the model’s configuration says`, undefined, { least: 0, most: 0.999999 });

/** What is left out at random: also options of `Trainer`. */
const dropoutOptions = {
  dropout: rate('dropout of the results of branches and of embeddings'),
  attention_dropout: rate('dropout of attention’s probabilities'),
  activation_dropout: rate('dropout of the perceptrons’ activations'),
  encoder_layerdrop: rate('share of the encoder’s blocks that are skipped'),
  decoder_layerdrop: rate('share of the decoder’s blocks that are skipped'),
};

/** How much memory may be used, and what follows from it: also options of `Trainer`. */
const memoryOptions = {
  memory_budget: string('memory that the engine may hold; default: all there is', undefined, {
    form: SIZE_FORM,
  }),
  auto_batch: boolean(
    'plan the largest micro-batch that fits memory, and the accumulation that keeps the rows of an update; as ' +
      'auto_find_batch_size where the plan was wrong',
    false,
  ),
  auto_find_batch_size: boolean('halve the micro-batch where memory does not suffice, and go on', false),
};

/** What the memory planner is told of a training. */
export const planOptions = {
  batch_size: integer('rows of a micro-batch', 8, { least: 1, aliases: ['per_device_train_batch_size'] }),
  label_length: integer('tokens of the longest label; default: the decoder’s positions', undefined, {
    least: 1,
  }),
  inference: boolean('plan running the model instead of training it', false),
  device: choice(
    'where it would run: on a GPU operations take more memory for themselves',
    ['cpu', 'cuda'],
    'cpu',
  ),
  precision: precisionOptions.precision,
  ...optimizerOptions,
  ...checkpointingOptions,
  ...loraOptions,
};

/** How to train: also the options of `Trainer`, in camelCase. */
export const trainingOptions = {
  compat: choice(
    'fixed: with corrections; era: as the event’s script of December 2022, which changes the defaults of ' +
      'optim, train_encoder_positions, mean_of_means, carry_gradients, alternate_splits, predict_language, eval_on_start, ' +
      'long_audio and on_long_label, and logs the learning rate of the next update',
    COMPATS,
    'fixed',
  ),
  ...optimizerOptions,
  ...checkpointingOptions,
  ...lossScaleOptions,
  ...dropoutOptions,
  ...memoryOptions,
  max_steps: integer('updates to make; -1 to count epochs instead', -1, { least: -1 }),
  num_train_epochs: number('passes over the training data, when max_steps is -1', 3, { above: 0 }),
  per_device_train_batch_size: integer('rows of a micro-batch', 8, {
    least: 1,
    aliases: ['per_gpu_train_batch_size'],
  }),
  per_device_eval_batch_size: integer('rows of an evaluation batch', 8, {
    least: 1,
    aliases: ['per_gpu_eval_batch_size'],
  }),
  dataloader_drop_last: boolean('leave out the last micro-batch of a pass where it is not full', false),
  gradient_accumulation_steps: integer('micro-batches of an update', 1, { least: 1 }),
  mean_of_means: boolean(
    'weigh micro-batches equally instead of by their tokens, as transformers did before 4.46',
    false,
  ),
  carry_gradients: boolean(
    'add the micro-batches that a pass ends with, too few for an update, to the first update of the next pass',
    false,
  ),
  learning_rate: number('peak learning rate', 5e-5, { least: 0 }),
  encoder_learning_rate: number('peak learning rate of the encoder; default: learning_rate', undefined, {
    least: 0,
  }),
  decoder_learning_rate: number('peak learning rate of the decoder; default: learning_rate', undefined, {
    least: 0,
  }),
  ...scheduleOptions,
  weight_decay: number('decoupled weight decay, on all but biases and layer norms', 0, { least: 0 }),
  adam_beta1: number('decay of the gradient’s mean', 0.9, { least: 0, most: 0.999999 }),
  adam_beta2: number('decay of the squared gradient’s mean', 0.999, { least: 0, most: 0.9999999 }),
  adam_epsilon: number('added to the root of the squared gradient’s mean', 1e-8, { above: 0 }),
  max_grad_norm: number('clip the norm of all gradients; 0 for never', 1, { least: 0 }),
  label_smoothing_factor: number('share of the target spread over the vocabulary', 0, {
    least: 0,
    most: 0.999999,
  }),
  seed: integer('seed of shuffling, masking and random weights', 42, { least: 0 }),
  data_seed: integer('seed of shuffling, where it is not the other', undefined, { least: 0 }),
  ...loggingOptions,
  ...evaluationOptions,
  ...savingOptions,
  ...savedAdapterOptions,
};
