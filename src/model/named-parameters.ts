// The parameters of a Whisper model by name, in the order of transformers' `named_parameters()`.
import type { ModelConfig } from './config.js';

export interface NamedParameter {
  /** As in checkpoints: `model.encoder.conv1.weight`. */
  name: string;
  /** As in checkpoints: a convolution's weight is `[out, in, 3]`. */
  shape: readonly number[];
  /** What it belongs to; the encoder's positions are sinusoids, which are not trained. */
  part: 'encoder' | 'positions' | 'decoder';
  /** Whether weight decay applies: to all but biases and layer norms (transformers, Trainer.get_decay_parameter_names). */
  decays: boolean;
}

type Tensors = [name: string, shape: number[]][];

/**
 * All of them. The projection onto the vocabulary is not among them: it is the tokens' embedding once more.
 */
export function namedParameters(config: ModelConfig): NamedParameter[] {
  const { d_model: width } = config;
  const list: NamedParameter[] = [];
  const add = (part: NamedParameter['part'], prefix: string, tensors: Tensors): void => {
    for (const [name, shape] of tensors) {
      const decays = !/bias$|_norm\.weight$/.test(name);
      list.push({ name: `${prefix}.${name}`, shape, part, decays });
    }
  };

  const encoder = 'model.encoder';
  add('encoder', encoder, [
    ['conv1.weight', [width, config.num_mel_bins, 3]],
    ['conv1.bias', [width]],
    ['conv2.weight', [width, width, 3]],
    ['conv2.bias', [width]],
  ]);
  add('positions', encoder, [['embed_positions.weight', [config.max_source_positions, width]]]);
  for (let i = 0; i < config.encoder_layers; i++) {
    add('encoder', `${encoder}.layers.${i}`, block(width, config.encoder_ffn_dim, ['self_attn']));
  }
  add('encoder', encoder, norm('layer_norm', width));

  const decoder = 'model.decoder';
  add('decoder', decoder, [
    ['embed_tokens.weight', [config.vocab_size, width]],
    ['embed_positions.weight', [config.max_target_positions, width]],
  ]);
  for (let i = 0; i < config.decoder_layers; i++) {
    add(
      'decoder',
      `${decoder}.layers.${i}`,
      block(width, config.decoder_ffn_dim, ['self_attn', 'encoder_attn']),
    );
  }
  add('decoder', decoder, norm('layer_norm', width));
  return list;
}

function block(width: number, ffn: number, attentions: readonly string[]): Tensors {
  return [
    ...attentions.flatMap((name) => [...attention(name, width), ...norm(`${name}_layer_norm`, width)]),
    ...linear('fc1', ffn, width),
    ...linear('fc2', width, ffn),
    ...norm('final_layer_norm', width),
  ];
}

/** Keys have no bias. */
function attention(name: string, width: number): Tensors {
  return [
    [`${name}.k_proj.weight`, [width, width]],
    ...['v_proj', 'q_proj', 'out_proj'].flatMap((projection) =>
      linear(`${name}.${projection}`, width, width),
    ),
  ];
}

function linear(name: string, out: number, into: number): Tensors {
  return [
    [`${name}.weight`, [out, into]],
    [`${name}.bias`, [out]],
  ];
}

function norm(name: string, width: number): Tensors {
  return [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
}
