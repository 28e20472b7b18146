// Commands with something wrong in what they are given, and what is expected of their refusals.
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { makeDataset, makeModel, run, temporaryFolder } from './fixtures.js';

export const folder = temporaryFolder();
export const at = (...path: string[]) => join(folder.path, ...path);

/** A model and a data set before the tests of a file, without what the one before spoilt; nothing of it after them. */
export function withModelAndData(): void {
  afterAll(folder.remove);
  beforeAll(async () => {
    await makeModel(at('model'));
    makeDataset(at('data'));
  });

  beforeEach(() => {
    for (const name of ['bad-model', 'bad-data', 'out']) rmSync(at(name), { recursive: true, force: true });
  });
}

/** A copy of the model with something wrong. */
export function badModel(spoil: (folder: string) => void): string {
  cpSync(at('model'), at('bad-model'), { recursive: true });
  spoil(at('bad-model'));
  return at('bad-model');
}

/** A copy of the data set with something wrong. */
export function badData(spoil: (folder: string) => void): string {
  cpSync(at('data'), at('bad-data'), { recursive: true });
  spoil(at('bad-data'));
  return at('bad-data');
}

export const train = (options: Record<string, string> = {}) => {
  const all = {
    model_name_or_path: at('model'),
    dataset_name: at('data'),
    output_dir: at('out'),
    language: 'en',
    do_train: 'true',
    max_steps: '2',
    per_device_train_batch_size: '4',
    shuffle_buffer_size: '1',
    ...options,
  };
  return run('train', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`));
};

export async function refused(
  outcome: ReturnType<typeof run>,
  code: number,
  message: string | RegExp,
): Promise<string> {
  const { code: came, out, err } = await outcome;
  const last = err.trimEnd().split('\n').at(-1)!;
  expect(last).toMatch(message);
  expect(last).toMatch(/^error: /);
  expect(err).not.toMatch(/\n\s+at /);
  expect(came).toBe(code);
  expect(out).toBe('');
  return err;
}

/** A safetensors file around a header and data. */
function _safetensors(header: unknown, data = 0): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(data)]);
}

/** A safetensors file around a header and data. */
export function safetensors(header: unknown, data = 0): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(data)]);
}
