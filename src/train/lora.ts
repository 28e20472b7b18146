// The adapters that options of training ask for.

import { WhisperError } from '../errors.js';
import { type Lora, type LoraOptions, resolveLora } from '../model/lora.js';
import type { NativeDims } from '../native.js';
import type { Values } from './option.js';
import type { loraOptions } from './options/lora.js';

type Given = Partial<Values<typeof loraOptions>>;

/**
 * The options of adapters, undefined without `lora_rank`.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for options of adapters without a rank
 */
export function loraOptionsOf(options: Given, spell: (name: string) => string): LoraOptions | undefined {
  const {
    loraRank: rank,
    loraAlpha: alpha,
    loraDropout: dropout,
    loraTargetModules: targetModules,
  } = options;
  if (rank !== undefined) return { rank, alpha, dropout, targetModules };
  for (const [name, given] of [
    ['lora_alpha', alpha !== undefined],
    ['lora_dropout', (dropout ?? 0) > 0],
    ['lora_target_modules', targetModules !== undefined],
  ] as const) {
    if (given) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${spell(name)} needs ${spell('lora_rank')}: without it there are no adapters`,
      );
    }
  }
  return undefined;
}

/** The adapters for a model of these sizes. */
export function givenLora(
  options: Given,
  dims: NativeDims,
  spell: (name: string) => string,
): Lora | undefined {
  const lora = loraOptionsOf(options, spell);
  return (
    lora &&
    resolveLora(lora, dims, (name) =>
      spell(`lora_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`),
    )
  );
}
