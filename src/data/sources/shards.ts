// Which files make up which split: by README.md's `configs`, or by their names, with the rules of Hugging Face datasets.
// The rules: huggingface.co/docs/datasets/repository_structure
import { parse } from 'yaml';
import { z } from 'zod';
import { WhisperError } from '../../errors.js';
import { concatenate, type Source } from '../dataset.js';
import { type DataFiles, filesEnding, hasFile, readBytes } from './files.js';
import type { Place } from './format.js';

/** Names that mean the same split. Common Voice says dev where datasets says validation. */
export const splitAliases: readonly (readonly string[])[] = [
  ['train', 'training'],
  ['validation', 'valid', 'val', 'dev'],
  ['test', 'testing', 'eval', 'evaluation'],
];

/** The files of each split, sorted. */
export type Shards = ReadonlyMap<string, readonly string[]>;

/** `train-00000-of-00005`: the split and the number of a shard. */
const numbered = /^(.+)-\d{5}-of-\d{5}$/;

/** A name of a split alone, or beside other words: `my-test_2`, `train.part1`. */
function keyword(name: string): string | undefined {
  const words = name.toLowerCase().split(/[-._ \d]+/);
  return splitAliases.find((names) => names.some((alias) => words.includes(alias)))?.[0];
}

/** The split that a path names, by its file's name before the names of its folders. */
function splitOf(path: string): string | undefined {
  const parts = path.split('/');
  const stem = parts.pop()!.replace(/\.[^.]+$/, '');
  const shard = numbered.exec(stem)?.[1];
  if (shard !== undefined) return shard;
  // The Hub's own conversion: split/0000.parquet.
  if (/^\d+$/.test(stem) && parts.length > 0) return parts.at(-1)!.replace(/^partial-/, '');
  return keyword(stem) ?? parts.reverse().map(keyword).find(Boolean);
}

/** Splits of files by their names. Where no name tells, everything is for training. */
export function shardsByName(paths: readonly string[]): Shards {
  const shards = new Map<string, string[]>();
  const named = paths.some((path) => splitOf(path) !== undefined);
  for (const path of paths) {
    const split = splitOf(path) ?? (named ? undefined : 'train');
    if (split === undefined) continue;
    const files = shards.get(split);
    if (files) files.push(path);
    else shards.set(split, [path]);
  }
  return shards;
}

/** Folders at the top that are configurations: those with files whose folder is neither `data` nor a split's name. */
function configFolders(paths: readonly string[]): string[] {
  const tops = paths.map((path) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : ''));
  return [...new Set(tops)].filter((top) => top !== '' && top !== 'data' && keyword(top) === undefined);
}

const patterns = z.union([z.string(), z.array(z.string())]);
const config = z.object({
  config_name: z.string(),
  data_files: z.union([patterns, z.array(z.object({ split: z.string(), path: patterns }))]).optional(),
  data_dir: z.string().optional(),
  default: z.boolean().optional(),
});
const cardSchema = z.object({ configs: z.array(config).min(1) });
type Config = z.infer<typeof config>;

/** The configurations that README.md lists between its `---` lines; none without such a list. */
export async function readConfigs(files: DataFiles): Promise<Config[]> {
  if (!(await hasFile(files, 'README.md'))) return [];
  const header = /^\ufeff?---\r?\n([\s\S]*?)\r?\n---/.exec(
    new TextDecoder().decode(await readBytes(files, 'README.md')),
  )?.[1];
  if (header === undefined) return [];
  let content: unknown;
  try {
    content = parse(header);
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new WhisperError('ERR_DATA', `${files.describe('README.md')}: its header is no YAML: ${reason}`, {
      cause,
    });
  }
  if ((content as { configs?: unknown } | null)?.configs === undefined) return [];
  const card = cardSchema.safeParse(content);
  if (card.success) return card.data.configs;
  const { path } = card.error.issues[0]!;
  throw new WhisperError(
    'ERR_DATA',
    `${files.describe('README.md')}: ${path.join('.')} is not what data sets have there (see "configs" in datasets' documentation)`,
  );
}

/** A pattern for paths, as shells have it: `*`, `**`, `?`, `[a-z]` and `{a,b}`. */
export function globPattern(glob: string): RegExp {
  let braces = 0;
  const source = glob
    .replace(/^\.\//, '')
    .replace(/\*\*\/|\*\*|\*|\?|\[!?[^\]]+\]|[{},]|[\\^$+.()|\]]/g, (token) => {
      if (token === '**/') return '(?:[^/]+/)*';
      if (token === '**') return '.*';
      if (token === '*') return '[^/]*';
      if (token === '?') return '[^/]';
      if (token.startsWith('[')) return token.replace(/^\[!/, '[^').replaceAll('\\', '\\\\');
      if (token === '{') braces++;
      if (token === '{') return '(?:';
      if (token === '}') return braces-- > 0 ? ')' : '\\}';
      if (token === ',') return braces > 0 ? '|' : ',';
      return `\\${token}`;
    });
  return new RegExp(`^${source}$`);
}

function matching(paths: readonly string[], globs: string | readonly string[]): string[] {
  const tests = [globs].flat().map((glob) => globPattern(glob));
  return paths.filter((path) => tests.some((test) => test.test(path)));
}

function configShards({ data_files: given, data_dir: folder }: Config, paths: readonly string[]): Shards {
  const prefix = folder === undefined ? '' : `${folder.replace(/^\.\/|\/$/g, '')}/`;
  const inside = paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  const back = (found: readonly string[]) => found.map((path) => prefix + path);
  if (given === undefined)
    return new Map([...shardsByName(inside)].map(([split, found]) => [split, back(found)]));
  if (typeof given === 'string' || typeof given[0] === 'string')
    return new Map([['train', back(matching(inside, given as string | string[]))]]);
  const lists = given as { split: string; path: string | string[] }[];
  return new Map(lists.map(({ split, path }) => [split, back(matching(inside, path))]));
}

/** The configuration asked for, the only one, or the default one. @throws WhisperError ERR_DATA with those there are */
export function chooseConfig<T extends { name: string; default?: boolean | undefined }>(
  files: DataFiles,
  configs: readonly T[],
  wanted: string | undefined,
): T {
  const names = configs.map(({ name }) => name).join(', ');
  const found =
    wanted === undefined
      ? configs.length === 1
        ? configs[0]
        : configs.find(({ name, default: chosen }) => chosen || name === 'default')
      : configs.find(({ name }) => name === wanted);
  if (found) return found;
  throw new WhisperError(
    'ERR_DATA',
    wanted === undefined
      ? `${files.name} has several configurations; say which (dataset_config_name): ${names}`
      : `${files.name} has no configuration "${wanted}"; it has: ${names}`,
  );
}

/**
 * The files with one of the endings, by split.
 *
 * @param byName finds the splits where README.md does not say them
 * @returns undefined when there are none
 * @throws WhisperError ERR_DATA for a configuration that is not there, or when one must be chosen, with those there are
 */
export async function findShards(
  { files, config: wanted }: Place,
  endings: readonly string[],
  byName = shardsByName,
): Promise<Shards | undefined> {
  const paths = await filesEnding(files, endings, { skip: ['clips'] });
  if (paths.length === 0) return undefined;
  const configs = await readConfigs(files);
  if (configs.length > 0) {
    const named = configs.map((config) => ({ ...config, name: config.config_name }));
    const shards = configShards(chooseConfig(files, named, wanted), paths);
    const filled = new Map([...shards].filter(([, found]) => found.length > 0));
    return filled.size > 0 ? filled : undefined;
  }
  const folders = configFolders(paths);
  if (folders.length === 0) return byName(paths);
  const { name } = chooseConfig(
    files,
    folders.map((name) => ({ name })),
    wanted,
  );
  const inside = paths.filter((path) => path.startsWith(`${name}/`));
  const shards = byName(inside.map((path) => path.slice(name.length + 1)));
  return new Map([...shards].map(([split, found]) => [split, found.map((path) => `${name}/${path}`)]));
}

/** The shards of a split one after the other, under one name. */
export function joinShards(files: DataFiles, split: string, shards: readonly Source[]): Source {
  return shards.length === 1 ? shards[0]! : concatenate(shards, `${files.name} (${split})`);
}
