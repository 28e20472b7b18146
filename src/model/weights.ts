// Weights as the engine reads them: safetensors files, made of what torch.save wrote where a checkpoint has nothing else.
import { mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { cacheFolder } from '../files/cache-folder.js';
import { exists, makeFolder } from '../files/folders.js';
import { readJson } from '../files/json.js';
import { writeSafetensors } from '../files/safetensors.js';
import { StoredTensor } from '../files/tensor.js';
import { TorchFile } from '../files/torch-file.js';
import { weightFiles } from './checkpoint.js';

const PICKLED = 'pytorch_model.bin';
/** The classifier of a Whisper model is its embedding; torch.save writes it twice. */
const TIED = 'proj_out.weight';

/**
 * Calls `use` with the safetensors files of a checkpoint's weights. Those of a checkpoint with `pytorch_model.bin` alone are
 * made for as long as that takes, in the folder of {@link cacheFolder}: as many bytes again.
 *
 * @throws WhisperError `ERR_FILE` when there are no weights, `ERR_CORRUPT_FILE` for files that torch 1.6 or later did not
 *   write, `ERR_CANCELLED`, or what `use` throws
 */
export async function withWeights<T>(
  folder: string,
  use: (files: string[]) => Promise<T>,
  {
    onNotice,
    signal,
  }: {
    onNotice?: ((line: string) => void) | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<T> {
  const pickled = (await hasSafetensors(folder)) ? [] : await pickledFiles(folder);
  if (pickled.length === 0) return use(await weightFiles(folder));
  onNotice?.(`converting ${PICKLED} of ${folder}: it has no model.safetensors`);
  await makeFolder(cacheFolder());
  const temporary = await mkdtemp(join(cacheFolder(), 'converted-'));
  try {
    const made: string[] = [];
    for (const [i, path] of pickled.entries()) {
      const target = join(temporary, `${i}.safetensors`);
      await convert(path, target, signal);
      made.push(target);
    }
    return await use(made);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function hasSafetensors(folder: string): Promise<boolean> {
  const whole = join(folder, 'model.safetensors');
  return (await exists(whole)) || (await exists(`${whole}.index.json`));
}

/** `pytorch_model.bin`, or the shards that its index lists; none where there is neither. */
async function pickledFiles(folder: string): Promise<string[]> {
  const whole = join(folder, PICKLED);
  if (await exists(whole)) return [whole];
  const index = `${whole}.index.json`;
  if (!(await exists(index))) return [];
  const { weight_map: map } = await readJson(
    index,
    z.looseObject({ weight_map: z.record(z.string(), z.string()) }),
  );
  return [...new Set(Object.values(map))].sort().map((shard) => join(folder, basename(shard)));
}

async function convert(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  const file = await TorchFile.open(source);
  try {
    const { content } = file;
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of content instanceof Map ? content : []) {
      if (typeof name !== 'string' || !(tensor instanceof StoredTensor)) {
        throw new WhisperError('ERR_CORRUPT_FILE', `${source}: ${String(name)} is no tensor`);
      }
      if (name !== TIED) tensors.set(name, tensor);
    }
    if (tensors.size === 0) throw new WhisperError('ERR_CORRUPT_FILE', `${source} has no tensors`);
    await writeSafetensors(target, tensors, { format: 'pt' }, signal);
  } finally {
    await file.close();
  }
}
