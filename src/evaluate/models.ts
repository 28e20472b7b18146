// Which models an evaluation is of: folders, or every checkpoint of a run; and what each is called in reports.
import { WhisperError } from '../errors.js';
import { listCheckpoints } from '../train/checkpoints.js';

/**
 * The checkpoints of each run's folder, by their updates.
 *
 * @throws WhisperError `ERR_FILE` for a folder that has none
 */
export async function checkpointsOf(runs: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const run of runs) {
    const checkpoints = await listCheckpoints(run);
    if (checkpoints.length === 0) throw new WhisperError('ERR_FILE', `${run} has no checkpoint-N folder`);
    all.push(...checkpoints.map(({ path }) => path));
  }
  return all;
}

/** A name for a folder of each model: the last part of its path, with a number where several would have the same. */
export function folderNames(models: readonly string[]): string[] {
  const taken = new Set<string>();
  return models.map((model) => {
    const base = model
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1)!
      .replace(/[^\p{L}\p{N}._-]/gu, '_');
    // A name of dots alone would be another folder.
    const wanted = /^\.*$/.test(base) ? 'model' : base;
    let name = wanted;
    for (let count = 2; taken.has(name); count++) name = `${wanted}-${count}`;
    taken.add(name);
    return name;
  });
}
