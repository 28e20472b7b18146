// Whether a path is there, and folders made with their parents.
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError, WhisperError } from '../errors.js';

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Makes a folder and what is missing above it; one that is there already will do. Not `mkdir` with `recursive`, which tries
 * for ever where the file system answers that an existing parent is missing, as /proc does.
 *
 * @throws WhisperError `ERR_FILE`
 */
export async function makeFolder(folder: string): Promise<void> {
  try {
    const parent = dirname(folder);
    if (parent !== folder && !(await exists(parent))) await makeFolder(parent);
    await mkdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    throw cause instanceof WhisperError ? cause : fileError('create folder', folder, cause);
  }
}
