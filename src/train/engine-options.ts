// What the engine is told of a training: options that can be given in several ways come to one value each.
import { type DropoutRates, NO_DROPOUT } from '../model/config.js';
import type { NativeTrainingOptions, Precision } from '../native.js';
import type { TrainingArguments } from './arguments.js';
import type { Form } from './option.js';

/** The form of `checkpointing_policy`. */
export const POLICY_FORM: Form = {
  pattern: /^(none|encoder|all|selective|every:[1-9]\d{0,5})$/,
  words: 'one of none, encoder, all, selective, every:N',
  placeholder: 'none|encoder|all|selective|every:N',
};

export type OptimizerName = NonNullable<NativeTrainingOptions['optimizer']>;
export type LossScaler = NonNullable<NativeTrainingOptions['lossScaler']>;

/** The precision that `--fp16`, `--bf16` or `--precision` asks for; f32 without any of them. */
export function precisionOf(options: {
  fp16?: boolean;
  bf16?: boolean;
  precision?: Precision | undefined;
}): Precision {
  return options.precision ?? (options.fp16 ? 'f16' : options.bf16 ? 'bf16' : 'f32');
}

/** The optimizer that `optim` or `adafactor` asks for. */
export function optimizerOf({ optim, adafactor }: Partial<TrainingArguments>): OptimizerName {
  switch (optim) {
    case undefined:
      return adafactor ? 'adafactor' : 'adamw_torch';
    case 'adamw_torch_fused':
      return 'adamw_torch';
    case 'adamw_8bit':
      return 'adamw_bnb_8bit';
    default:
      return optim;
  }
}

/** The policy that `checkpointing_policy` or `gradient_checkpointing` asks for: `none`, `all`, `every:2` and so on. */
export function policyOf(options: Partial<TrainingArguments>): string {
  return options.checkpointingPolicy ?? (options.gradientCheckpointing ? 'all' : 'none');
}

/** Whether the encoder's positions are trained: never where the rest of the encoder is not. */
export function trainsPositions(options: Partial<TrainingArguments>): boolean {
  return (options.trainEncoderPositions ?? false) && !options.freezeEncoder;
}

/** The loss scaler: f16 has one, f32 and bf16 reach as far as gradients do. */
export function lossScalerOf({ lossScaler }: Partial<TrainingArguments>, precision: Precision): LossScaler {
  return precision === 'f16' ? (lossScaler ?? 'torch') : 'none';
}

/**
 * The engine's options of a training, each with its value.
 *
 * @param rates the model's own, where an option does not say otherwise
 */
export function engineOptions(
  options: Partial<TrainingArguments>,
  precision: Precision,
  rates: DropoutRates = NO_DROPOUT,
): NativeTrainingOptions {
  const [policy, every] = policyOf(options).split(':');
  const scaler = lossScalerOf(options, precision);
  return {
    freezeEncoder: options.freezeEncoder ?? false,
    freezeDecoder: options.freezeDecoder ?? false,
    trainEncoderPositions: trainsPositions(options),
    checkpointing: policy as NonNullable<NativeTrainingOptions['checkpointing']>,
    checkpointEvery: Number(every ?? 1),
    optimizer: optimizerOf(options),
    eightBitEmbeddings: options.optim8bitEmbeddings ?? false,
    guardVanished: options.optim8bitGuard ?? false,
    lossScaler: scaler,
    initialLossScale: options.initialLossScale ?? 65536,
    lossScaleWindow: options.lossScaleWindow ?? (scaler === 'deepspeed' ? 1000 : 2000),
    lossScaleHysteresis: options.lossScaleHysteresis ?? 2,
    minLossScale: options.minLossScale ?? 1,
    dropout: options.dropout ?? rates.dropout,
    attentionDropout: options.attentionDropout ?? rates.attention_dropout,
    activationDropout: options.activationDropout ?? rates.activation_dropout,
    encoderLayerdrop: options.encoderLayerdrop ?? rates.encoder_layerdrop,
    decoderLayerdrop: options.decoderLayerdrop ?? rates.decoder_layerdrop,
    seed: options.seed ?? 42,
  };
}
