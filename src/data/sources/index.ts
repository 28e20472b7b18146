// The list of data set formats, and `openDataset`, which finds the right one.
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileError, WhisperError } from '../../errors.js';
import { concatenate, type Source } from '../dataset.js';
import { audioFolder } from './audio-folder.js';
import type { Columns } from './clips.js';
import { commonVoice } from './common-voice.js';
import type { Format, Splits } from './format.js';
import { manifest } from './manifest.js';

/** Every format, the most particular first: the first that recognises a path opens it. */
export const formats: readonly Format[] = [commonVoice, audioFolder, manifest];

/** Names that mean the same split. Common Voice says dev where datasets says validation. */
const splitAliases: readonly (readonly string[])[] = [
  ['train', 'training'],
  ['validation', 'valid', 'val', 'dev'],
  ['test', 'testing', 'eval'],
];

export interface OpenDatasetOptions extends Columns {
  /** A split, or several one after the other: `train+validation`. Without it the data set must have exactly one. */
  split?: string;
  /** A folder under the path, such as the language of a Common Voice release. */
  config?: string;
}

async function recognise(path: string): Promise<{ format: Format; splits: Splits }> {
  for (const format of formats) {
    const splits = await format.recognise(path);
    if (splits && splits.size > 0) return { format, splits };
  }
  const folder = (await stat(path)).isDirectory();
  const entries = folder ? (await readdir(path)).sort() : [];
  const more = entries.length > 8 ? `, … (${entries.length})` : '';
  const there = folder
    ? entries.length > 0
      ? `; there is: ${entries.slice(0, 8).join(', ')}${more}`
      : '; the folder is empty'
    : '';
  const looked = formats.map(({ name, expects }) => `${name} (${expects})`).join('; ');
  throw new WhisperError('ERR_DATA', `no data set in ${path}${there}. Looked for: ${looked}`);
}

function findSplit(splits: Splits, wanted: string): ((columns: Columns) => Promise<Source>) | undefined {
  const aliases = splitAliases.find((names) => names.includes(wanted)) ?? [];
  const name = [wanted, ...aliases].find((candidate) => splits.has(candidate));
  return name === undefined ? undefined : splits.get(name);
}

/**
 * Opens a data set on this machine, of whichever format it is (see {@link formats}).
 *
 * @param path a folder or a manifest file
 * @throws WhisperError ERR_FILE when the path cannot be read; ERR_DATA when there is no data set (with what was looked
 *   for), no such split (with the splits there are) or no such column (with the columns there are).
 */
export async function openDataset(path: string, options: OpenDatasetOptions = {}): Promise<Source> {
  const { split, config, ...columns } = options;
  let root = resolve(path);
  try {
    await stat(root);
  } catch (cause) {
    throw fileError('open the data set', root, cause);
  }
  if (config !== undefined) {
    const inner = join(root, config);
    if ((await stat(inner).catch(() => undefined))?.isDirectory()) root = inner;
  }
  const { format, splits } = await recognise(root);
  const names = [...splits.keys()];
  if (split === undefined) {
    const openers = [...new Set(splits.values())];
    if (openers.length === 1) return openers[0]!(columns);
    throw new WhisperError('ERR_DATA', `${root} has several splits; say which: ${names.join(', ')}`);
  }
  const parts: Source[] = [];
  for (const wanted of split.split('+').map((name) => name.trim())) {
    const open = findSplit(splits, wanted);
    if (!open) {
      throw new WhisperError(
        'ERR_DATA',
        `the ${format.name} ${root} has no split "${wanted}"; it has: ${names.join(', ')}`,
      );
    }
    parts.push(await open(columns));
  }
  return concatenate(parts);
}
