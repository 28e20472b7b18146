// param_groups of a torch optimizer: which optimizer they are of, which parameters they list, and writing them.
import { WhisperError } from '../../errors.js';
import { Tuple } from '../../files/pickle.js';
import type { NamedParameter } from '../../model/named-parameters.js';
import type { OptimizerName } from '../engine-options.js';
import { LAYOUTS, OPTIMIZERS, type Rates } from './optimizers.js';

/** What training may be confined to, as the engine's files call it. */
export const TRAINED = ['all', 'encoder', 'decoder'] as const;

export type Trained = (typeof TRAINED)[number];

/** The parameters of a training, in the order of a model's. */
export function trainedParameters(parameters: readonly NamedParameter[], trained: Trained): NamedParameter[] {
  return parameters.filter(({ part }) => part !== 'positions' && (trained === 'all' || part === trained));
}

/** Parameters as transformers' Trainer groups them (trainer.py: create_optimizer): those with weight decay, the rest. */
export function grouped(parameters: readonly NamedParameter[]): [NamedParameter[], NamedParameter[]] {
  return [parameters.filter(({ decays }) => decays), parameters.filter(({ decays }) => !decays)];
}

/** The groups of a file, as far as they matter. */
export interface ReadGroups {
  optimizer: OptimizerName;
  /** The indices of each group's parameters, which the state goes by. */
  indices: readonly (readonly bigint[])[];
  /** Of the first group. */
  rates: Record<string, number>;
}

/**
 * Reads param_groups.
 *
 * @throws WhisperError `ERR_CORRUPT_FILE` for what no optimizer wrote; `ERR_INVALID_ARGUMENT` for an optimizer that the
 *   engine does not have, or has with other settings
 */
export function readGroups(content: unknown, path: string): ReadGroups {
  const corrupt = (what: string) => new WhisperError('ERR_CORRUPT_FILE', `${path}: param_groups: ${what}`);
  if (!Array.isArray(content) || content.length === 0 || !content.every((group) => group instanceof Map)) {
    throw corrupt('expected a list of groups');
  }
  const groups = content as Map<unknown, unknown>[];
  const optimizer = optimizerOf(groups[0]!, path);
  for (const group of groups) checkFormula(group, optimizer, path);
  const indices = groups.map((group) => {
    const params = group.get('params');
    if (!Array.isArray(params) || !params.every((index) => typeof index === 'bigint')) {
      throw corrupt('params: expected a list of whole numbers');
    }
    return params as bigint[];
  });
  const all = indices.flat();
  if (new Set(all).size !== all.length) throw corrupt('a parameter is listed twice');
  return { optimizer, indices, rates: ratesOf(groups[0]!) };
}

function optimizerOf(group: ReadonlyMap<unknown, unknown>, path: string): OptimizerName {
  const has = (key: string) => group.has(key);
  const marked = OPTIMIZERS.filter((name) => LAYOUTS[name].marks.every(has));
  // All with betas have the marks of bitsandbytes: it is what none of the others is.
  const [found] = marked.length > 1 ? marked.filter((name) => name !== 'adamw_bnb_8bit') : marked;
  if (found) return found;
  const keys = [...group.keys()].filter((key) => key !== 'params').map(String);
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `${path}: the settings ${keys.join(', ')} are of an optimizer other than ${OPTIMIZERS.join(', ')}`,
  );
}

function checkFormula(group: ReadonlyMap<unknown, unknown>, optimizer: OptimizerName, path: string): void {
  for (const [key, expected] of Object.entries(LAYOUTS[optimizer].formula)) {
    const came = group.get(key);
    if (came === undefined || spell(came) === spell(expected)) continue;
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `${path}: ${key} of the optimizer is ${spell(came)}; ${optimizer} of whisper-tune has ${spell(expected)}`,
    );
  }
}

/** A setting in words; 0 and 0.0 are the same. Not deeper: a small pickle can hold a large tree. */
function spell(value: unknown): string {
  const word = (item: unknown) =>
    typeof item === 'object' && item !== null ? 'something else' : String(item);
  return value instanceof Tuple ? `(${value.items.map(word).join(', ')})` : word(value);
}

/** The rates of a group, by the names of the options of training. */
export function ratesOf(group: ReadonlyMap<unknown, unknown>): Record<string, number> {
  const rates: Record<string, number> = {};
  const add = (name: string, value: unknown): void => {
    if (typeof value === 'number' || typeof value === 'bigint') rates[name] = Number(value);
  };
  add('learning_rate', group.get('initial_lr') ?? group.get('lr'));
  add('weight_decay', group.get('weight_decay'));
  const betas = group.get('betas');
  if (betas instanceof Tuple) {
    add('adam_beta1', betas.items[0]);
    add('adam_beta2', betas.items[1]);
    add('adam_epsilon', group.get('eps'));
  }
  return rates;
}

/** param_groups as torch has them, for `writeTorchFile`; parameters are counted through both groups. */
export function writeGroups(
  optimizer: OptimizerName,
  parameters: readonly NamedParameter[],
  rates: Rates,
): Map<string, unknown>[] {
  const { formula, more } = LAYOUTS[optimizer];
  let index = 0n;
  return grouped(parameters).map(
    (group, i) =>
      new Map<string, unknown>([
        ['weight_decay', i === 0 ? rates.weightDecay : 0],
        ['lr', rates.currentLearningRate],
        ...Object.entries(LAYOUTS[optimizer].rates(rates)),
        ...Object.entries(formula),
        ...Object.entries(more),
        ['initial_lr', rates.learningRate],
        ['params', group.map(() => index++)],
      ]),
  );
}
