// Two ways to train: corrected, or as the fine-tuning event's script did in December 2022.
import { camelCase, type Options } from './option.js';

export const COMPATS = ['fixed', 'era'] as const;
export type Compat = (typeof COMPATS)[number];

/**
 * Defaults that were others in the era: of the script (huggingface/community-events) and of transformers 4.26. Each is an
 * option of its own, so that any of them can be had, or not, by itself.
 */
const ERA: Readonly<Record<string, unknown>> = {
  // transformers' default until 4.31.
  optim: 'adamw_hf',
  // Frozen since 4.35.
  train_encoder_positions: true,
  // Weighed by tokens since 4.46.
  mean_of_means: true,
  carry_gradients: true,
  alternate_splits: true,
  // No language in generation_config.json yet, and nothing that forced one.
  predict_language: true,
  eval_on_start: false,
  long_audio: 'truncate',
  // A label that was too long ended the run.
  on_long_label: 'error',
};

/**
 * Gives options that were not given their defaults of the era, where `compat` asks for it.
 *
 * @param given names as they were given, in snake_case or camelCase
 */
export function applyCompat<V extends { compat: Compat }>(
  values: V,
  definitions: Options,
  given: ReadonlySet<string>,
): V {
  if (values.compat !== 'era') return values;
  const changed = Object.entries(ERA)
    .filter(([name]) => name in definitions && !given.has(name) && !given.has(camelCase(name)))
    // Another way to give an optimizer.
    .filter(([name]) => name !== 'optim' || !given.has('adafactor'));
  return { ...values, ...Object.fromEntries(changed.map(([name, value]) => [camelCase(name), value])) };
}
