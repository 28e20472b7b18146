// The checkpoint-N folders of a run: finding them, and deleting those that save_total_limit does not keep.
import { access, readdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { WhisperError } from '../errors.js';
import { STATE_FILE } from './state.js';

export interface CheckpointFolder {
  path: string;
  step: number;
}

/** The checkpoint folders of a run, the oldest first. */
export async function listCheckpoints(outputDir: string): Promise<CheckpointFolder[]> {
  const names = await readdir(outputDir).catch((): string[] => []);
  return names
    .flatMap((name) => {
      const match = /^checkpoint-(\d+)$/.exec(name);
      return match ? [{ path: join(outputDir, name), step: Number(match[1]) }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/**
 * Deletes the oldest checkpoints beyond `limit`. The best and the newest always stay: a limit of 1 keeps two when they
 * differ, as in transformers.
 */
export async function rotateCheckpoints(
  outputDir: string,
  limit: number | undefined,
  best: string | undefined,
): Promise<void> {
  if (limit === undefined) return;
  const all = await listCheckpoints(outputDir);
  const newest = all.at(-1);
  const precious = (entry: CheckpointFolder): boolean =>
    entry === newest || (best !== undefined && resolve(entry.path) === resolve(best));
  let excess = all.length - limit;
  for (const entry of all) {
    if (excess <= 0) break;
    if (precious(entry)) continue;
    await rm(entry.path, { recursive: true, force: true });
    excess--;
  }
}

/**
 * The checkpoint to go on from, or undefined to start anew. Without `resume` that is the last one in the output folder,
 * where that folder is not to be overwritten.
 *
 * @throws WhisperError `ERR_FILE` when the checkpoint asked for is not there or not complete, and when the output folder
 *   is not empty and has no checkpoint
 */
export async function findResume(
  outputDir: string,
  resume: string | undefined,
  overwrite: boolean,
): Promise<string | undefined> {
  const all = await listCheckpoints(outputDir);
  const last = all.at(-1)?.path;
  if (resume !== undefined && !/^false$/i.test(resume)) {
    if (/^true$/i.test(resume)) {
      if (!last) throw new WhisperError('ERR_FILE', `cannot resume: ${outputDir} has no checkpoint`);
      return complete(last);
    }
    return complete(resume);
  }
  if (overwrite) return undefined;
  if (last) return complete(last);
  const names = await readdir(outputDir).catch((): string[] => []);
  if (names.length > 0) {
    throw new WhisperError(
      'ERR_FILE',
      `output_dir ${outputDir} is not empty and has no checkpoint to resume from: choose another, or overwrite_output_dir`,
    );
  }
  return undefined;
}

async function complete(path: string): Promise<string> {
  for (const name of [
    'config.json',
    'model.safetensors',
    'optimizer.safetensors',
    'trainer_state.json',
    STATE_FILE,
  ]) {
    await access(join(path, name)).catch((cause) => {
      throw new WhisperError('ERR_FILE', `cannot resume from ${path}: it has no ${name}`, { cause });
    });
  }
  return path;
}

/** `checkpoint-500`, for messages. */
export function checkpointName(path: string): string {
  return basename(path);
}
