// What the memory of a model follows from: its sizes and what it leaves out at random.
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import type { NativeDims } from '../native.js';
import { type DropoutRates, type ModelConfig, NO_DROPOUT, nativeDims, readModelConfig } from './config.js';
import { findModel } from './find.js';
import { RELEASED, releasedDims } from './released.js';

export interface ModelSizes {
  dims: NativeDims;
  rates: DropoutRates;
}

export function configSizes(config: ModelConfig): ModelSizes {
  return { dims: nativeDims(config), rates: config };
}

/**
 * The sizes of a checkpoint folder or, where there is no folder of that name, of a released model or of one on the Hub, of
 * which only the configuration is downloaded.
 *
 * @param model a path, an id, or `small`, `openai/whisper-small` and so on
 * @throws WhisperError `ERR_FILE` when it is none of these, `ERR_HUB`, `ERR_CONFIG` for a configuration that is wrong
 */
export async function findSizes(model: string): Promise<ModelSizes> {
  const released = releasedDims(model);
  if (released && !(await exists(model))) return { dims: released, rates: NO_DROPOUT };
  try {
    return configSizes(await readModelConfig(await findModel(model, 'configuration')));
  } catch (error) {
    const missing = (error as Error).cause as NodeJS.ErrnoException | undefined;
    if (missing?.code !== 'ENOENT') throw error;
    throw new WhisperError(
      'ERR_FILE',
      `cannot plan ${model}: no such folder, and no released model (${RELEASED.join(', ')})`,
      { cause: error },
    );
  }
}
