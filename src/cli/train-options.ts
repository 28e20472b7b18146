// The options of the train command, in the groups of its help, and what they come to together.
import { WhisperError } from '../errors.js';
import {
  adapterOptions,
  datasetOptions,
  generationOptions,
  loraOptions,
  modelOptions,
  phaseOptions,
  placeOptions,
  precisionOptions,
  rowOptions,
  tokenOptions,
  trainingOptions,
} from '../train/arguments.js';
import { checkLossScale, checkTogether } from '../train/checks.js';
import { applyCompat } from '../train/compat.js';
import { applyDeepspeed, readDeepspeed } from '../train/deepspeed.js';
import { type Options, string, type Values } from '../train/option.js';
import { evaluationOptions } from '../train/options/evaluation.js';
import { pushOptions } from '../train/options/hub.js';
import { reportOptions } from '../train/options/reports.js';
import { loggingOptions, savingOptions } from '../train/options/saving.js';
import { scheduleOptions } from '../train/options/schedule.js';
import { acceptedOptions, tellAccepted } from './accepted.js';
import { commonOptions, type Invocation } from './command.js';
import { spellFlag } from './flags.js';
import type { Group } from './help.js';
import { choosePrecision } from './model.js';

/** Other sources of parts of a model, which must be the model itself. */
const partOptions = {
  config_name: string('where the configuration is: must be the model', undefined),
  tokenizer_name: string('where the tokenizer is: must be the model', undefined),
  feature_extractor_name: string('where the settings of features are: must be the model', undefined),
};

const known = {
  ...modelOptions,
  ...loraOptions,
  ...adapterOptions,
  ...tokenOptions,
  ...precisionOptions,
  ...placeOptions,
  ...generationOptions,
  ...partOptions,
  ...datasetOptions,
  ...rowOptions,
  ...phaseOptions,
  ...trainingOptions,
  ...reportOptions,
  ...pushOptions,
  ...commonOptions,
};

export const trainOptions: typeof known = { ...known, ...acceptedOptions };

export type TrainOptions = Values<typeof known>;

export const trainGroups: readonly Group[] = [
  { title: 'What is done', options: { ...phaseOptions, compat: known.compat } },
  {
    title: 'Model',
    options: { ...modelOptions, ...precisionOptions, ...placeOptions, ...generationOptions, ...partOptions },
  },
  { title: 'Adapters and new tokens', options: { ...loraOptions, ...adapterOptions, ...tokenOptions } },
  { title: 'Data', options: datasetOptions },
  { title: 'Rows', options: rowOptions },
  { title: 'Evaluation', options: evaluationOptions },
  { title: 'Log and checkpoints', options: { ...loggingOptions, ...savingOptions } },
  { title: 'Learning rate', options: { learning_rate: trainingOptions.learning_rate, ...scheduleOptions } },
  { title: 'Training', options: trainingOptions },
  { title: 'Reports', options: reportOptions },
  { title: 'Hub', options: pushOptions },
  { title: 'The command', options: commonOptions },
  { title: 'Accepted, without effect', options: acceptedOptions },
];

/**
 * What the flags come to: with the defaults that `compat` asks for, the file of `deepspeed`, and other ways to say the
 * same.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` naming options that contradict each other
 */
export async function settle({
  options: flags,
  given,
  terminal,
}: Invocation<Options>): Promise<TrainOptions> {
  const line = (text: string): void => terminal.err(`${text}\n`);
  tellAccepted(given, flags, terminal);
  let options = applyCompat(flags as TrainOptions, trainOptions, given);
  if (options.deepspeed !== undefined) {
    const applied = applyDeepspeed(await readDeepspeed(options.deepspeed), options, given);
    options = applied.options;
    for (const notice of applied.notices) line(notice);
  }
  checkParts(options);
  options.saveTotalLimit = checkpointsToKeep(options, given);
  const saves = options.doTrain && options.saveStrategy !== 'no';
  if (saves && options.saveTotalLimit !== undefined && !given.has('save_total_limit')) {
    line(
      `keeping the last ${options.saveTotalLimit} checkpoints, the best among them: save_total_limit says how many`,
    );
  }
  // As in transformers: asking for evaluations during training asks for one at the end too.
  options.doEval ||= options.evalStrategy !== 'no';
  if (!options.doTrain && !options.doEval) {
    throw new WhisperError('ERR_INVALID_ARGUMENT', 'nothing to do: give --do_train, --do_eval or both');
  }
  if (options.useCpu) options.device = 'cpu';
  if (!options.doTrain) {
    options.fp16 ||= options.fp16FullEval;
    options.bf16 ||= options.bf16FullEval;
  }
  checkTogether(options, spellFlag);
  checkLossScale(options, choosePrecision(options), spellFlag);
  return options;
}

/** Two, and one more where the best has to stay: a run of five thousand updates fills no disk. */
function checkpointsToKeep(options: TrainOptions, given: ReadonlySet<string>): number | undefined {
  if (given.has('save_total_limit') || options.compat === 'era') return options.saveTotalLimit;
  return options.loadBestModelAtEnd ? 3 : 2;
}

function checkParts(options: TrainOptions): void {
  const { modelNameOrPath: model } = options;
  for (const [name, value] of [
    ['config_name', options.configName],
    ['tokenizer_name', options.tokenizerName],
    ['feature_extractor_name', options.featureExtractorName],
  ] as const) {
    if (value === undefined || value === model) continue;
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `--${name} must be --model_name_or_path, ${model}, got ${value}: put the files of both into one folder`,
    );
  }
}
