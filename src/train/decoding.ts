// What options say of decoding and the model keeps: tokens it never writes, and what it begins with.
import { WhisperError } from '../errors.js';
import type { Whisper } from '../model/whisper.js';
import { languageCode } from '../processor/languages.js';
import type { Compat } from './compat.js';

export interface DecodingOptions {
  compat: Compat;
  suppressTokens: readonly number[] | undefined;
  forcedDecoderIds: readonly (readonly [number, number])[] | undefined;
  language: string | undefined;
  task: string;
}

/**
 * Sets what decoding never writes. The event’s script puts its flags into the model whether given or not, so that in the
 * era a checkpoint’s own list was lost; here it stays unless another is given.
 *
 * Forced tokens are language and task in another way, which the options say already: they must be the same.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for forced tokens that say something else, `ERR_CONFIG` for tokens that the
 *   model does not have
 */
export function setDecoding(model: Whisper, options: DecodingOptions): void {
  const { compat, suppressTokens: tokens, forcedDecoderIds: forced } = options;
  const { generation, config } = model;
  const wrong = [...(tokens ?? []), ...(forced ?? []).map(([, id]) => id)].find(
    (id) => id >= config.vocab_size,
  );
  if (wrong !== undefined) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `token ${wrong} is given, and the model has ${config.vocab_size} (vocab_size)`,
    );
  }
  if (tokens !== undefined) generation.suppress_tokens = [...tokens];
  else if (compat === 'era') generation.suppress_tokens = [];
  if (forced !== undefined) checkForced(model, forced, options);
}

function checkForced(
  { tokenizer }: Whisper,
  forced: readonly (readonly [number, number])[],
  { language, task }: DecodingOptions,
): void {
  const pairs = [...forced].sort(([a], [b]) => a - b);
  const tokens = pairs.map(([, id]) => id);
  const spoken = [...tokenizer.languages].find(([, id]) => tokens.includes(id))?.[0];
  const wanted = language === undefined ? undefined : languageCode(language);
  const prompt = tokenizer.promptTokens({ language: wanted, task: task as 'transcribe' }).slice(1);
  const same = tokens.every((id, i) => id === prompt[i]) && pairs.every(([at], i) => at === i + 1);
  if (same) return;
  const say = spoken === undefined ? 'language and task' : `language ${spoken}`;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `forced_decoder_ids are tokens ${tokens.join(', ')}, and language and task mean ${prompt.join(', ')}: ` +
      `leave them out and give ${say} as options`,
  );
}
