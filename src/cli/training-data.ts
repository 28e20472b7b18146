// The data that train and preflight read, from their options.

import type { Source } from '../data/dataset.js';
import { openEntries, openMixture, readMixture } from '../data/mixture.js';
import { WhisperError } from '../errors.js';
import type { Values } from '../train/option.js';
import type { datasetOptions } from '../train/options/dataset.js';
import type { hubOptions } from '../train/options/model.js';
import type { Invocation } from './command.js';
import { openEntry, openSplit, type Selection } from './model.js';

/** A command with the options of train. */
export type DataInvocation = Pick<Invocation<typeof hubOptions>, 'terminal' | 'signal'> & {
  options: Values<typeof datasetOptions> & Values<typeof hubOptions> & { seed: number };
};

/** Opens the training data: a split, or a mixture. */
export async function openTraining(invocation: DataInvocation): Promise<Source> {
  const { datasetMixture, trainSplitName, seed } = invocation.options;
  if (datasetMixture === undefined) return openNamed(trainSplitName, invocation);
  const selection = selectionOf(invocation);
  return openMixture(datasetMixture, (entry) => openEntry(entry, selection, invocation), seed);
}

/** The same, each data set of a mixture by itself. */
export async function openTrainingParts(invocation: DataInvocation): Promise<Source[]> {
  const { datasetMixture, trainSplitName } = invocation.options;
  if (datasetMixture === undefined) return [await openNamed(trainSplitName, invocation)];
  const selection = selectionOf(invocation);
  const mixture = await readMixture(datasetMixture);
  const entries = await openEntries(mixture, (entry) => openEntry(entry, selection, invocation));
  return entries.map(({ source }) => source);
}

/** Opens the split to evaluate on. */
export function openEvaluation(invocation: DataInvocation): Promise<Source> {
  return openNamed(invocation.options.evalSplitName, invocation);
}

async function openNamed(split: string, invocation: DataInvocation): Promise<Source> {
  const { datasetName, datasetMixture } = invocation.options;
  if (datasetName !== undefined) return openSplit(datasetName, split, selectionOf(invocation), invocation);
  const why = datasetMixture === undefined ? '' : ': the evaluation set is not mixed';
  throw new WhisperError('ERR_INVALID_ARGUMENT', `--dataset_name is required${why}`);
}

function selectionOf({ options }: DataInvocation): Selection {
  return {
    config: options.datasetConfigName,
    text: options.textColumnName,
    audio: options.audioColumnName,
    language: options.languageColumnName,
    task: options.taskColumnName,
    prompt: options.promptColumnName,
    cacheSize: options.dataCacheSize,
  };
}
