// The checkpoint-N folders of a run: written, found again, rotated, and the best of them.
import { access, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { BatchesState } from '../data/batches.js';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { sortedJson } from '../files/json.js';
import { ADAPTER_WEIGHTS } from '../model/adapter.js';
import { removeUnfinished, writeFiles } from '../model/checkpoint.js';
import type { Whisper } from '../model/whisper.js';
import type { TrainingArguments } from './arguments.js';
import { bestMetric } from './checks.js';
import type { Metrics } from './results.js';
import type { RunKind } from './resume.js';
import {
  type RunSettings,
  type RunState,
  readRunState,
  type SavedRun,
  STATE_FILE,
  writeRunState,
} from './state.js';

const OPTIMIZER_FILE = 'optimizer.safetensors';

export interface CheckpointFolder {
  path: string;
  step: number;
}

/** The checkpoints of one run in its output folder. */
export class Checkpoints {
  readonly #model: Whisper;
  readonly #options: TrainingArguments;
  /** Of the last one written or resumed from. */
  #last: CheckpointFolder | undefined;
  #lostBest: string | undefined;

  constructor(model: Whisper, options: TrainingArguments) {
    this.#model = model;
    this.#options = options;
  }

  /** The last one written, or resumed from. */
  get last(): CheckpointFolder | undefined {
    return this.#last;
  }

  /** The best checkpoint of the run that is resumed, where it is nowhere to be found. */
  get lostBest(): string | undefined {
    return this.#lostBest;
  }

  /**
   * Prepares the output folder and finds the checkpoint to go on from, if any. Checkpoints of an earlier run that is
   * overwritten are set aside in a folder `earlier-N`.
   *
   * @throws WhisperError `ERR_FILE` when the folder cannot be written to, or as `findResume`
   */
  async open(): Promise<SavedRun | undefined> {
    const { outputDir, resumeFromCheckpoint, overwriteOutputDir } = this.#options;
    await removeUnfinished(outputDir);
    const folder = await findResume(outputDir, resumeFromCheckpoint, overwriteOutputDir);
    // A folder that cannot be written to must show before the first hour of training, not after it.
    await writeFiles(outputDir, async () => {});
    if (folder === undefined) {
      await setAside(outputDir);
      return undefined;
    }
    const run = await readRunState(folder);
    this.#last = { path: folder, step: run.state.step };
    await this.#findBest(run.state, folder);
    return run;
  }

  /** Loads the weights of the checkpoint that `open` found. */
  async loadWeights(): Promise<void> {
    await this.#model.loadCheckpoint(this.#last!.path);
  }

  /** Loads the optimizer's state of the same; training must be prepared. */
  async loadOptimizer(): Promise<void> {
    await this.#model.native.loadOptimizer(join(this.#last!.path, OPTIMIZER_FILE));
  }

  /**
   * Writes `checkpoint-N` and deletes those that are too many.
   *
   * @param metrics of these very weights, if they were evaluated: they decide about the best
   */
  async save(
    run: RunState,
    more: { settings: RunSettings; kind: RunKind; data: BatchesState },
    metrics: Metrics | undefined,
  ): Promise<{ path: string; best: boolean }> {
    const options = this.#options;
    const path = join(options.outputDir, `checkpoint-${run.step}`);
    const best = this.#noteBest(run, path, metrics);
    await this.#model.saveCheckpoint(path, async (folder) => {
      if (!options.saveOnlyModel) await this.#model.native.saveOptimizer(join(folder, OPTIMIZER_FILE));
      await writeRunState(folder, run, { ...more, options: { ...options } });
      await writeFile(join(folder, 'training_args.json'), `${sortedJson(options, 2)}\n`);
    });
    this.#last = { path, step: run.step };
    await rotateCheckpoints(options.outputDir, options.saveTotalLimit, run.bestCheckpoint);
    return { path, best };
  }

  /** Loads the weights of the best checkpoint, and says where it is. */
  async loadBest(run: RunState): Promise<string | undefined> {
    const { bestCheckpoint: folder } = run;
    if (folder === undefined) return undefined;
    if (run.bestStep !== run.step) await this.#model.loadCheckpoint(folder);
    return folder;
  }

  /** The best checkpoint may have moved since it was noted, or have been left behind on another machine. */
  async #findBest(run: RunState, resumed: string): Promise<void> {
    const noted = run.bestCheckpoint;
    if (noted === undefined) return;
    const name = basename(noted);
    const moved = [noted, join(this.#options.outputDir, name), join(dirname(resumed), name)];
    for (const path of run.bestStep === run.step ? [...moved, resumed] : moved) {
      if (!(await isFolder(path))) continue;
      run.bestCheckpoint = path;
      return;
    }
    this.#lostBest = noted;
    run.bestMetric = undefined;
    run.bestStep = undefined;
    run.bestCheckpoint = undefined;
  }

  #noteBest(run: RunState, path: string, metrics: Metrics | undefined): boolean {
    const metric = bestMetric(this.#options);
    const value = metric === undefined ? undefined : metrics?.[metric];
    if (value === undefined) return false;
    const better = this.#options.greaterIsBetter
      ? value > (run.bestMetric ?? Number.NEGATIVE_INFINITY)
      : value < (run.bestMetric ?? Number.POSITIVE_INFINITY);
    if (!better) return false;
    run.bestMetric = value;
    run.bestStep = run.step;
    run.bestCheckpoint = path;
    return true;
  }
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
async function rotateCheckpoints(
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
async function findResume(
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
    // Also by its name in the output folder, as last-checkpoint of a pulled copy.
    const inside = join(outputDir, resume);
    return complete(!(await isFolder(resume)) && (await isFolder(inside)) ? inside : resume);
  }
  if (overwrite) return undefined;
  if (last) return complete(last);
  const names = await readdir(outputDir).catch((): string[] => []);
  // What reports write before the first checkpoint holds nothing that a new run could destroy.
  if (names.some((name) => name !== 'runs' && name !== '.gitignore')) {
    throw new WhisperError(
      'ERR_FILE',
      `output_dir ${outputDir} is not empty and has no checkpoint to resume from: choose another, or overwrite_output_dir` +
        (names.includes('last-checkpoint') ? ', or resume_from_checkpoint last-checkpoint' : ''),
    );
  }
  return undefined;
}

async function complete(path: string): Promise<string> {
  // Of a model with adapters a checkpoint has only these.
  const weights = (await exists(join(path, ADAPTER_WEIGHTS))) ? ADAPTER_WEIGHTS : 'model.safetensors';
  for (const name of ['config.json', weights, 'optimizer.safetensors', 'trainer_state.json', STATE_FILE]) {
    await access(join(path, name)).catch((cause) => {
      throw new WhisperError('ERR_FILE', `cannot resume from ${path}: it has no ${name}`, { cause });
    });
  }
  return path;
}

/** Moves the checkpoints of an earlier run out of the way of the new one's, which may have the same names. */
async function setAside(outputDir: string): Promise<void> {
  const earlier = await listCheckpoints(outputDir);
  if (earlier.length === 0) return;
  let folder: string;
  for (let number = 1; ; number++) {
    folder = join(outputDir, `earlier-${number}`);
    if (!(await isFolder(folder))) break;
  }
  await mkdir(folder);
  for (const { path } of earlier) await rename(path, join(folder, basename(path)));
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
