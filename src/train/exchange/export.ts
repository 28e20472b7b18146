// From an optimizer's tensors by parameter name to the state_dict of torch.
import { WhisperError } from '../../errors.js';
import type { SafetensorsFile } from '../../files/safetensors.js';
import { elementsOf, MemoryTensor, type StoredTensor } from '../../files/tensor.js';
import type { NamedParameter } from '../../model/named-parameters.js';
import type { OptimizerName } from '../engine-options.js';
import { BLOCK, dynamicMap } from './dynamic-map.js';
import { blockOf, inTorchOrder, MOMENTS, tapsShape } from './eight-bit.js';
import { grouped, TRAINED, type Trained, trainedParameters, writeGroups } from './groups.js';
import { LAYOUTS, OPTIMIZERS, type Rates, stateTensors } from './optimizers.js';

/** What the metadata of an optimizer's file say. */
export interface OptimizerNotes {
  optimizer: OptimizerName;
  trained: Trained;
  step: number;
}

/**
 * Reads the metadata that the engine writes (native/optim/optimizer_file.h).
 *
 * @throws WhisperError `ERR_CORRUPT_FILE`
 */
export function readNotes({ path, metadata }: SafetensorsFile): OptimizerNotes {
  const note = <T extends string>(key: string, choices: readonly T[]): T => {
    const found = choices.find((choice) => choice === metadata[key]);
    if (found) return found;
    throw new WhisperError(
      'ERR_CORRUPT_FILE',
      `${path}: metadata ${key}: expected one of ${choices.join(', ')}, got ${JSON.stringify(metadata[key]) ?? 'nothing'}`,
    );
  };
  const { step } = metadata;
  if (step === undefined || !/^\d{1,9}$/.test(step)) {
    throw new WhisperError(
      'ERR_CORRUPT_FILE',
      `${path}: metadata step: expected a whole number, got ${step}`,
    );
  }
  return { optimizer: note('optimizer', OPTIMIZERS), trained: note('trained', TRAINED), step: Number(step) };
}

/**
 * The state_dict of the optimizer that transformers' Trainer would have made, as `writeTorchFile` takes values.
 *
 * @param rms root mean square of a parameter, which Adafactor's state has
 * @throws WhisperError `ERR_CORRUPT_FILE` or `ERR_SHAPE_MISMATCH` naming the file and the tensor
 */
export async function exportState(
  file: SafetensorsFile,
  model: readonly NamedParameter[],
  rates: Rates,
  rms: (name: string) => Promise<number>,
): Promise<{ state: Map<bigint, unknown>; param_groups: Map<string, unknown>[] }> {
  const { optimizer, trained, step } = readNotes(file);
  const parameters = trainedParameters(model, trained);
  const tensors = new Reader(file);
  const state = new Map<bigint, Map<string, unknown>>();
  for (const [index, parameter] of grouped(parameters).flat().entries()) {
    const entry = new Map<string, unknown>();
    // A tensor of its own for each parameter: torch counts in it.
    if (LAYOUTS[optimizer].step !== 'none') {
      entry.set('step', LAYOUTS[optimizer].step === 'tensor' ? scalar(step) : BigInt(step));
    }
    if (optimizer === 'adamw_bnb_8bit') {
      entry.set('__bnb_optimizer_quant_state__', await moments(tensors, parameter));
    } else {
      for (const { kind, shape } of stateTensors(optimizer, parameter.shape)) {
        entry.set(kind, tensors.take(`${kind}.${parameter.name}`, 'F32', shape));
      }
    }
    if (optimizer === 'adafactor') entry.set('RMS', scalar(await rms(parameter.name)));
    if (entry.size > 0) state.set(BigInt(index), entry);
  }
  tensors.checkAllTaken();
  return { state, param_groups: writeGroups(optimizer, parameters, rates) };
}

async function moments(tensors: Reader, { name, shape }: NamedParameter): Promise<Map<string, StoredTensor>> {
  const entry = new Map<string, StoredTensor>();
  for (const { state, absmax, map, isSigned } of MOMENTS) {
    const key = `${state}.${name}`;
    if (tensors.typeOf(key) !== 'U8') {
      entry.set(state, tensors.take(key, 'F32', shape));
      continue;
    }
    const codes = tensors.take(key, 'U8', shape, tapsShape(shape));
    const largest = tensors.take(`${absmax}.${name}`, 'F32');
    const block = blockOf(largest, elementsOf(shape), `${tensors.path}: ${absmax}.${name}`);
    const qmap = tensors.take(map, 'F32', [256]);
    if (codes.shape.join() === shape.join()) {
      entry.set(state, codes).set(map, qmap).set(absmax, largest);
    } else {
      if (block !== BLOCK || Buffer.compare(await qmap.read(), bytesOf(dynamicMap(isSigned))) !== 0) {
        throw new WhisperError(
          'ERR_CORRUPT_FILE',
          `${tensors.path}: ${key} lies as the engine has it, with other blocks or another ${map} than the engine's`,
        );
      }
      const permuted = await inTorchOrder(codes, largest, isSigned, shape);
      entry.set(state, permuted.codes).set(map, qmap).set(absmax, permuted.absmax);
    }
  }
  return entry;
}

function scalar(value: number): MemoryTensor {
  return new MemoryTensor('F32', [], Float32Array.of(value));
}

function bytesOf(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** Takes tensors of a file, checked, and knows which nobody took. */
class Reader {
  readonly path: string;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #taken = new Set<string>();

  constructor({ path, tensors }: SafetensorsFile) {
    this.path = path;
    this.#tensors = tensors;
  }

  typeOf(name: string): string | undefined {
    return this.#tensors.get(name)?.type;
  }

  /** @param shapes that it may have; without any, any */
  take(name: string, type: string, ...shapes: (readonly number[] | undefined)[]): StoredTensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new WhisperError('ERR_CORRUPT_FILE', `${this.path}: tensor ${name} is missing`);
    if (tensor.type !== type) {
      throw new WhisperError(
        'ERR_CORRUPT_FILE',
        `${this.path}: tensor ${name} is ${tensor.type}, expected ${type}`,
      );
    }
    if (shapes.length > 0 && !shapes.some((shape) => shape?.join() === tensor.shape.join())) {
      throw new WhisperError(
        'ERR_SHAPE_MISMATCH',
        `${this.path}: tensor ${name} has shape [${tensor.shape.join(', ')}], expected [${shapes[0]!.join(', ')}]`,
      );
    }
    this.#taken.add(name);
    return tensor;
  }

  checkAllTaken(): void {
    for (const name of this.#tensors.keys()) {
      if (this.#taken.has(name)) continue;
      throw new WhisperError(
        'ERR_CORRUPT_FILE',
        `${this.path}: tensor ${name} belongs to no trained parameter of the model`,
      );
    }
  }
}
