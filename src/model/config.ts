// config.json: what a Whisper checkpoint says of its own sizes, tokens and training.
import { join } from 'node:path';
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { firstIssue, readJson } from '../files/json.js';
import type { NativeDims } from '../native.js';

const size = z.int().positive();
const tokenId = z.int().nonnegative();
const probability = z.number().min(0).max(1);

// Defaults are those of transformers' WhisperConfig (models/whisper/configuration_whisper.py). Keys not listed are
// kept as they are and written back.
const schema = z.looseObject({
  model_type: z.literal('whisper').default('whisper'),
  architectures: z.array(z.string()).nullish(),
  vocab_size: size.default(51865),
  num_mel_bins: size.default(80),
  d_model: size.default(384),
  encoder_layers: size.default(4),
  encoder_attention_heads: size.default(6),
  encoder_ffn_dim: size.default(1536),
  decoder_layers: size.default(4),
  decoder_attention_heads: size.default(6),
  decoder_ffn_dim: size.default(1536),
  max_source_positions: size.default(1500),
  max_target_positions: size.default(448),
  activation_function: z.literal('gelu').default('gelu'),
  dropout: probability.default(0),
  attention_dropout: probability.default(0),
  activation_dropout: probability.default(0),
  encoder_layerdrop: probability.default(0),
  decoder_layerdrop: probability.default(0),
  init_std: z.number().positive().default(0.02),
  tie_word_embeddings: z.literal(true).default(true),
  pad_token_id: tokenId.nullable().default(50256),
  bos_token_id: tokenId.nullable().default(50256),
  eos_token_id: tokenId.default(50256),
  decoder_start_token_id: tokenId.default(50257),
  suppress_tokens: z.array(z.int()).nullish(),
  begin_suppress_tokens: z.array(z.int()).nullish(),
  apply_spec_augment: z.boolean().default(false),
  mask_time_prob: probability.default(0.05),
  mask_time_length: size.default(10),
  mask_time_min_masks: z.int().nonnegative().default(2),
  mask_feature_prob: probability.default(0),
  mask_feature_length: size.default(10),
  mask_feature_min_masks: z.int().nonnegative().default(0),
});

/** `config.json` with transformers' key names and defaults; unknown keys are kept. */
export type ModelConfig = z.infer<typeof schema>;

/** Shares of what training leaves out at random. */
export type DropoutRates = Pick<
  ModelConfig,
  'dropout' | 'attention_dropout' | 'activation_dropout' | 'encoder_layerdrop' | 'decoder_layerdrop'
>;

/** Those of the released models. */
export const NO_DROPOUT: DropoutRates = {
  dropout: 0,
  attention_dropout: 0,
  activation_dropout: 0,
  encoder_layerdrop: 0,
  decoder_layerdrop: 0,
};

/**
 * Reads and checks `config.json` of a checkpoint folder. The aliases `hidden_size`, `num_hidden_layers` and
 * `num_attention_heads` stand for the encoder's values where those are absent.
 *
 * @throws WhisperError `ERR_FILE` when the file cannot be read, `ERR_CONFIG` naming the key when it is not a Whisper model's.
 */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, 'config.json');
  const content = await readJson(path, z.record(z.string(), z.unknown()));
  if (content.model_type !== undefined && content.model_type !== 'whisper') {
    throw new WhisperError(
      'ERR_CONFIG',
      `${path}: model_type must be "whisper", got ${JSON.stringify(content.model_type)}`,
    );
  }
  const { hidden_size: width, num_hidden_layers: layers, num_attention_heads: heads } = content;
  const named = {
    ...(width === undefined ? {} : { d_model: width }),
    ...(layers === undefined ? {} : { encoder_layers: layers }),
    ...(heads === undefined ? {} : { encoder_attention_heads: heads }),
    ...content,
  };
  return parseModelConfig(named, path);
}

/** Checks the content of a `config.json`; `path` is what errors call it. */
export function parseModelConfig(content: unknown, path = 'config.json'): ModelConfig {
  const result = schema.safeParse(content);
  if (!result.success) {
    throw new WhisperError('ERR_CONFIG', `${path}: ${firstIssue(result.error, content)}`);
  }
  const config = result.data;
  const wrong = inconsistency(config);
  if (wrong) throw new WhisperError('ERR_CONFIG', `${path}: ${wrong}`);
  return config;
}

function inconsistency(config: ModelConfig): string | undefined {
  for (const side of ['encoder', 'decoder'] as const) {
    const heads = config[`${side}_attention_heads`];
    if (config.d_model % heads !== 0) {
      return `${side}_attention_heads must divide d_model (${config.d_model}), got ${heads}`;
    }
  }
  for (const key of ['pad_token_id', 'eos_token_id', 'decoder_start_token_id'] as const) {
    const id = config[key];
    if (id !== null && id >= config.vocab_size) {
      return `${key} must be below vocab_size (${config.vocab_size}), got ${id}`;
    }
  }
  return undefined;
}

/** The sizes the engine needs. */
export function nativeDims(config: ModelConfig): NativeDims {
  return {
    mels: config.num_mel_bins,
    source: config.max_source_positions,
    target: config.max_target_positions,
    width: config.d_model,
    encoderLayers: config.encoder_layers,
    encoderHeads: config.encoder_attention_heads,
    encoderFfn: config.encoder_ffn_dim,
    decoderLayers: config.decoder_layers,
    decoderHeads: config.decoder_attention_heads,
    decoderFfn: config.decoder_ffn_dim,
    vocab: config.vocab_size,
    padding: config.pad_token_id ?? -1,
    start: config.decoder_start_token_id,
  };
}

/** Samples at 16 kHz in a window of the model: two frames of 160 samples for every encoder position. */
export function windowSamples(config: ModelConfig): number {
  return 2 * 160 * config.max_source_positions;
}
