// The quickstart's data as two Common Voice folders: `base` and `new-voice`, each `clips/*.wav` with train.tsv, dev.tsv
// and test.tsv.
import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { compileFlite } from './flite.mjs';
import { startProgress } from './progress.mjs';
import { baseClips, newVoiceClips, replayClips } from './sets.mjs';

/** Columns of a Common Voice table, as in its version 11. Fields are never quoted. */
export const columns = [
  ...['client_id', 'path', 'sentence', 'up_votes', 'down_votes'],
  ...['age', 'gender', 'accents', 'locale', 'segment'],
];

const splits = ['train', 'dev', 'test'];
const stampName = 'synthesis.json';

/** The rows of one split as the text of a Common Voice table. */
export function tableOf(clips) {
  const row = (clip) => {
    const fields = { client_id: `flite-${clip.voice}`, path: clip.file, sentence: clip.text, locale: 'en' };
    return columns.map((column) => fields[column] ?? '').join('\t');
  };
  return `${[columns.join('\t'), ...clips.map(row)].join('\n')}\n`;
}

/**
 * A Common Voice folder to build. Replayed clips are rows that share the sound of another folder's.
 * @typedef {{ name: string, folder: string, clips: import('./sets.mjs').Clip[], replay: import('./sets.mjs').Clip[] }} DataSet
 */

/**
 * The two folders to build below `root`.
 * @returns {{ base: DataSet, newVoice: DataSet }}
 */
export function dataSets(root) {
  return {
    base: { name: 'base', folder: join(root, 'base'), clips: baseClips(), replay: [] },
    newVoice: {
      name: 'new-voice',
      folder: join(root, 'new-voice'),
      clips: newVoiceClips(),
      replay: replayClips(),
    },
  };
}

const recipeOf = (set) =>
  createHash('sha256')
    .update(JSON.stringify([columns, set.clips, set.replay]))
    .digest('hex');

/**
 * What the stamp of a finished folder says, or undefined if there is none or it was made by another recipe. The stamp is
 * written last, so a folder whose synthesis was interrupted has none.
 *
 * @returns {{ recipe: string, clips: number, rows: number, seconds: number, longest: number } | undefined}
 */
export function finishedSynthesis(set) {
  const path = join(set.folder, stampName);
  if (!existsSync(path)) return undefined;
  const stamp = JSON.parse(readFileSync(path, 'utf8'));
  return stamp.recipe === recipeOf(set) ? stamp : undefined;
}

/** Speaks the clips into `folder` on worker threads; resolves to their durations in seconds, in no order. */
async function speakAll(clips, folder, onClip) {
  const module = await compileFlite();
  const count = Math.min(availableParallelism(), 8);
  const durations = [];
  const workers = Array.from({ length: count }, (_, index) => {
    // Dealt like cards: voices cost differently, and neighbours are of different voices.
    const share = clips.filter((_, i) => i % count === index);
    return new Worker(new URL('./synthesis-worker.mjs', import.meta.url), {
      workerData: { module, folder, clips: share },
    });
  });
  try {
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise((resolve, reject) => {
            worker.on('message', (seconds) => {
              durations.push(seconds);
              onClip();
            });
            worker.on('error', reject);
            worker.on('exit', (code) =>
              code === 0 ? resolve() : reject(new Error(`a speaker ended with ${code}`)),
            );
          }),
      ),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return durations;
}

/**
 * Synthesises one data set from nothing.
 *
 * @param {ReturnType<typeof dataSets>['base']} set
 * @param {string} [replayFolder] folder of the data set that the replayed clips are from
 * @returns the stamp, as `finishedSynthesis`
 */
export async function synthesise(set, replayFolder) {
  const clipFolder = join(set.folder, 'clips');
  rmSync(set.folder, { recursive: true, force: true });
  mkdirSync(clipFolder, { recursive: true });

  const progress = startProgress(`Synthesising ${set.name}`, set.clips.length, 'clips');
  const durations = await speakAll(set.clips, clipFolder, progress.advance).finally(progress.stop);

  // A path must not leave its data set's folder; a hard link costs no space.
  for (const clip of set.replay) {
    linkSync(join(replayFolder, 'clips', clip.file), join(clipFolder, clip.file));
  }
  const rows = [...set.clips, ...set.replay];
  for (const split of splits) {
    const clips = rows.filter((clip) => clip.split === split);
    writeFileSync(join(set.folder, `${split}.tsv`), tableOf(clips));
  }
  const stamp = {
    recipe: recipeOf(set),
    clips: set.clips.length,
    rows: rows.length,
    seconds: Number(durations.reduce((sum, seconds) => sum + seconds, 0).toFixed(3)),
    longest: Math.max(...durations),
  };
  writeFileSync(join(set.folder, stampName), `${JSON.stringify(stamp, null, 2)}\n`);
  return stamp;
}
