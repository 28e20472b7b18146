// Checkpoint folders: which files hold the weights, and writing so that a crash or a full disk loses nothing.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { fileError, WhisperError } from '../errors.js';
import { exists, makeFolder } from '../files/folders.js';
import { readJson } from '../files/json.js';

/** The file of weights that are not in shards. */
export const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/**
 * The safetensors files of a checkpoint folder: `model.safetensors`, or the shards that
 * `model.safetensors.index.json` lists.
 *
 * @throws WhisperError `ERR_FILE` when there are none, `ERR_CONFIG` when the index is not one.
 */
export async function weightFiles(folder: string): Promise<string[]> {
  if (await exists(join(folder, WEIGHTS))) return [join(folder, WEIGHTS)];
  const index = join(folder, INDEX);
  if (await exists(index)) {
    const { weight_map: map } = await readJson(
      index,
      z.looseObject({ weight_map: z.record(z.string(), z.string()) }),
    );
    const shards = [...new Set(Object.values(map))].sort();
    if (shards.length === 0) throw new WhisperError('ERR_CONFIG', `${index}: weight_map is empty`);
    for (const shard of shards) {
      if (shard !== basename(shard) || shard === '..' || shard === '.') {
        throw new WhisperError(
          'ERR_CONFIG',
          `${index}: weight_map must name files of its folder, got ${JSON.stringify(shard)}`,
        );
      }
      if (!(await exists(join(folder, shard)))) {
        throw new WhisperError('ERR_FILE', `${folder}: ${shard}, which ${INDEX} lists, is missing`);
      }
    }
    return shards.map((shard) => join(folder, shard));
  }
  throw new WhisperError('ERR_FILE', `${folder} has no ${WEIGHTS}`);
}

/**
 * Checks that `model` is a folder with a `config.json`.
 *
 * @throws WhisperError `ERR_FILE`
 */
export async function checkModelFolder(model: string): Promise<string> {
  const found = await stat(model).catch((cause: unknown) => {
    throw fileError('open model', model, cause);
  });
  if (!found.isDirectory())
    throw new WhisperError('ERR_FILE', `cannot open model ${model}: it is not a folder`);
  if (!(await exists(join(model, 'config.json')))) {
    throw new WhisperError('ERR_FILE', `cannot open model ${model}: it has no config.json`);
  }
  return resolve(model);
}

/**
 * Writes a whole folder: `write` fills a temporary folder beside it, its files are synced, and it takes the name
 * `folder` in one rename. A folder already there is replaced only then.
 */
export async function writeFolder(
  folder: string,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  const target = resolve(folder);
  await makeFolder(dirname(target));
  const temporary = await temporaryFolder(dirname(target), basename(target));
  try {
    await write(temporary);
    await syncFiles(temporary);
    if (await exists(target)) {
      // A folder cannot be renamed onto a full one: the old one steps aside and goes last.
      const aside = `${temporary}.old`;
      await rename(target, aside);
      await rename(temporary, target);
      await rm(aside, { recursive: true, force: true });
    } else {
      await rename(temporary, target);
    }
    await syncPath(dirname(target));
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw writingError(target, cause);
  }
}

/**
 * Writes files into a folder that keeps its other content: `write` fills a temporary folder inside it, its files are
 * synced, and each replaces its namesake by a rename. Until all of them are complete on the disk, none is replaced.
 */
export async function writeFiles(folder: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const target = resolve(folder);
  await makeFolder(target);
  const temporary = await temporaryFolder(target, 'files');
  try {
    await write(temporary);
    await syncFiles(temporary);
    for (const name of await readdir(temporary)) await rename(join(temporary, name), join(target, name));
    await syncPath(target);
  } catch (cause) {
    throw writingError(target, cause);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Removes what a killed process left half written in a folder, and puts back what it had only set aside. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const [, target, aside] = /^\.(.+)\.partial-[0-9a-f]{6}(\.old)?$/.exec(name) ?? [];
    if (target === undefined) continue;
    const path = join(folder, name);
    if (aside && !(await exists(join(folder, target)))) await rename(path, join(folder, target));
    else await rm(path, { recursive: true, force: true });
  }
}

// Not mkdtemp: its folders are for the owner only, and this one becomes the checkpoint.
async function temporaryFolder(parent: string, name: string): Promise<string> {
  const path = join(parent, `.${name}.partial-${randomBytes(3).toString('hex')}`);
  try {
    await mkdir(path);
  } catch (cause) {
    throw fileError('write to', parent, cause);
  }
  return path;
}

function writingError(path: string, cause: unknown): unknown {
  return cause instanceof WhisperError ? cause : fileError('write', path, cause);
}

async function syncFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) await syncPath(join(folder, name));
  await syncPath(folder);
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
