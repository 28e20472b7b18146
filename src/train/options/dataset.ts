// Options that say which data is read.
import { SIZE_FORM } from '../memory/bytes.js';
import { boolean, integer, string, strings } from '../option.js';

/** Which data. */
export const datasetOptions = {
  dataset_name: string(
    'data set: a folder, a manifest or archive, or one on the Hub (owner/name, owner/name@revision)',
    undefined,
  ),
  dataset_mixture: string(
    'file that lists the data sets to train on and how they are mixed (YAML or JSON), in place of dataset_name and train_split_name',
    undefined,
  ),
  dataset_config_name: string('configuration of the data set, or a folder in it, as a language', undefined),
  train_split_name: string(
    'split to train on, or a slice as train[:10%]; a+b is one after the other',
    'train',
  ),
  eval_split_name: string(
    'split to evaluate on, or a slice as test[:500]; a+b is one after the other',
    'test',
  ),
  alternate_splits: boolean(
    'a+b gives a row of each in turn until the first ends, as the event’s script reads it',
    false,
  ),
  extra_eval: strings(
    'further set to evaluate on: NAME, NAME:CONFIG or NAME:CONFIG:SPLIT, with LABEL= before it where its metrics are to ' +
      'be eval_LABEL_wer; may be given again',
    { repeats: true },
  ),
  max_train_samples: integer('rows to train on, counted before any is dropped; default: all', undefined, {
    least: 1,
  }),
  max_eval_samples: integer('rows of each set to evaluate on; default: all', undefined, { least: 1 }),
  audio_column_name: string('column with the audio (default: found by its name)', undefined),
  text_column_name: string('column with the text (default: found by its name)', undefined),
  language_column_name: string(
    'column with the language of each row (default: language, where there is one)',
    undefined,
  ),
  task_column_name: string('column with the task of each row (default: task, where there is one)', undefined),
  prompt_column_name: string('column with what was said before each clip, for prompts', undefined),
  data_cache_size: string('disk that remote data may take in the cache folder', '20GB', { form: SIZE_FORM }),
};
