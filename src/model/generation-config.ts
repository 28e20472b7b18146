// generation_config.json: the contract of decoding, read leniently and always written in full.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../files/json.js';
import { LANGUAGES } from '../processor/languages.js';
import type { WhisperTokenizer } from '../processor/tokenizer.js';
import type { ModelConfig } from './config.js';

const tokenId = z.int().nonnegative();
const tokenList = z.array(tokenId);

const schema = z.looseObject({
  alignment_heads: z.array(z.tuple([z.int().nonnegative(), z.int().nonnegative()])).nullish(),
  begin_suppress_tokens: tokenList.nullish(),
  // transformers allows a list; the first entry ends a text, the others end it too.
  eos_token_id: z.union([tokenId, tokenList.min(1)]).nullish(),
  decoder_start_token_id: tokenId.nullish(),
  is_multilingual: z.boolean().nullish(),
  lang_to_id: z.record(z.string(), tokenId).nullish(),
  task_to_id: z.record(z.string(), tokenId).nullish(),
  language: z.string().nullish(),
  task: z.string().nullish(),
  max_initial_timestamp_index: z.int().nonnegative().nullish(),
  max_length: z.int().positive().nullish(),
  no_timestamps_token_id: tokenId.nullish(),
  prev_sot_token_id: tokenId.nullish(),
  // Old configurations mark "nothing" with -1.
  suppress_tokens: z.array(z.int()).nullish(),
});

/** `generation_config.json` with transformers' key names; unknown keys are kept. */
export type GenerationConfig = z.infer<typeof schema>;

/**
 * Reads `generation_config.json` of a checkpoint folder; an absent file is an empty configuration.
 *
 * @throws WhisperError `ERR_CONFIG` naming file and key.
 */
export async function readGenerationConfig(folder: string): Promise<GenerationConfig> {
  const path = join(folder, 'generation_config.json');
  const found = await access(path).then(
    () => true,
    () => false,
  );
  return found ? readJson(path, schema) : {};
}

/**
 * The full set of keys that `generate(language=…)`, timestamps and the converters of other engines need: what the
 * checkpoint says comes first, the rest follows from its configuration and tokenizer. transformers itself writes only
 * the identifiers for a model from scratch.
 */
export function completeGenerationConfig(
  given: GenerationConfig,
  config: ModelConfig,
  tokenizer: WhisperTokenizer,
): GenerationConfig {
  const { isMultilingual, languages, transcribe, translate } = tokenizer;
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value != null));
  const idsOf = (wanted: (code: string) => boolean) =>
    Object.fromEntries(
      [...languages].filter(([code]) => wanted(code)).map(([code, id]) => [`<|${code}|>`, id]),
    );
  return {
    begin_suppress_tokens: config.begin_suppress_tokens ?? [],
    bos_token_id: config.bos_token_id ?? config.eos_token_id,
    decoder_start_token_id: config.decoder_start_token_id,
    eos_token_id: config.eos_token_id,
    pad_token_id: config.pad_token_id ?? config.eos_token_id,
    is_multilingual: isMultilingual,
    ...(isMultilingual
      ? {
          lang_to_id: idsOf(() => true),
          task_to_id: { transcribe, translate },
        }
      : {}),
    max_initial_timestamp_index: 50,
    max_length: config.max_target_positions,
    no_timestamps_token_id: tokenizer.notimestamps,
    prev_sot_token_id: tokenizer.prev,
    return_timestamps: false,
    suppress_tokens: config.suppress_tokens ?? [],
    ...known,
    // Languages may have been added since the file was written.
    ...(given.lang_to_id
      ? { lang_to_id: { ...given.lang_to_id, ...idsOf((code) => !LANGUAGES.has(code)) } }
      : {}),
  };
}

/**
 * Makes a language and task what `generate` does when it is told neither. A language that Whisper does not know is
 * written as its token, which is how transformers finds it.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a language that is not known
 */
export function setLanguage(
  { generation, tokenizer }: { generation: GenerationConfig; tokenizer: WhisperTokenizer },
  language: string,
  task: string,
): void {
  const code = tokenizer.languageCode(language);
  generation.language = LANGUAGES.has(code) ? code : `<|${code}|>`;
  generation.task = task;
  // transformers refuses a language beside the older way of forcing one.
  delete generation.forced_decoder_ids;
}
