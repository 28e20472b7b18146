// Low-rank adapters (LoRA, arXiv:2106.09685): their options, and which linear layers of a model they are for.
import { WhisperError } from '../errors.js';
import type { NativeDims, NativeLora } from '../native.js';

/** Adapters to be trained, with the names and the meaning that PEFT gives them. */
export interface LoraOptions {
  rank: number;
  /** The product of an adapter is multiplied by alpha / rank. Default: twice the rank. */
  alpha?: number | undefined;
  /** Share of an adapter's inputs that training leaves out. Default: 0. */
  dropout?: number | undefined;
  /**
   * Linear layers, as PEFT's `target_modules`: ends of names (`q_proj`, `layers.0.fc1`), or a regular expression of whole
   * names such as `model.decoder.layers.0.self_attn.q_proj`. Default: `q_proj` and `v_proj`.
   */
  targetModules?: readonly string[] | string | undefined;
}

/** The adapters of a model. */
export interface Lora {
  rank: number;
  alpha: number;
  dropout: number;
  /** alpha / √rank instead of alpha / rank, as adapters of PEFT may have it (`use_rslora`). */
  rankStabilised: boolean;
  targetModules: readonly string[] | string;
  /** The linear layers that have one, in the order of the model. */
  modules: readonly string[];
}

const ATTENTION = ['k_proj', 'v_proj', 'q_proj', 'out_proj'];
const SUFFIXES = [...ATTENTION, 'fc1', 'fc2'];

/** The name of every linear layer of a model: `model.encoder.layers.0.self_attn.k_proj` and so on. */
export function linearModules({ encoderLayers, decoderLayers }: NativeDims): string[] {
  const layers = (part: string, count: number, attentions: readonly string[]): string[] =>
    Array.from({ length: count }, (_, i) =>
      [
        ...attentions.flatMap((attention) => ATTENTION.map((name) => `${attention}.${name}`)),
        'fc1',
        'fc2',
      ].map((name) => `model.${part}.layers.${i}.${name}`),
    ).flat();
  return [
    ...layers('encoder', encoderLayers, ['self_attn']),
    ...layers('decoder', decoderLayers, ['self_attn', 'encoder_attn']),
  ];
}

/**
 * Checks the options of adapters for a model of these sizes, and completes them.
 *
 * @param spell how messages write an option: `lora_rank`, `rank`
 * @throws WhisperError `ERR_INVALID_ARGUMENT` naming the option, what was expected and what came
 */
export function resolveLora(
  options: LoraOptions,
  dims: NativeDims,
  spell: (name: string) => string = (name) => `lora.${name}`,
): Lora {
  const { rank, alpha = 2 * rank, dropout = 0, targetModules = ['q_proj', 'v_proj'] } = options;
  const refuse = (name: string, expected: string, came: unknown): never => {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `${spell(name)} must be ${expected}, got ${JSON.stringify(came) ?? String(came)}`,
    );
  };
  if (!Number.isInteger(rank) || rank < 1 || rank > dims.width) {
    refuse('rank', `a whole number from 1 to ${dims.width} (d_model)`, rank);
  }
  if (!Number.isFinite(alpha) || alpha <= 0) refuse('alpha', 'a number above 0', alpha);
  if (!(dropout >= 0 && dropout < 1)) refuse('dropout', 'a number of at least 0 and below 1', dropout);
  const targets = normalTargets(targetModules);
  const modules = matching(targets, linearModules(dims), (came) =>
    refuse(
      'targetModules',
      `ends of names of linear layers (${SUFFIXES.join(', ')}), all-linear, or a regular expression of whole names such as ` +
        'model.decoder.layers.0.self_attn.q_proj',
      came,
    ),
  );
  return { rank, alpha, dropout, rankStabilised: false, targetModules: targets, modules };
}

/** One text that is more than the end of a name is a regular expression, as in PEFT. */
function normalTargets(given: readonly string[] | string): readonly string[] | string {
  const list = typeof given === 'string' ? [given] : given;
  const [only = ''] = list;
  return list.length === 1 && (only === 'all-linear' || !/^[\w.]+$/.test(only)) ? only : list;
}

function matching(
  targets: readonly string[] | string,
  names: readonly string[],
  refuse: (came: unknown) => never,
): string[] {
  if (targets === 'all-linear') return [...names];
  if (typeof targets === 'string') {
    const found = names.filter((name) => wholeMatch(targets, refuse).test(name));
    return found.length > 0 ? found : refuse(targets);
  }
  const ends = (name: string, end: string): boolean => name === end || name.endsWith(`.${end}`);
  for (const end of targets) if (!names.some((name) => ends(name, end))) refuse(end);
  return targets.length > 0
    ? names.filter((name) => targets.some((end) => ends(name, end)))
    : refuse(targets);
}

function wholeMatch(pattern: string, refuse: (came: unknown) => never): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch {
    return refuse(pattern);
  }
}

/** What an adapter's product is multiplied by. */
export function loraScale({ rank, alpha, rankStabilised }: Lora): number {
  return alpha / (rankStabilised ? Math.sqrt(rank) : rank);
}

/** As the engine takes them. */
export function nativeLora(lora: Lora): NativeLora {
  return { rank: lora.rank, scale: loraScale(lora), dropout: lora.dropout, modules: [...lora.modules] };
}

/** Whether a part of the model has adapters. */
export function adapts(lora: Lora, part: 'encoder' | 'decoder'): boolean {
  return lora.modules.some((name) => name.startsWith(`model.${part}.`));
}
