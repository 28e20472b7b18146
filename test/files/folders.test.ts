// Folders made with their parents, and what stands in the way.
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolder } from '../../src/files/folders.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'whisper-tune-folders-'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('makeFolder', () => {
  it('makes what is missing above, and takes what is there', async () => {
    const folder = join(root, 'a/b/c');
    await makeFolder(folder);
    await makeFolder(folder);
    expect(statSync(folder).isDirectory()).toBe(true);
  });

  it('names a file that is in the way', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    await expect(makeFolder(file)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(file),
    });
    await expect(makeFolder(join(file, 'deeper'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it.runIf(existsSync('/proc/self'))('gives up where no folder can be made', async () => {
    await expect(makeFolder('/proc/none/deeper')).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: 'cannot create folder /proc/none: no such file or folder',
    });
  });
});
