// A larger vocabulary: tokens and languages that a model does not have yet, behind those that it has.
import { WhisperError } from '../errors.js';
import type { NativeNewTokens } from '../native.js';
import type { WhisperTokenizer } from '../processor/tokenizer.js';
import type { ModelConfig } from './config.js';

/** What a vocabulary is to get. */
export interface NewTokenOptions {
  /** New tokens, which are found in texts as they are written. They begin as the mean of all, and a little noise. */
  addTokens?: readonly string[] | undefined;
  /**
   * New languages by code, each of which gets a token `<|code|>`: `gsw` begins as the mean of all tokens, `gsw:de` as the
   * language behind the colon.
   */
  addLanguages?: readonly string[] | undefined;
}

/** A model's configuration and tokenizer with the new tokens, and what the engine is told of them. */
export interface Resized {
  config: ModelConfig;
  tokenizer: WhisperTokenizer;
  newTokens: NativeNewTokens;
}

/**
 * Appends tokens to a vocabulary; undefined where nothing is to be added. The tokens that are there keep their
 * identifiers, timestamps included.
 *
 * @param seed of the noise
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a token or a language that is there already or is no name of one,
 *   `ERR_CONFIG` where the model has rows that its tokenizer has no tokens for
 */
export function resize(
  config: ModelConfig,
  tokenizer: WhisperTokenizer,
  { addTokens = [], addLanguages = [] }: NewTokenOptions,
  seed: number,
): Resized | undefined {
  if (addTokens.length + addLanguages.length === 0) return undefined;
  const languages = addLanguages.map((given) => newLanguage(given, tokenizer));
  const tokens = [
    ...languages.map(({ code, like }) => ({ content: `<|${code}|>`, special: true, like })),
    ...addTokens.map((content) => ({ content, special: /^<\|.+\|>$/.test(content), like: -1 })),
  ];
  const names = tokens.map(({ content }) => content);
  for (const [i, content] of names.entries()) {
    if (content.trim() !== content || content === '') {
      throw refused(
        `a new token must begin and end with something else than a space, got ${JSON.stringify(content)}`,
      );
    }
    if (tokenizer.tokenId(content) !== undefined || names.indexOf(content) < i) {
      throw refused(`the token ${content} is there already: only new ones can be added`);
    }
  }
  const extended = tokenizer.withTokens(
    tokens,
    languages.map(({ code }) => code),
  );
  const { vocab_size: before } = config;
  if (extended.vocabSize !== before + tokens.length) {
    throw new WhisperError(
      'ERR_CONFIG',
      `tokens cannot be added: the tokenizer ends with token ${extended.vocabSize - tokens.length - 1}, and the model has ` +
        `${before} (vocab_size)`,
    );
  }
  return {
    config: { ...config, vocab_size: extended.vocabSize },
    tokenizer: extended,
    newTokens: { like: Int32Array.from(tokens, ({ like }) => like), seed },
  };
}

function newLanguage(given: string, tokenizer: WhisperTokenizer): { code: string; like: number } {
  const [code = '', like, ...more] = given.split(':');
  if (!/^[a-z]{2,8}$/.test(code) || like === '' || more.length > 0) {
    throw refused(
      `a new language must be a code of 2 to 8 letters, or CODE:LANGUAGE as gsw:de, got ${JSON.stringify(given)}`,
    );
  }
  if (!tokenizer.isMultilingual)
    throw refused(`an English-only model has no languages: ${code} cannot be added`);
  if (tokenizer.languages.has(code)) throw refused(`the model has the language ${code} already`);
  return {
    code,
    like: like === undefined ? -1 : tokenizer.languageToken(like),
  };
}

function refused(message: string): WhisperError {
  return new WhisperError('ERR_INVALID_ARGUMENT', message);
}
