// The data that train and preflight read, from their options.

import type { Source } from '../data/dataset.js';
import { openEntries, openMixture, readMixture } from '../data/mixture.js';
import { take } from '../data/slice.js';
import { WhisperError } from '../errors.js';
import type { Compat } from '../train/compat.js';
import type { Values } from '../train/option.js';
import type { datasetOptions } from '../train/options/dataset.js';
import type { hubOptions } from '../train/options/model.js';
import type { Invocation } from './command.js';
import { parseExtraEvals } from './extra-eval.js';
import { openEntry, openSplit, type Selection } from './model.js';

/** A command with the options of train. */
export type DataInvocation = Pick<Invocation<typeof hubOptions>, 'terminal' | 'signal'> & {
  options: Values<typeof datasetOptions> &
    Values<typeof hubOptions> & {
      seed: number;
      streaming: boolean;
      maxSteps: number;
      maxDurationInSeconds: number;
      compat: Compat;
    };
};

/**
 * Opens the training data: a split, or a mixture.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` where nothing says how many updates there are to be; as `openDataset`
 */
export async function openTraining(invocation: DataInvocation): Promise<Source> {
  const { datasetMixture, trainSplitName, seed, maxTrainSamples } = invocation.options;
  const selection = trainingSelection(invocation);
  const source =
    datasetMixture === undefined
      ? await openNamed(trainSplitName, selection, invocation)
      : await openMixture(datasetMixture, (entry) => openEntry(entry, selection, invocation), seed);
  checkLength(source, invocation);
  return first(source, maxTrainSamples);
}

/** In streaming the number of updates must be given, unless the rows can be counted. */
function checkLength({ count, name }: Source, { options }: DataInvocation): void {
  const { maxSteps, streaming, compat } = options;
  if (maxSteps > 0 || !streaming || (count && compat === 'fixed')) return;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `--max_steps must be given, as ${name} is streamed and its length not known; or give --streaming False`,
  );
}

async function first(source: Source, rows: number | undefined): Promise<Source> {
  return rows === undefined ? source : take(source, rows);
}

/** The same, each data set of a mixture by itself. */
export async function openTrainingParts(invocation: DataInvocation): Promise<Source[]> {
  const { datasetMixture, trainSplitName } = invocation.options;
  const selection = trainingSelection(invocation);
  if (datasetMixture === undefined) return [await openNamed(trainSplitName, selection, invocation)];
  const mixture = await readMixture(datasetMixture);
  const entries = await openEntries(mixture, (entry) => openEntry(entry, selection, invocation));
  return entries.map(({ source }) => source);
}

/** Opens the split to evaluate on. */
export async function openEvaluation(invocation: DataInvocation): Promise<Source> {
  const { evalSplitName, maxEvalSamples } = invocation.options;
  return first(await openNamed(evalSplitName, selectionOf(invocation), invocation), maxEvalSamples);
}

/** Opens the sets that are evaluated beside it, by their labels. */
export async function openExtraEvaluations(invocation: DataInvocation): Promise<Record<string, Source>> {
  const { extraEval, maxEvalSamples } = invocation.options;
  const sources: Record<string, Source> = {};
  for (const { label, name, config, split } of parseExtraEvals(extraEval ?? [])) {
    const source = await openSplit(name, split, { ...selectionOf(invocation), config }, invocation);
    sources[label] = await first(source, maxEvalSamples);
  }
  return sources;
}

/** The data sets trained on, or those evaluated on where nothing is trained. */
export async function namesOf({
  options,
}: Pick<DataInvocation, 'options'> & { options: { doTrain: boolean } }): Promise<string | string[]> {
  const { datasetName, datasetMixture: mixture } = options;
  if (mixture === undefined || !options.doTrain) return datasetName!;
  return (await readMixture(mixture)).datasets.map(({ name }) => name);
}

async function openNamed(split: string, selection: Selection, invocation: DataInvocation): Promise<Source> {
  const { datasetName, datasetMixture } = invocation.options;
  if (datasetName !== undefined) return openSplit(datasetName, split, selection, invocation);
  const why = datasetMixture === undefined ? '' : ': the evaluation set is not mixed';
  throw new WhisperError('ERR_INVALID_ARGUMENT', `--dataset_name is required${why}`);
}

/** Clips that training would drop for their length are not cut in the first place. */
function trainingSelection(invocation: DataInvocation): Selection {
  return { ...selectionOf(invocation), clipSeconds: invocation.options.maxDurationInSeconds };
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
    // Splits in turn, as the event’s script has them with and without streaming.
    alternate: options.alternateSplits,
    wholeRounds: options.alternateSplits && !options.streaming,
  };
}
