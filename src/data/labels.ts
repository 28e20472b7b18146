// From a row to its labels: the language and task of the row itself before those asked for, times of segments, and the
// previous text as a prompt.
import { WhisperError } from '../errors.js';
import { languageCode } from '../processor/languages.js';
import type { Task, WhisperTokenizer } from '../processor/tokenizer.js';
import type { Row } from './dataset.js';
import type { PrepareOptions, Said } from './prepare.js';

/** Language and task that a prompt names. */
export interface Spoken {
  language?: string | undefined;
  task?: Task | undefined;
}

export interface LabelOptions extends Spoken {
  /** Share of the rows whose labels have the times of their segments. Default 0. */
  timestamps?: number | undefined;
  /** Share of the rows with a previous text that it is put before. Default 0. */
  prompts?: number | undefined;
  /** Tokens of a prompt, `<|startofprev|>` included. Default: as many as fit. */
  maxPrompt?: number | undefined;
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
  const { language, task } = defaults;
  if (row.language === undefined && row.task === undefined) return { language, task };
  try {
    const spoken = {
      language: row.language === undefined ? language : ownLanguage(row.language, tokenizer),
      task: (row.task as Task | undefined) ?? task,
    };
    tokenizer.promptTokens(spoken);
    return spoken;
  } catch (cause) {
    if (!(cause instanceof WhisperError)) throw cause;
    throw new WhisperError('ERR_DATA', `${row.id}: ${cause.message}`, { cause });
  }
}

function ownLanguage(language: string, tokenizer: WhisperTokenizer): string | undefined {
  const code = localeLanguage(language, tokenizer.languages);
  return code === 'en' && !tokenizer.isMultilingual ? undefined : code;
}

/**
 * The code of the language that a row names: `es` for `Spanish`, `es` or `es-MX`.
 *
 * @param own codes that the model knows, where it may know more than Whisper does
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for one that is not known
 */
export function localeLanguage(language: string, own?: ReadonlyMap<string, unknown>): string {
  try {
    return languageCode(language, own);
  } catch (error) {
    const [first = ''] = language.split(/[-_]/);
    try {
      return languageCode(first, own);
    } catch {
      // The message names the whole of it.
      throw error;
    }
  }
}

/** Languages whose sentences are not parted by a space. */
const UNSPACED = new Set(['zh', 'ja', 'yue']);

/** What stands between two texts of a language that follow each other; a space, where Whisper does not know it. */
export function separator(language: string | undefined): string {
  if (language === undefined) return ' ';
  try {
    return UNSPACED.has(localeLanguage(language)) ? '' : ' ';
  } catch {
    return ' ';
  }
}

/**
 * The functions from a row to its labels (`<|startoftranscript|>`, language, task, text, `<|endoftext|>`) and to the
 * prompt before them. Which rows have times or a prompt is drawn for each row and pass.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a language or task that the model does not know; the functions
 *   themselves as {@link spokenIn}, and `ERR_DATA` for a previous text with special tokens
 */
export function labelsOf(
  tokenizer: WhisperTokenizer,
  options: LabelOptions,
): Required<Pick<PrepareOptions, 'labels' | 'prompt'>> {
  const { timestamps = 0, prompts = 0, maxPrompt = Infinity } = options;
  tokenizer.promptTokens(spokenIn({ id: '' }, tokenizer, options));
  return {
    labels(row, { seconds, draws }) {
      const spoken = spokenIn(row, tokenizer, options);
      // What is silent has no times: nothing is said at any.
      const timed = row.text.trim() !== '' && draws.for('timestamps').uniform() < timestamps;
      if (!timed) return tokenizer.labels(row.text, spoken);
      const text = timedText(tokenizer, row, seconds, separator(spoken.language));
      return [...tokenizer.promptTokens({ ...spoken, timestamps: true }), ...text, tokenizer.eot];
    },
    prompt(row, { draws }, most) {
      const room = Math.min(maxPrompt, most);
      if (!row.previous?.trim() || room < 2 || draws.for('prompt').uniform() >= prompts) return [];
      return [tokenizer.prev, ...previousText(tokenizer, row).slice(1 - room)];
    },
  };
}

/**
 * `<|0.00|> Hello.<|1.20|><|1.32|> How are you?<|2.50|>`: the time of each segment's start, its text, the time of its end,
 * in steps of 0.02 s from the start of the clip, none before the one before it or after the clip's end. A row without
 * segments is one that fills the clip. Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak
 * Supervision", section 2.3.
 *
 * @param before each text: it follows another, and with a space its first word is the token that it is within a text
 */
function timedText(tokenizer: WhisperTokenizer, row: Said, seconds: number, before: string): number[] {
  const segments = row.segments?.filter(({ text }) => text.trim() !== '') ?? [];
  const timed = segments.length > 0 ? segments : [{ start: 0, end: seconds, text: row.text }];
  const tokens: number[] = [];
  // A sample more or less is no matter of a step of 320.
  const last = Math.min(1500, Math.floor(seconds * 50 + 1e-3));
  const step = (time: number, after: number) => Math.min(last, Math.max(after, Math.round(time * 50)));
  let after = 0;
  for (const { start, end, text } of timed) {
    const from = step(start, after);
    after = step(end, from);
    const words = tokenizer.encode(before + text.trim());
    tokens.push(tokenizer.timestampBegin + from, ...words, tokenizer.timestampBegin + after);
  }
  return tokens;
}

/** As `get_prompt_ids` of transformers' tokenizer has it, without the `<|startofprev|>` before it. */
function previousText(tokenizer: WhisperTokenizer, { id, previous }: Said): number[] {
  const tokens = tokenizer.encode(` ${previous!.trim()}`);
  const special = tokens.find((token) => tokenizer.isSpecial(token));
  if (special === undefined) return tokens;
  const name = tokenizer.decode([special], { skipSpecialTokens: false });
  throw new WhisperError('ERR_DATA', `${id}: the previous text must be text, and it has the token ${name}`);
}
