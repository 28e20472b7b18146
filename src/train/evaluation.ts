// Evaluation as a training run asks for it: its options, and what to do when memory does not suffice.
import type { Source } from '../data/dataset.js';
import { type Evaluation, evaluate } from '../evaluate/evaluate.js';
import type { Whisper } from '../model/whisper.js';
import type { TrainingArguments } from './arguments.js';
import { outOfMemory } from './memory/fit.js';

/**
 * Evaluates the model as it is.
 *
 * @throws WhisperError as `evaluate`; `ERR_OUT_OF_MEMORY` names the option that asks for less
 */
export async function evaluateRun(
  model: Whisper,
  dataset: Source,
  options: TrainingArguments,
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  const { language, task, perDeviceEvalBatchSize: batchSize } = options;
  try {
    return await evaluate(model, dataset, {
      language,
      task,
      batchSize,
      maxLength: options.generationMaxLength,
      normalizer: options.doNormalizeEval ? 'basic' : 'none',
      lowerCase: options.doLowerCase,
      removePunctuation: options.doRemovePunctuation,
      generate: options.predictWithGenerate,
      signal,
    });
  } catch (error) {
    throw outOfMemory(
      error,
      (message) =>
        `evaluation of ${batchSize} rows at a time: ${message}; give a smaller per_device_eval_batch_size`,
    );
  }
}
