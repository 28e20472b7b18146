// Options of low-rank adapters, and of tokens that a model does not have yet.
import { boolean, integer, number, string, strings } from '../option.js';

/** Adapters to be trained. */
export const loraOptions = {
  lora_rank: integer('train low-rank adapters (LoRA) of this rank instead of the weights', undefined, {
    least: 1,
  }),
  lora_alpha: number(
    'an adapter’s product is multiplied by lora_alpha / lora_rank; default: twice the rank',
    undefined,
    {
      above: 0,
    },
  ),
  lora_dropout: number('share of the adapters’ inputs left out in training', 0, { least: 0, most: 0.999999 }),
  lora_target_modules: strings(
    'linear layers with adapters, by the ends of their names (q_proj, k_proj, v_proj, out_proj, fc1, fc2), all-linear, or ' +
      'one regular expression of whole names; default: q_proj and v_proj',
  ),
};

/** Adapters that are there already. */
export const adapterOptions = {
  adapter: string('folder of an adapter (LoRA) of the model, as PEFT or this program writes it', undefined),
};

/** What training writes. */
export const savedAdapterOptions = {
  save_adapter_only: boolean(
    'write only the adapter at the end, not the model with the adapter in its weights',
    false,
  ),
};

/** A larger vocabulary. */
export const tokenOptions = {
  add_tokens: strings('new tokens, behind those of the model: they are found in texts as they are written'),
  add_language: strings(
    'new languages by code, or CODE:LANGUAGE to begin as another one: gsw:de; their tokens are <|CODE|>',
  ),
};
