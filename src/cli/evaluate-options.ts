// The options of whisper-tune evaluate: those of the fine-tuning event's evaluation script, and its own.
import { NORMALIZER_NAMES } from '../evaluate/normalizers.js';
import { adapterOptions, datasetOptions, precisionOptions, rowOptions } from '../train/arguments.js';
import { boolean, choice, integer, number, required, requiredStrings, string } from '../train/option.js';
import { hubOptions } from '../train/options/model.js';
import { commonOptions } from './command.js';
import type { Group } from './help.js';

const what = {
  model_id: requiredStrings(
    'the model: a folder, or owner/name or owner/name@revision on the Hub; several are compared with each other',
    { aliases: ['model_name_or_path'] },
  ),
  checkpoints: boolean('evaluate every checkpoint-N in the folders of --model_id', false),
  dataset: required(datasetOptions.dataset_name.help, { aliases: ['dataset_name'] }),
  config: string(datasetOptions.dataset_config_name.help, undefined, { aliases: ['dataset_config_name'] }),
  split: string('split to evaluate on, or a slice of one, as test[:10%]', 'test'),
  max_eval_samples: integer('rows to evaluate, from the first; default: all', undefined, { least: 1 }),
  streaming: boolean(
    'read and decode the data for each model; false decodes it once to disk, for all models and later calls',
    true,
  ),
  audio_column_name: datasetOptions.audio_column_name,
  text_column_name: datasetOptions.text_column_name,
  language_column_name: datasetOptions.language_column_name,
  task_column_name: datasetOptions.task_column_name,
  prepared_data_dir: rowOptions.prepared_data_dir,
  data_cache_size: datasetOptions.data_cache_size,
  ...hubOptions,
};

const how = {
  language: string('language of the speech, by name or code; a row’s own goes before it', undefined),
  task: choice('what the texts are', ['transcribe', 'translate'], 'transcribe'),
  device: string('where to compute: auto, cpu, cuda or cuda:N; or a number, -1 for the CPU', 'auto'),
  ...adapterOptions,
  ...precisionOptions,
  batch_size: integer('clips at a time', 16, { least: 1 }),
  generation_max_length: integer('tokens of a generated text, its prompt included', undefined, { least: 1 }),
  long_form: boolean('transcribe clips that are longer than the model’s window whole', false),
  truncate_audio: boolean(
    'hear only the beginning of such clips, as the event’s script does; without either they are left out',
    false,
  ),
  loss: boolean('measure the loss too', false),
};

const rates = {
  normalizer: choice(
    'what texts go through before they are compared; marks is basic that keeps combining marks',
    NORMALIZER_NAMES,
    'basic',
  ),
  bootstrap: integer('resamples for the 95 % confidence intervals; 0 for none', 1000, { least: 0 }),
  seed: integer('seed of the resamples', 42, { least: 0 }),
};

const report = {
  output_dir: string(
    'folder for utterances.jsonl, utterances.csv, evaluation.json and worst.html; of several models one each',
    undefined,
    { aliases: ['report'] },
  ),
  worst: integer('utterances on the page of the worst', 100, { least: 0 }),
  clip_megabytes: number('megabytes of audio on that page; 0 leaves the clips out', 20, { least: 0 }),
  push_to_hub: boolean(
    'put WER and CER into the card of the model on the Hub, and touch nothing else of it',
    false,
  ),
  hub_model_id: string('repository of that card, where --model_id is a folder', undefined),
  predictions: boolean('add every row with its reference and its hypothesis to the JSON', false),
};

export const evaluateOptions = { ...what, ...how, ...rates, ...report, ...commonOptions };

export const evaluateGroups: readonly Group[] = [
  { title: 'What is evaluated', options: what },
  { title: 'How the model is run', options: how },
  { title: 'Error rates', options: rates },
  { title: 'Reports', options: report },
];
