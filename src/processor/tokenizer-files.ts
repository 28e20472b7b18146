// The tokenizer's files in a checkpoint folder: read in any layout, written in all of them.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fileError, WhisperError } from '../errors.js';
import { exists, makeFolder } from '../files/folders.js';
import { readJson } from '../files/json.js';
import { ENGLISH_SPELLINGS } from './normalizers/english-spellings.js';

const tokenId = z.int().nonnegative().max(0x7fffffff);
const vocabulary = z.record(z.string(), tokenId);

const addedToken = z.looseObject({
  id: tokenId,
  content: z.string(),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().default(false),
  special: z.boolean().default(false),
});

const tokenizerJson = z.looseObject({
  added_tokens: z.array(addedToken),
  normalizer: z.null().optional(),
  pre_tokenizer: z.looseObject({
    type: z.literal('ByteLevel'),
    add_prefix_space: z.literal(false).optional(),
    use_regex: z.literal(true).optional(),
  }),
  model: z.looseObject({
    // Files before tokenizers 0.10 do not name the type.
    type: z.literal('BPE').default('BPE'),
    vocab: vocabulary,
    // "a b" in older files, ["a", "b"] since tokenizers 0.20.
    merges: z.union([z.array(z.tuple([z.string(), z.string()])), z.array(z.string().regex(/^\S+ \S+$/))]),
  }),
});

// A token in these files is its string or an object with the string as `content`.
const token = z.union([
  z.string(),
  z.looseObject({ content: z.string() }).transform(({ content }) => content),
]);
const specialTokens = z.looseObject({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  unk_token: token.nullish(),
  pad_token: token.nullish(),
  additional_special_tokens: z.array(token).nullish(),
  // transformers 5 has the additional ones here, as a list; elsewhere the key holds named ones.
  extra_special_tokens: z.union([z.array(token), z.record(z.string(), token)]).nullish(),
});

export type AddedToken = z.output<typeof addedToken>;
export type TokenizerJson = z.output<typeof tokenizerJson>;

/** What the files of a folder say. */
export interface TokenizerFiles {
  /** For messages: the file that names the tokens. */
  path: string;
  /** tokenizer.json, or its like made of vocab.json, merges.txt and added_tokens.json. */
  json: TokenizerJson;
  /** tokenizer_config.json. */
  config: Record<string, unknown>;
  /** normalizer.json: British to American spelling. */
  spellings: Record<string, string>;
}

const START = '<|startoftranscript|>';
const END_OF_TEXT = '<|endoftext|>';
const NO_TIMESTAMPS = '<|notimestamps|>';
const TIMESTAMP = /^<\|\d+\.\d\d\|>$/;

/**
 * Reads `tokenizer.json`, or where there is none `vocab.json` and `merges.txt` with `added_tokens.json`,
 * `special_tokens_map.json` and `tokenizer_config.json`.
 *
 * @throws WhisperError `ERR_FILE` when a file is missing or unreadable, `ERR_CONFIG` when one is damaged.
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const file = (name: string): string => join(folder, name);
  const optional = async <S extends z.ZodType>(name: string, schema: S): Promise<z.output<S> | undefined> =>
    (await exists(file(name))) ? readJson(file(name), schema) : undefined;

  const config = (await optional('tokenizer_config.json', z.record(z.string(), z.unknown()))) ?? {};
  const spellings =
    (await optional('normalizer.json', z.record(z.string(), z.string()))) ??
    Object.fromEntries(ENGLISH_SPELLINGS);
  if (await exists(file('tokenizer.json'))) {
    const path = file('tokenizer.json');
    return { path, json: await readJson(path, tokenizerJson), config, spellings };
  }
  if (!(await exists(file('vocab.json')))) {
    throw new WhisperError(
      'ERR_FILE',
      `${folder} has no tokenizer: expected tokenizer.json, or vocab.json and merges.txt`,
    );
  }
  const vocab = await readJson(file('vocab.json'), vocabulary);
  const merges = await readMerges(file('merges.txt'), vocab);
  const added = (await optional('added_tokens.json', vocabulary)) ?? {};
  const named = [
    await optional('special_tokens_map.json', specialTokens),
    (await exists(file('tokenizer_config.json')))
      ? await readJson(file('tokenizer_config.json'), specialTokens)
      : undefined,
  ].flatMap((found) => (found === undefined ? [] : specialTokenStrings(found)));
  const addedTokens = legacyAddedTokens(vocab, added, new Set(named));
  return {
    path: file('vocab.json'),
    json: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens,
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: promptTemplate(addedTokens),
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab,
        merges,
      },
    },
    config,
    spellings,
  };
}

function specialTokenStrings(found: z.output<typeof specialTokens>): string[] {
  const { bos_token, eos_token, unk_token, pad_token, additional_special_tokens, extra_special_tokens } =
    found;
  const one = [bos_token, eos_token, unk_token, pad_token].filter((name) => typeof name === 'string');
  return [...one, ...(additional_special_tokens ?? []), ...Object.values(extra_special_tokens ?? {})];
}

/** `added_tokens.json` and the special tokens that stand in `vocab.json` itself; only timestamps are not special. */
function legacyAddedTokens(
  vocab: Record<string, number>,
  added: Record<string, number>,
  named: ReadonlySet<string>,
): AddedToken[] {
  const ids = new Map(Object.entries(added));
  for (const content of [END_OF_TEXT, ...named]) {
    if (!ids.has(content) && Object.hasOwn(vocab, content)) ids.set(content, vocab[content]!);
  }
  return [...ids]
    .map(([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: named.has(content) || (/^<\|.*\|>$/.test(content) && !TIMESTAMP.test(content)),
    }))
    .sort((a, b) => a.id - b.id);
}

/** What surrounds a text where nobody set a language; null where a token is missing, which its user reports. */
function promptTemplate(addedTokens: readonly AddedToken[]): object | null {
  const ids = new Map(addedTokens.map(({ content, id }) => [content, id]));
  const names = [START, NO_TIMESTAMPS, END_OF_TEXT];
  if (!names.every((name) => ids.has(name))) return null;
  const special = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  return {
    type: 'TemplateProcessing',
    single: [special(START, 0), special(NO_TIMESTAMPS, 0), text('A', 0), special(END_OF_TEXT, 0)],
    pair: [special(START, 0), special(NO_TIMESTAMPS, 0), text('A', 0), text('B', 1), special(END_OF_TEXT, 1)],
    special_tokens: Object.fromEntries(names.map((id) => [id, { id, ids: [ids.get(id)], tokens: [id] }])),
  };
}

async function readMerges(path: string, vocab: Record<string, number>): Promise<[string, string][]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  const merges: [string, string][] = [];
  text.split(/\r?\n/).forEach((line, i) => {
    if (line === '' || (i === 0 && line.startsWith('#version'))) return;
    const [left, right, ...more] = line.split(' ');
    if (!left || !right || more.length > 0) {
      throw new WhisperError(
        'ERR_CONFIG',
        `${path}:${i + 1}: expected two tokens, got ${JSON.stringify(line)}`,
      );
    }
    if (!Object.hasOwn(vocab, left + right)) {
      throw new WhisperError(
        'ERR_CONFIG',
        `${path}:${i + 1}: vocab.json has no token ${JSON.stringify(left + right)}`,
      );
    }
    merges.push([left, right]);
  });
  return merges;
}

/** The files with more added tokens, the first of which has the identifier `first`. */
export function withAddedTokens(
  files: TokenizerFiles,
  tokens: readonly { content: string; special: boolean }[],
  first: number,
): TokenizerFiles {
  const added = tokens.map(({ content, special }, i) => ({
    id: first + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special,
  }));
  return { ...files, json: { ...files.json, added_tokens: [...files.json.added_tokens, ...added] } };
}

/**
 * Writes every file that some reader wants: tokenizer.json (tokenizers, faster-whisper), vocab.json, merges.txt,
 * added_tokens.json and special_tokens_map.json (transformers before 5, the converter of whisper.cpp),
 * tokenizer_config.json and normalizer.json. The folder is made when missing; each file appears whole or not at all.
 */
export async function writeTokenizerFiles(folder: string, files: TokenizerFiles): Promise<void> {
  const { json } = files;
  // transformers takes the identifier behind the last special token for the first timestamp.
  const last = NO_TIMESTAMPS;
  const vocab = Object.entries(json.model.vocab).sort(([, a], [, b]) => a - b);
  const merges = json.model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')));
  const special = json.added_tokens.filter((added) => added.special).sort((a, b) => a.id - b.id);
  const names = special.map(({ content }) => content).filter((content) => content !== last);
  const specialTokensMap = {
    bos_token: END_OF_TEXT,
    eos_token: END_OF_TEXT,
    unk_token: END_OF_TEXT,
    pad_token: END_OF_TEXT,
    ...pick(files.config, ['bos_token', 'eos_token', 'unk_token', 'pad_token']),
    additional_special_tokens: [...names, last],
  };
  // transformers 4 stops at a list under this key, which transformers 5 writes; both read the other key.
  const { extra_special_tokens: extra, ...config } = files.config;
  const contents: Record<string, string> = {
    'tokenizer.json': stringify(json),
    'tokenizer_config.json': stringify({
      add_prefix_space: false,
      clean_up_tokenization_spaces: false,
      errors: 'replace',
      processor_class: 'WhisperProcessor',
      tokenizer_class: 'WhisperTokenizer',
      ...config,
      ...(extra === undefined || Array.isArray(extra) ? {} : { extra_special_tokens: extra }),
      ...specialTokensMap,
    }),
    'vocab.json': stringify(Object.fromEntries(vocab)),
    'merges.txt': `${['#version: 0.2', ...merges].join('\n')}\n`,
    'added_tokens.json': stringify(
      Object.fromEntries(
        json.added_tokens
          .filter(({ content }) => !Object.hasOwn(json.model.vocab, content))
          .map(({ content, id }) => [content, id]),
      ),
    ),
    'special_tokens_map.json': stringify(specialTokensMap),
    'normalizer.json': stringify(files.spellings),
  };
  await makeFolder(folder);
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    try {
      await writeFile(`${path}.tmp`, content, { flush: true });
      await rename(`${path}.tmp`, path);
    } catch (cause) {
      throw fileError('write', path, cause);
    }
  }
}

function stringify(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.flatMap((key) => (from[key] == null ? [] : [[key, from[key]]])));
}
