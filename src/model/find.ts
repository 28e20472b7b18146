// Finding a model by the name people give it: a folder on this machine, or an id on the Hub, downloaded where it is missing.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { downloadFiles, HubError, hubSettings, type Progress, parseRepository } from '../hub/index.js';
import { checkModelFolder } from './checkpoint.js';
import { releasedId } from './released.js';

/** How a model that is on the Hub is got. */
export interface FindOptions {
  /** Branch, tag or commit of a model on the Hub. Default: `main`, or what follows an `@` in the id. */
  revision?: string | undefined;
  /** Token for the Hub. Default: that of `HF_TOKEN` or of `hf auth login`. */
  token?: string | undefined;
  /** Folder of downloads. Default: that of Python's huggingface_hub (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string | undefined;
  /** Called while a model is downloaded. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Called with what people want to know: that a repository was renamed, that a request is repeated. */
  onNotice?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** What a checkpoint says of itself; the card is for its licence. */
const DESCRIPTIONS = [
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'normalizer.json',
  'README.md',
];
/** Where weights may be, the best first: whole or in shards, as transformers writes them. */
const WEIGHTS: readonly (readonly [whole: string, shards: RegExp])[] = [
  ['model.safetensors', /^model-\d+-of-\d+\.safetensors$/],
  ['pytorch_model.bin', /^pytorch_model-\d+-of-\d+\.bin$/],
];

/** Whether a file of a repository with such paths is needed to load the model. */
export function isModelFile(path: string, paths: ReadonlySet<string>, weights: boolean): boolean {
  if (DESCRIPTIONS.includes(path)) return true;
  if (!weights) return false;
  for (const [whole, shards] of WEIGHTS) {
    const index = `${whole}.index.json`;
    if (paths.has(whole)) return path === whole;
    if (paths.has(index)) return path === index || shards.test(path);
  }
  return false;
}

/**
 * The folder of a model with a `config.json` in it. A folder of that name wins; otherwise `owner/name` or
 * `owner/name@revision` is downloaded into the cache of Python's huggingface_hub, or found there.
 *
 * @param needs whether the weights are needed too
 * @throws WhisperError `ERR_FILE` when there is no such folder and the name cannot be one of the Hub, or when it is no
 *   model's folder; `ERR_HUB`, `ERR_CANCELLED`, and `ERR_INVALID_ARGUMENT` for a wrong token or endpoint
 */
export async function findModel(
  model: string,
  needs: 'weights' | 'configuration',
  options: FindOptions = {},
): Promise<string> {
  const there = await stat(model).then(
    () => true,
    (cause: NodeJS.ErrnoException) => cause.code !== 'ENOENT',
  );
  const repository = there ? undefined : parseRepository(model, 'model');
  // Without an owner it is rather a misspelt folder: no Whisper model has such an id.
  if (!repository?.id.includes('/')) {
    return checkModelFolder(model).catch((error: WhisperError) => {
      throw there ? error : new WhisperError(error.code, `${error.message}${suggestion(model)}`, error);
    });
  }
  const { revision = repository.revision, token, cacheDir, onProgress, onNotice, signal } = options;
  const settings = hubSettings({ token, cacheDir, notice: onNotice });
  const wanted = (path: string, paths: ReadonlySet<string>) => isModelFile(path, paths, needs === 'weights');
  const asked = revision === undefined ? repository : { ...repository, revision };
  try {
    const folder = await downloadFiles(asked, wanted, settings, { onProgress, signal });
    if (needs === 'weights' && !(await hasWeights(folder))) {
      const why = settings.offline ? 'in the cache, and the Hub is not asked offline' : 'that can be read';
      const forms = WEIGHTS.map(([whole]) => whole).join(' or ');
      throw new HubError(`cannot open model ${model}: it has no ${forms} ${why}`);
    }
    return await checkModelFolder(folder);
  } catch (error) {
    if (!(error instanceof HubError) || !error.missing) throw error;
    const reason = error.message.replace(/^cannot find [^:]+: /, '');
    const message = `cannot open model ${model}: there is no such folder, and ${reason}${suggestion(model)}`;
    throw new HubError(message, { status: error.status, cause: error });
  }
}

async function hasWeights(folder: string): Promise<boolean> {
  for (const [whole] of WEIGHTS) {
    const path = join(folder, whole);
    if ((await exists(path)) || (await exists(`${path}.index.json`))) return true;
  }
  return false;
}

/** `whisper-small` is openai/whisper-small on the Hub. */
function suggestion(model: string): string {
  const id = releasedId(model);
  return id === undefined || id === model ? '' : `; did you mean ${id}?`;
}
