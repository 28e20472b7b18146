// Options that say which data is read.
import { required, string } from '../option.js';

/** Which data. */
export const datasetOptions = {
  dataset_name: required('folder of the data set (Common Voice, audio folder) or a manifest file'),
  dataset_config_name: string('sub-folder of the data set, as a language of Common Voice', undefined),
  train_split_name: string('split to train on; a+b is one after the other', 'train'),
  eval_split_name: string('split to evaluate on; a+b is one after the other', 'test'),
  audio_column_name: string('column with the audio file (default: found by its name)', undefined),
  text_column_name: string('column with the text (default: found by its name)', undefined),
};
