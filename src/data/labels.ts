// From a row to its labels: the language and task of the row itself before those asked for.
import { WhisperError } from '../errors.js';
import { languageCode } from '../processor/languages.js';
import type { Task, WhisperTokenizer } from '../processor/tokenizer.js';
import type { Row } from './dataset.js';

/** Language and task that a prompt names. */
export interface Spoken {
  language?: string | undefined;
  task?: Task | undefined;
}

/**
 * The language and task of a row: its own where it has them, else the defaults. A row's language may be a locale, as
 * `pt-BR`; English rows name none to an English-only model, which has no prompt for it.
 *
 * @throws WhisperError `ERR_DATA` naming the row, for a language or task that is none or that the model does not know
 */
export function spokenIn(
  row: Pick<Row, 'id' | 'language' | 'task'>,
  tokenizer: WhisperTokenizer,
  defaults: Spoken,
): Spoken {
  if (row.language === undefined && row.task === undefined) return defaults;
  try {
    const spoken = {
      language: row.language === undefined ? defaults.language : ownLanguage(row.language, tokenizer),
      task: (row.task as Task | undefined) ?? defaults.task,
    };
    tokenizer.promptTokens(spoken);
    return spoken;
  } catch (cause) {
    if (!(cause instanceof WhisperError)) throw cause;
    throw new WhisperError('ERR_DATA', `${row.id}: ${cause.message}`, { cause });
  }
}

function ownLanguage(language: string, tokenizer: WhisperTokenizer): string | undefined {
  const code = localeLanguage(language);
  return code === 'en' && !tokenizer.isMultilingual ? undefined : code;
}

/** The language's code of `Spanish`, `es` or `es-MX`. */
function localeLanguage(language: string): string {
  const [first = ''] = language.split(/[-_]/);
  if (first === language) return languageCode(language);
  try {
    return languageCode(first);
  } catch {
    // The message names the whole of it.
    return languageCode(language);
  }
}

/**
 * The function from a row to its labels: prompt, text, end token.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for defaults that the model does not know; the function itself as
 *   {@link spokenIn}
 */
export function labeller(tokenizer: WhisperTokenizer, defaults: Spoken): (row: Row) => number[] {
  tokenizer.promptTokens(defaults);
  return (row) => tokenizer.labels(row.text, spokenIn(row, tokenizer, defaults));
}
