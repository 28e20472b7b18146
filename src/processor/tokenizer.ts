// Whisper's tokenizer: text to token identifiers and back, prompts, label rows, suppressed tokens.
import { Tokenizer } from '@huggingface/tokenizers';
import { WhisperError } from '../errors.js';
import { readGenerationConfig } from '../model/generation-config.js';
import { BYTE_OF_CHARACTER, tokenBytes } from './byte-level.js';
import { LANGUAGES, languageCode } from './languages.js';
import {
  readTokenizerFiles,
  type TokenizerFiles,
  withAddedTokens,
  writeTokenizerFiles,
} from './tokenizer-files.js';

export type Task = 'transcribe' | 'translate';

export interface PromptOptions {
  /** Name, code or alias. Without one the prompt names neither language nor task. */
  language?: string | undefined;
  /** Default `transcribe`. */
  task?: Task | undefined;
  /** Whether timestamps are wanted, so that `<|notimestamps|>` is left out. Default false. */
  timestamps?: boolean | undefined;
}

export interface DecodeOptions {
  /** Leave out special tokens, and a previous text before `<|startoftranscript|>`. Default true. */
  skipSpecialTokens?: boolean;
  /** Write timestamp tokens as `<|1.08|>`; by default they are left out. */
  timestamps?: boolean;
}

// `\s` means the Unicode property here, as in the Rust library, not JavaScript's `\s`.
const WORD_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const TIMESTAMPS = 1501;
const timestampName = (index: number): string => `<|${(index / 50).toFixed(2)}|>`;
/** Text tokens of GPT-2's vocabulary. Only the English-only models have it; the multilingual one has one more. */
const GPT2_TEXT_TOKENS = 50256;

/** Symbols that a transcript of speech seldom has (openai/whisper `tokenizer.py`, `non_speech_tokens`). */
const NON_SPEECH = [...'"#()*+/:;<=>@[\\]^_`{|}~「」『』'].concat(
  '<< >> <<< >>> -- --- -( -[ (\' (" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪'.split(' '),
);
const MUSIC = [...'♩♪♫♬♭♮♯'];

/**
 * A Whisper tokenizer: byte-level BPE and the special tokens, which are found by their names, so that the
 * layouts of the English-only (51864), multilingual (51865) and large-v3 (51866) vocabularies and smaller own
 * ones all work.
 */
export class WhisperTokenizer {
  /** `<|startoftranscript|>` */
  readonly sot: number;
  /** `<|endoftext|>` */
  readonly eot: number;
  /** `<|startofprev|>` */
  readonly prev: number;
  /** `<|startoflm|>` */
  readonly lm: number;
  /** `<|nospeech|>`, named `<|nocaptions|>` in older files */
  readonly nospeech: number;
  /** `<|notimestamps|>` */
  readonly notimestamps: number;
  readonly translate: number;
  readonly transcribe: number;
  /** `<|0.00|>`; the 1501 timestamps follow in steps of 0.02 s. Old files do not list them, the models know them. */
  readonly timestampBegin: number;
  /** Token of each language of the vocabulary by its code, in the order of the tokens. */
  readonly languages: ReadonlyMap<string, number>;
  /** False for English-only models, whose vocabularies have language tokens that were never trained. */
  readonly isMultilingual: boolean;
  /** One more than the largest identifier of the files. */
  readonly vocabSize: number;

  readonly #files: TokenizerFiles;
  readonly #bpe: Tokenizer;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #special: ReadonlySet<number>;
  readonly #bytes: readonly (Uint8Array | undefined)[];

  /** @param own codes of languages that only this vocabulary has */
  private constructor(files: TokenizerFiles, isMultilingual?: boolean | null, own: Iterable<string> = []) {
    const { json } = files;
    this.#files = files;
    this.#ids = new Map([
      ...Object.entries(json.model.vocab),
      ...json.added_tokens.map(({ content, id }) => [content, id] as const),
    ]);
    this.#special = new Set(json.added_tokens.flatMap(({ id, special }) => (special ? [id] : [])));
    const bytes: Uint8Array[] = [];
    for (const [name, id] of Object.entries(json.model.vocab)) bytes[id] = tokenBytes(name);
    // Added tokens are text, not the alphabet of bytes.
    for (const { content, id } of json.added_tokens) bytes[id] = Buffer.from(content);
    this.#bytes = bytes;
    this.vocabSize = bytes.length;

    this.sot = this.#require('<|startoftranscript|>');
    this.eot = this.#require('<|endoftext|>');
    this.prev = this.#require('<|startofprev|>');
    this.lm = this.#require('<|startoflm|>');
    this.nospeech = this.tokenId('<|nocaptions|>') ?? this.#require('<|nospeech|>');
    this.notimestamps = this.#require('<|notimestamps|>');
    this.translate = this.#require('<|translate|>');
    this.transcribe = this.#require('<|transcribe|>');
    this.timestampBegin = this.tokenId('<|0.00|>') ?? this.notimestamps + 1;
    this.languages = new Map(
      [...new Set([...LANGUAGES.keys(), ...own])].flatMap((code) => {
        const id = this.tokenId(`<|${code}|>`);
        return id === undefined ? [] : [[code, id] as const];
      }),
    );
    this.isMultilingual = this.languages.size > 0 && (isMultilingual ?? this.eot !== GPT2_TEXT_TOKENS);
    for (const character of BYTE_OF_CHARACTER.keys()) this.#require(character);

    // One code path for all files, and only what encoding needs: decoding and prompts are done here.
    this.#bpe = new Tokenizer(
      {
        ...json,
        normalizer: null,
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: WORD_PATTERN }, behavior: 'Isolated', invert: false },
            { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
          ],
        },
        post_processor: null,
        decoder: null,
      },
      {},
    );
  }

  /**
   * Reads the tokenizer of a checkpoint folder: `tokenizer.json`, or `vocab.json` with `merges.txt` and
   * `added_tokens.json`. `is_multilingual` and `lang_to_id` of a `generation_config.json` beside them are believed.
   *
   * @throws WhisperError `ERR_FILE` when files are missing, `ERR_CONFIG` naming the file and what is wrong with it.
   */
  static async fromPretrained(folder: string): Promise<WhisperTokenizer> {
    const files = await readTokenizerFiles(folder);
    const { is_multilingual, lang_to_id } = await readGenerationConfig(folder);
    const own = Object.keys(lang_to_id ?? {}).map((token) => token.replace(/^<\|(.+)\|>$/, '$1'));
    return new WhisperTokenizer(files, is_multilingual, own);
  }

  /**
   * The same tokenizer with more tokens, whose identifiers follow the last one's. Timestamps that the files do not list
   * are listed then, because what follows them has to be.
   *
   * @param languages codes of new languages, whose tokens `<|code|>` are among the new ones
   */
  withTokens(
    tokens: readonly { content: string; special: boolean }[],
    languages: readonly string[] = [],
  ): WhisperTokenizer {
    const listed = this.tokenId('<|0.00|>') !== undefined;
    const timestamps = listed ? [] : Array.from({ length: TIMESTAMPS }, (_, i) => timestampName(i));
    const first = listed ? this.vocabSize : this.timestampBegin;
    const added = [...timestamps.map((content) => ({ content, special: false })), ...tokens];
    const files = withAddedTokens(this.#files, added, first);
    return new WhisperTokenizer(files, this.isMultilingual, [...this.languages.keys(), ...languages]);
  }

  /**
   * Writes the files that transformers 4 and 5, faster-whisper and the converters of whisper.cpp read; the folder
   * is made when missing.
   *
   * @throws WhisperError `ERR_FILE` when a file cannot be written.
   */
  async savePretrained(folder: string): Promise<void> {
    await writeTokenizerFiles(folder, this.#files);
  }

  /**
   * Tokens of `text`, nothing added. The names of special tokens in the text become those tokens, as in
   * transformers; a lone surrogate becomes U+FFFD.
   */
  encode(text: string): number[] {
    return this.#bpe.encode(text, { add_special_tokens: false }).ids;
  }

  /**
   * Text of `ids`: the bytes of all tokens joined, U+FFFD for what is not UTF-8. Identifiers that are no token
   * (padding rows of a model, -100 in labels) are left out. No space is cleaned up.
   */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const { skipSpecialTokens = true, timestamps = false } = options;
    let tokens = [...ids];
    if (skipSpecialTokens && tokens[0] === this.prev) {
      const start = tokens.indexOf(this.sot);
      tokens = start < 0 ? [] : tokens.slice(start);
    }
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let text = '';
    for (const id of tokens) {
      if (this.isTimestamp(id)) {
        // A timestamp ends a character that began before it.
        text += decoder.decode();
        if (timestamps) text += timestampName(id - this.timestampBegin);
      } else if (!(skipSpecialTokens && this.#special.has(id))) {
        text += decoder.decode(this.#bytes[id] ?? new Uint8Array(), { stream: true });
      }
    }
    return text + decoder.decode();
  }

  /**
   * What the decoder is given before the text: `<|startoftranscript|>`, language, task, `<|notimestamps|>`.
   * Without a language, and for English-only models always, language and task are left out.
   *
   * @throws WhisperError `ERR_INVALID_ARGUMENT` for an unknown language, one the vocabulary does not have, a
   * language or translation asked of an English-only model, a translation from no language.
   */
  promptTokens(options: PromptOptions = {}): number[] {
    const { language, task = 'transcribe', timestamps = false } = options;
    const prompt = [this.sot];
    if (task !== 'transcribe' && task !== 'translate') {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `unknown task ${JSON.stringify(task)}: expected transcribe or translate`,
      );
    }
    if (language !== undefined) {
      prompt.push(this.languageToken(language), task === 'translate' ? this.translate : this.transcribe);
    } else if (task === 'translate') {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        this.isMultilingual
          ? 'task translate needs a language: that of the speech'
          : 'an English-only model has no task translate',
      );
    }
    if (!timestamps) prompt.push(this.notimestamps);
    return prompt;
  }

  /**
   * The label row of a training example: prompt, text, `<|endoftext|>`; what transformers' tokenizer returns for
   * `text` after `set_prefix_tokens(language, task)`. No space is put before the text, nothing is cut off.
   *
   * @throws WhisperError as `promptTokens`.
   */
  labels(text: string, options: PromptOptions = {}): number[] {
    return [...this.promptTokens(options), ...this.encode(text), this.eot];
  }

  /**
   * Token of a language given by name, code or alias.
   *
   * @throws WhisperError `ERR_INVALID_ARGUMENT` for an unknown one, one that this vocabulary does not have, and
   * any of an English-only model.
   */
  languageToken(language: string): number {
    const code = this.languageCode(language);
    if (!this.isMultilingual) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `language ${JSON.stringify(language)} was given, but this is an English-only model: leave the language out`,
      );
    }
    const id = this.languages.get(code);
    if (id === undefined) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${this.#files.path} has no token <|${code}|>: this model does not know ${LANGUAGES.get(code)}`,
      );
    }
    return id;
  }

  /**
   * The code of a language given by name, code or alias, of those that Whisper or this vocabulary knows.
   *
   * @throws WhisperError `ERR_INVALID_ARGUMENT` for an unknown one
   */
  languageCode(language: string): string {
    return languageCode(language, this.languages);
  }

  /** Identifier of a token by its name (`<|en|>`) or its spelling in the byte-level alphabet (`Ġthe`). */
  tokenId(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Whether the token says something about the text rather than being text; timestamps are not special. */
  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  isTimestamp(id: number): boolean {
    return id >= this.timestampBegin && id < this.timestampBegin + TIMESTAMPS;
  }

  /**
   * Tokens of brackets, quotes, speaker marks and music notes, ascending: forbidden by default so that only
   * what is spoken is written. Source: openai/whisper `non_speech_tokens`. A bare space is never among them,
   * though small vocabularies spell `" -"` with one.
   */
  nonSpeechTokens(): number[] {
    const tokens = new Set<number>();
    for (const symbol of [...NON_SPEECH, ...MUSIC]) {
      for (const ids of [this.encode(symbol), this.encode(` ${symbol}`)]) {
        // Notes are several byte tokens; without the first none of them can be written.
        if (ids.length === 1 || MUSIC.includes(symbol)) tokens.add(ids[0]!);
      }
    }
    // A dash or an apostrophe may stand inside a word, but not begin one.
    for (const text of [' -', " '"]) tokens.add(this.encode(text)[0]!);
    const [space] = this.encode(' ');
    tokens.delete(space!);
    return [...tokens].sort((a, b) => a - b);
  }

  /** Tokens never to be generated: `nonSpeechTokens()` and the special ones that only begin a prompt. */
  suppressTokens(): number[] {
    const { sot, translate, transcribe, lm, prev, nospeech } = this;
    return [...this.nonSpeechTokens(), sot, translate, transcribe, lm, prev, nospeech].sort((a, b) => a - b);
  }

  /** Tokens that must not come first: a bare space and the end of the text. */
  beginSuppressTokens(): number[] {
    return [...this.encode(' '), this.eot];
  }

  #require(token: string): number {
    const id = this.tokenId(token);
    if (id === undefined) {
      throw new WhisperError(
        'ERR_CONFIG',
        `${this.#files.path} has no token ${token}: it is not a Whisper tokenizer`,
      );
    }
    return id;
  }
}
