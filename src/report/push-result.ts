// A result of an evaluation pushed into the card of a model on the Hub.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError, WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import {
  downloadFiles,
  type HubSettings,
  type Pushed,
  pushFiles,
  type Repository,
  resolveRepository,
} from '../hub/index.js';
import { type ModelResult, withResult } from './model-index.js';

/**
 * Puts a result into the card of a model that is on the Hub and commits it. All of the card but its `model-index` stays as
 * it is; a model without a card gets one.
 *
 * @returns the commit; undefined where the card says the same already
 * @throws WhisperError `ERR_HUB`, `ERR_DATA` for a card that cannot be read, `ERR_CANCELLED`
 */
export async function pushResult(
  repository: Repository,
  result: ModelResult,
  settings: HubSettings,
  signal?: AbortSignal,
): Promise<Pushed | undefined> {
  const { repository: resolved, commit } = await resolveRepository(repository, settings, { signal });
  const pinned = { ...resolved, revision: commit };
  const snapshot = await downloadFiles(pinned, (path) => path === 'README.md', settings, { signal });
  const card = await readCard(join(snapshot, 'README.md'));
  const changed = withResult(card, resolved.id.split('/').at(-1)!, result);
  if (changed === card) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'whisper-tune-card-'));
  try {
    const from = join(folder, 'README.md');
    await writeFile(from, changed);
    const { dataset, metrics } = result;
    const rates = metrics.map(({ name, value }) => `${name} ${value}`).join(', ');
    const message = `Add evaluation results on ${dataset.name}, ${dataset.split}: ${rates}`;
    const target = { ...repository, id: resolved.id };
    return await pushFiles(target, [{ path: 'README.md', from }], settings, { message, signal });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws WhisperError `ERR_DATA` for one that is no UTF-8: writing it again would change it */
async function readCard(path: string): Promise<string> {
  if (!(await exists(path))) return '';
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(path));
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw fileError('read', path, cause);
    throw new WhisperError(
      'ERR_DATA',
      'cannot add a result to the model card: README.md is not valid UTF-8',
      {
        cause,
      },
    );
  }
}
