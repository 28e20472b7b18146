// Optimizers' files of both kinds as plain values, and where the golden ones lie (test/golden/optimizer/make.py).
import { fileURLToPath } from 'node:url';
import { SafetensorsFile } from '../../src/files/safetensors.js';
import { StoredTensor } from '../../src/files/tensor.js';
import { TorchFile } from '../../src/files/torch-file.js';

/** A file of test/golden/optimizer. */
export const golden = (name: string) =>
  fileURLToPath(new URL(`../golden/optimizer/${name}`, import.meta.url));
export const model = golden('model');
export const model8bit = golden('model-8bit');

/** All tensors of a safetensors file by name, as type, shape and bytes. */
export async function tensorsOf(path: string): Promise<Record<string, unknown>> {
  const file = await SafetensorsFile.open(path);
  const all: Record<string, unknown> = {};
  for (const [name, tensor] of file.tensors) {
    all[name] = { type: tensor.type, shape: tensor.shape, bytes: Buffer.from(await tensor.read()) };
  }
  await file.close();
  return all;
}

export async function metadataOf(path: string): Promise<Record<string, string>> {
  const file = await SafetensorsFile.open(path);
  await file.close();
  return file.metadata;
}

export type State = { state: Map<bigint, Map<string, unknown>>; groups: Map<string, unknown>[] };

/** What a torch file holds, with tensors as numbers. */
export async function stateOf(path: string): Promise<State> {
  const file = await TorchFile.open(path);
  const resolved = async (value: unknown): Promise<unknown> => {
    if (value instanceof StoredTensor) {
      const bytes = await value.read();
      return { shape: value.shape, data: value.type === 'U8' ? bytes : new Float32Array(bytes.buffer) };
    }
    if (!(value instanceof Map)) return value;
    return new Map(
      await Promise.all([...value].map(async ([key, item]) => [key, await resolved(item)] as const)),
    );
  };
  const content = file.content as Map<string, unknown>;
  const state = (await resolved(content.get('state'))) as State['state'];
  await file.close();
  return { state, groups: content.get('param_groups') as Map<string, unknown>[] };
}
