// The training data as a stream of micro-batches, and how many updates an epoch of it has.
import { type BatchesState, type BatchStream, batches, startOfPass } from '../data/batches.js';
import type { Source } from '../data/dataset.js';
import { type LabelOptions, labelsOf } from '../data/labels.js';
import type { ModelConfig } from '../model/config.js';
import type { Whisper } from '../model/whisper.js';
import { basicNormalizer } from '../processor/normalizers/basic.js';
import type { TrainingArguments } from './arguments.js';
import { augmentationOf } from './augmentation.js';
import type { NoticeEvent } from './events.js';
import { parseBytes } from './memory/bytes.js';
import type { Values } from './option.js';
import type { rowOptions } from './options/rows.js';
import type { RunState, SavedRun } from './state.js';

export { preparedData } from './prepared.js';

export interface TrainingData {
  model: Whisper;
  source: Source;
  options: TrainingArguments;
}

/** The training data of a run, in its micro-batches. */
export function runData(
  model: Whisper,
  source: Source,
  options: TrainingArguments,
  { microBatches }: Pick<RunState, 'microBatches'>,
): TrainingData {
  const { rows, count } = microBatches ?? {};
  return {
    model,
    source,
    options: {
      ...options,
      perDeviceTrainBatchSize: rows ?? options.perDeviceTrainBatchSize,
      gradientAccumulationSteps: count ?? options.gradientAccumulationSteps,
    },
  };
}

/**
 * Shuffled micro-batches, pass after pass, prepared while the model is busy.
 *
 * @param state goes on where a checkpoint was written
 */
export function trainingBatches(data: TrainingData, state?: BatchesState): BatchStream {
  const { streaming, shuffleBufferSize, shuffleBufferMemory, ignoreDataSkip } = data.options;
  const augmentation = augmentationOf(data.options);
  const options = {
    ...batchesOptions(data),
    ...(augmentation && { augmentation }),
    // A prepared source permutes all its rows itself.
    ...(streaming
      ? { shuffleBuffer: shuffleBufferSize, shuffleBytes: parseBytes(shuffleBufferMemory) }
      : { shuffleBuffer: 1, shuffleSource: true }),
  };
  return batches({
    ...options,
    ...(state && { state: ignoreDataSkip ? startOfPass(state, options) : state }),
  });
}

/** How many updates a run has: `maxSteps`, those its checkpoint says, or as many as its epochs have. */
export async function* countUpdates(
  data: TrainingData,
  saved: SavedRun | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<NoticeEvent, number> {
  const { maxSteps, numTrainEpochs } = data.options;
  let updates = maxSteps;
  if (maxSteps <= 0 && saved?.options.numTrainEpochs === numTrainEpochs) {
    updates = saved.maxSteps;
  } else if (maxSteps <= 0) {
    yield { type: 'notice', message: 'reading the data once, to know how many updates an epoch has' };
    updates = Math.ceil(numTrainEpochs * (await updatesPerEpoch(data, signal)));
  }
  return updates;
}

/** Updates of one epoch: a pass over the data counts the rows that can be used. The signal ends it early. */
async function updatesPerEpoch(data: TrainingData, signal: AbortSignal | undefined): Promise<number> {
  let microBatches = 0;
  for await (const _ of batches({ ...batchesOptions(data), passes: 1 })) {
    microBatches++;
    if (signal?.aborted) break;
  }
  const updates = microBatches / data.options.gradientAccumulationSteps;
  // What is carried into the next epoch makes no update of its own.
  return data.options.carryGradients ? Math.max(1, Math.floor(updates)) : Math.ceil(updates);
}

function batchesOptions({ model, source, options }: TrainingData) {
  return {
    source,
    batchSize: options.perDeviceTrainBatchSize,
    seed: options.dataSeed ?? options.seed,
    dropLast: options.dataloaderDropLast,
    prefetch: Math.max(2, options.gradientAccumulationSteps),
    ...labelsOf(model.tokenizer, labelOptions(options, model.config)),
    startToken: model.config.decoder_start_token_id,
    maxLabels: options.maxLabelLength ?? model.config.max_target_positions,
    onLongLabel: options.onLongLabel,
    minDuration: options.minDurationInSeconds,
    // Never more than the model hears at once; half a sample more, for clips that fill the window exactly.
    maxDuration: Math.min(options.maxDurationInSeconds, (model.windowSamples + 0.5) / 16000),
    lowerCase: options.doLowerCase,
    ...(options.stitchClips && { stitch: { window: model.windowSamples, language: options.language } }),
    ...(options.doRemovePunctuation && { normalizeText: (text: string) => basicNormalizer(text).trim() }),
  };
}

/** What labels have beside the text. */
export function labelOptions(
  options: Values<typeof rowOptions>,
  config: ModelConfig | undefined,
): LabelOptions {
  const { language, task, timestamps, promptProbability, maxPromptLength } = options;
  return {
    language,
    task,
    timestamps: timestamps ? options.timestampsProbability : 0,
    prompts: promptProbability,
    maxPrompt: maxPromptLength ?? (config && Math.floor(config.max_target_positions / 2)),
  };
}
