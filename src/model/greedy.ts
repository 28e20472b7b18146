// What greedy decoding is asked for, and what it gives.
import { WhisperError } from '../errors.js';
import type { NativeGenerated, NativeGenerateOptions } from '../native.js';
import type { Task, WhisperTokenizer } from '../processor/tokenizer.js';
import type { ModelConfig } from './config.js';
import type { GenerationConfig } from './generation-config.js';

export interface GenerateOptions {
  /** Name, code or alias of the language spoken. Default: what generation_config.json says, or none in the prompt. */
  language?: string | undefined;
  task?: Task | undefined;
  /** The prompt is the start token alone, and the model itself finds language and task. Default: false. */
  predictLanguage?: boolean | undefined;
  /** Tokens of a text, its prompt and end included. Default and most: the decoder's positions. */
  maxLength?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** A generated text. */
export interface Generated {
  text: string;
  /** After the prompt; the end token is the last, where it came before the length ran out. */
  tokens: number[];
  /** Natural logarithm of the probability of each token. */
  logprobs: number[];
}

/**
 * The options as the engine takes them, completed by the model's own.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a wrong language, task or length
 */
export function nativeOptions(
  model: { tokenizer: WhisperTokenizer; config: ModelConfig; generation: GenerationConfig },
  options: GenerateOptions,
): NativeGenerateOptions {
  const { tokenizer, generation } = model;
  const { vocab_size: vocabulary, max_target_positions: most } = model.config;
  const { task, maxLength = most } = options;
  const language = options.language ?? generation.language ?? undefined;
  const prompt = options.predictLanguage ? [tokenizer.sot] : tokenizer.promptTokens({ language, task });
  if (!Number.isInteger(maxLength) || maxLength <= prompt.length || maxLength > most) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `the maximum length must be more than the prompt's ${prompt.length} tokens and at most ` +
        `${most} (max_target_positions), got ${maxLength}`,
    );
  }
  const inVocabulary = (ids: readonly number[] | null | undefined): Int32Array =>
    Int32Array.from((ids ?? []).filter((id) => id >= 0 && id < vocabulary));
  return {
    prompt: Int32Array.from(prompt),
    maxLength,
    end: tokenizer.eot,
    suppress: inVocabulary(generation.suppress_tokens),
    beginSuppress: inVocabulary(generation.begin_suppress_tokens),
  };
}

export function textOf(tokenizer: WhisperTokenizer, { tokens, logprobs }: NativeGenerated): Generated {
  return { text: tokenizer.decode(tokens), tokens: [...tokens], logprobs: [...logprobs] };
}
