// From the state_dict of a torch optimizer to tensors by parameter name.
import { WhisperError } from '../../errors.js';
import { StoredTensor } from '../../files/tensor.js';
import type { TorchFile } from '../../files/torch-file.js';
import type { NamedParameter } from '../../model/named-parameters.js';
import type { OptimizerName } from '../engine-options.js';
import { blockOf, MOMENTS } from './eight-bit.js';
import { grouped, readGroups, TRAINED, type Trained, trainedParameters } from './groups.js';
import { LAYOUTS, stateTensors } from './optimizers.js';

/** What a torch file has, by name. */
export interface ImportedState {
  optimizer: OptimizerName;
  trained: Trained;
  /** Updates made; undefined where the file does not say. */
  step: number | undefined;
  tensors: Map<string, StoredTensor>;
  /** Parameters whose state was left out, because the engine does not train them. */
  dropped: string[];
  /** Learning rate, weight decay and the like, that the file speaks of. */
  rates: Record<string, number>;
}

/** bitsandbytes since 0.49.2 has all but the step in here (optim/optimizer.py: Optimizer8bit.state_dict). */
const NESTED = '__bnb_optimizer_quant_state__';

/** A parameter of a group and what the file keeps for it. */
interface Assigned {
  parameter: NamedParameter;
  entry: ReadonlyMap<unknown, unknown>;
}

/**
 * Reads the state of an optimizer that transformers' Trainer has saved.
 *
 * @param parameters of the model that it trains
 * @throws WhisperError `ERR_CORRUPT_FILE`, `ERR_SHAPE_MISMATCH` for the state of another model, `ERR_INVALID_ARGUMENT` for
 *   an optimizer that the engine does not have; each names the file and the parameter
 */
export async function importState(
  { path, content }: TorchFile,
  parameters: readonly NamedParameter[],
): Promise<ImportedState> {
  const state = content instanceof Map ? content.get('state') : undefined;
  if (!(state instanceof Map))
    throw corrupt(path, 'expected the state_dict of an optimizer, with state and param_groups');
  const groups = readGroups((content as Map<unknown, unknown>).get('param_groups'), path);
  const { optimizer } = groups;
  const selection = matchGroups(parameters, groups.indices, path);
  const assigned = assign(selection.groups.flat(), groups.indices.flat(), state, optimizer, path);

  const tensors = new Map<string, StoredTensor>();
  const dropped: string[] = [];
  for (const { parameter, entry } of assigned) {
    if (parameter.part === 'positions') {
      dropped.push(parameter.name);
    } else if (optimizer === 'adamw_bnb_8bit') {
      await readMoments(parameter, entry, tensors, path);
    } else {
      readTensors(parameter, entry, optimizer, tensors, path);
    }
  }
  const step = await commonStep(assigned, optimizer, path);
  return { optimizer, trained: selection.trained, step, tensors, dropped, rates: groups.rates };
}

/**
 * Which parameters the groups are of, by how many each has: what is frozen is in no group. The encoder's positions are in
 * one where a model came from `from_pretrained` of some versions of transformers, which forgets that they are fixed.
 */
function matchGroups(
  parameters: readonly NamedParameter[],
  indices: readonly (readonly bigint[])[],
  path: string,
): { trained: Trained; groups: NamedParameter[][] } {
  const choices = TRAINED.flatMap((trained) => {
    const chosen = trainedParameters(parameters, trained);
    const withPositions = parameters.filter((p) => p.part === 'positions' || chosen.includes(p));
    const sets = trained === 'decoder' ? [chosen] : [chosen, withPositions];
    return sets.map((set) => ({ trained, groups: grouped(set) }));
  });
  const counts = (groups: readonly (readonly unknown[])[]) =>
    groups.map(({ length }) => length).join(' and ');
  // At most one: of any numbers of layers, encoder and decoder differ in one group or the other.
  const found = choices.find(({ groups }) => counts(groups) === counts(indices));
  if (found) return found;
  throw new WhisperError(
    'ERR_SHAPE_MISMATCH',
    `${path}: groups of ${counts(indices)} parameters; those of the model are ${counts(choices[0]!.groups)}, fewer with ` +
      'a frozen part',
  );
}

/** Pairs the parameters of the groups with their state; SGD without momentum has none. */
function assign(
  parameters: readonly NamedParameter[],
  indices: readonly bigint[],
  state: ReadonlyMap<unknown, unknown>,
  optimizer: OptimizerName,
  path: string,
): Assigned[] {
  const known = new Set<unknown>(indices);
  for (const key of state.keys()) {
    if (!known.has(key)) throw corrupt(path, `state ${String(key)} is of no parameter of the groups`);
  }
  return parameters.map((parameter, i) => {
    const entry = state.get(indices[i]!) ?? (optimizer === 'sgd' ? new Map() : undefined);
    if (entry === undefined) {
      throw corrupt(
        path,
        `${parameter.name} has no state: was it saved before the first update, or never updated?`,
      );
    }
    if (!(entry instanceof Map)) throw corrupt(path, `the state of ${parameter.name} is no dict`);
    return { parameter, entry: unnested(entry) };
  });
}

function unnested(entry: ReadonlyMap<unknown, unknown>): ReadonlyMap<unknown, unknown> {
  const inner = entry.get(NESTED);
  if (!(inner instanceof Map)) return entry;
  return new Map([...[...entry].filter(([key]) => key !== NESTED), ...inner]);
}

function readTensors(
  { name, shape }: NamedParameter,
  entry: ReadonlyMap<unknown, unknown>,
  optimizer: OptimizerName,
  tensors: Map<string, StoredTensor>,
  path: string,
): void {
  const expected = stateTensors(optimizer, shape);
  // RMS is of the parameter, and nobody reads it; SGD has an empty momentum in older versions.
  const kinds = ['step', 'RMS', ...expected.map(({ kind }) => kind)];
  checkKeys(entry, kinds, optimizer, name, path);
  for (const { kind, shape } of expected) {
    tensors.set(`${kind}.${name}`, find(entry, kind, name, path, 'F32', shape));
  }
}

async function readMoments(
  { name, shape }: NamedParameter,
  entry: ReadonlyMap<unknown, unknown>,
  tensors: Map<string, StoredTensor>,
  path: string,
): Promise<void> {
  checkKeys(
    entry,
    ['step', ...MOMENTS.flatMap(({ state, absmax, map }) => [state, absmax, map])],
    'adamw_bnb_8bit',
    name,
    path,
  );
  for (const { state, absmax, map } of MOMENTS) {
    const moment = find(entry, state, name, path);
    const coded = moment.type === 'U8';
    tensors.set(`${state}.${name}`, find(entry, state, name, path, coded ? 'U8' : 'F32', shape));
    if (!coded) continue;
    const largest = find(entry, absmax, name, path, 'F32');
    blockOf(largest, moment.elements, `${path}: ${absmax} of ${name}`);
    tensors.set(`${absmax}.${name}`, largest);
    const codes = find(entry, map, name, path, 'F32', [256]);
    const known = tensors.get(map) ?? codes;
    tensors.set(map, known);
    if (Buffer.compare(await known.read(), await codes.read()) !== 0) {
      throw corrupt(path, `${map} of ${name} is another than that of other parameters`);
    }
  }
}

function find(
  entry: ReadonlyMap<unknown, unknown>,
  kind: string,
  name: string,
  path: string,
  type?: string,
  shape?: readonly number[],
): StoredTensor {
  const tensor = entry.get(kind);
  if (!(tensor instanceof StoredTensor)) throw corrupt(path, `${name} has no tensor ${kind}`);
  if (type !== undefined && tensor.type !== type) {
    throw corrupt(path, `${kind} of ${name} is ${tensor.type}, expected ${type}`);
  }
  if (shape !== undefined && tensor.shape.join() !== shape.join()) {
    throw new WhisperError(
      'ERR_SHAPE_MISMATCH',
      `${path}: ${kind} of ${name} has shape [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`,
    );
  }
  return tensor;
}

/** A state that nobody reads would be lost: a momentum, the largest second moment of AMSGrad. */
function checkKeys(
  entry: ReadonlyMap<unknown, unknown>,
  known: readonly string[],
  optimizer: OptimizerName,
  name: string,
  path: string,
): void {
  for (const [key, value] of entry) {
    if (value === null || known.includes(String(key))) continue;
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `${path}: ${name} has a ${key}, which ${optimizer} has not here`,
    );
  }
}

/** The number of updates, which the engine counts for all parameters together. */
async function commonStep(
  assigned: readonly Assigned[],
  optimizer: OptimizerName,
  path: string,
): Promise<number | undefined> {
  if (LAYOUTS[optimizer].step === 'none') return undefined;
  let common: number | undefined;
  for (const { parameter, entry } of assigned) {
    const step = await stepOf(entry.get('step'));
    if (step === undefined || !Number.isInteger(step) || step < 0) {
      throw corrupt(path, `${parameter.name} has no step that is a whole number`);
    }
    common ??= step;
    if (step !== common) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${path}: ${parameter.name} has had ${step} updates, ${assigned[0]!.parameter.name} ${common}: the engine counts ` +
          'for all parameters together, and cannot go on after LayerDrop or with layers frozen on the way',
      );
    }
  }
  return common;
}

async function stepOf(step: unknown): Promise<number | undefined> {
  if (step instanceof StoredTensor) {
    return step.type === 'F32' && step.elements === 1 ? (await step.readF32())[0] : undefined;
  }
  return typeof step === 'bigint' || typeof step === 'number' ? Number(step) : undefined;
}

function corrupt(path: string, what: string): WhisperError {
  return new WhisperError('ERR_CORRUPT_FILE', `${path}: ${what}`);
}
