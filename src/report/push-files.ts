// Which files of a run go to the Hub, and a copy of them that stays as it is while they are on their way.
import { randomBytes } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { copyFile, link, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileError } from '../errors.js';
import { exists, makeFolder } from '../files/folders.js';
import type { PushFile } from '../hub/index.js';

/** What makes a model, in a checkpoint folder and in the output folder. */
const MODEL =
  /^((config|generation_config|preprocessor_config|processor_config|tokenizer|tokenizer_config|vocab|added_tokens|special_tokens_map|normalizer|training_args|adapter_config)\.json|merges\.txt|(adapter_)?model[\w.-]*\.safetensors(\.index\.json)?)$/;
/** What a run adds to it in the output folder. */
const RESULTS = /^(README\.md|model-card\.md|\.gitignore|trainer_state\.json|\w+_results\.json)$/;
const EVENTS = /tfevents/;

/** The model of a checkpoint folder. */
export async function modelFiles(folder: string): Promise<PushFile[]> {
  return (await filesIn(folder)).filter(({ path }) => MODEL.test(path));
}

/** All of a checkpoint folder, under another folder's name. */
export async function checkpointFiles(folder: string, name: string): Promise<PushFile[]> {
  return (await filesUnder(folder)).map(({ path, from }) => ({ path: `${name}/${path}`, from }));
}

/** What a run has left in its output folder so far, checkpoints and what is nobody's of the run left out. */
export async function outputFiles(outputDir: string): Promise<PushFile[]> {
  const files = (await filesIn(outputDir)).filter(({ path }) => MODEL.test(path) || RESULTS.test(path));
  const beside = join(outputDir, 'adapter');
  return (await exists(beside)) ? [...files, ...(await checkpointFiles(beside, 'adapter'))] : files;
}

const WHOLE = ['model.safetensors', 'model.safetensors.index.json'];
const ADAPTER = ['adapter_model.safetensors', 'adapter_config.json'];

/** What an earlier push may have left that others would read instead of these: an adapter, or the weights of a whole model. */
export function staleFiles(files: readonly PushFile[]): string[] {
  const has = (names: readonly string[]): boolean => files.some(({ path }) => names.includes(path));
  if (has(WHOLE) === has(ADAPTER)) return [];
  return has(WHOLE) ? ADAPTER : WHOLE;
}

/** The report of a run as far as it goes: card, results, and the event files of a folder in the output folder. */
export async function reportFiles(outputDir: string, events: string | undefined): Promise<PushFile[]> {
  const results = (await filesIn(outputDir)).filter(({ path }) => RESULTS.test(path));
  if (events === undefined || relative(outputDir, events).startsWith('..') || !(await exists(events))) {
    return results;
  }
  const found = await filesUnder(events, outputDir);
  return [...results, ...found.filter(({ path }) => EVENTS.test(path))];
}

/** What a training only goes on from. */
const RESUME = /^(optimizer\.safetensors|whisper_tune_state\.json)$/;

/** Every file of a folder but what is hidden or begins with `_`, its checkpoints, and what only resuming needs. */
export async function folderFiles(folder: string): Promise<PushFile[]> {
  return (await filesUnder(folder))
    .filter(({ path }) => path === '.gitignore' || !/(^|\/)[._]|^(checkpoint|earlier)-\d+\//.test(path))
    .filter(({ path }) => !RESUME.test(path));
}

/** Files in a folder of their own. */
export interface Staged {
  files: PushFile[];
  /** Removes the folder. */
  release(): Promise<void>;
}

/**
 * Keeps files as they are now: rotation may delete a checkpoint while it is on its way, and event files grow. Links cost
 * nothing, and the checkpoint's files are never changed; what grows, and what cannot be linked, is copied.
 *
 * @param outputDir where the folder goes: a link does not leave its file system
 */
export async function stageFiles(outputDir: string, files: readonly PushFile[]): Promise<Staged> {
  // By this name the next run knows what a killed one has left.
  const root = join(outputDir, `.push.partial-${randomBytes(3).toString('hex')}`);
  await mkdir(root);
  const staged: PushFile[] = [];
  try {
    for (const { path, from } of files) {
      const to = join(root, path);
      await makeFolder(dirname(to));
      await (EVENTS.test(path) ? copyFile(from, to) : link(from, to).catch(() => copyFile(from, to))).catch(
        (cause: unknown) => {
          throw fileError('copy', from, cause);
        },
      );
      staged.push({ path, from: to });
    }
  } catch (error) {
    await rm(root, { recursive: true, force: true });
    throw error;
  }
  return { files: staged, release: () => rm(root, { recursive: true, force: true }) };
}

/** The files of a folder, those in its folders left out. */
async function filesIn(folder: string): Promise<PushFile[]> {
  return pathsOf(await entriesOf(folder, false), folder);
}

/** All files of a folder and of those in it, links left out, by their paths from `root` on. */
async function filesUnder(folder: string, root = folder): Promise<PushFile[]> {
  return pathsOf(await entriesOf(folder, true), root);
}

async function entriesOf(folder: string, recursive: boolean): Promise<Dirent[]> {
  return readdir(folder, { recursive, withFileTypes: true }).catch((cause: unknown) => {
    throw fileError('read', folder, cause);
  });
}

function pathsOf(entries: readonly Dirent[], root: string): PushFile[] {
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((from) => ({ path: relative(root, from).replaceAll('\\', '/'), from }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
