// Options of what becomes of the rows of a data set.
import { RANGE_FORM, SPEEDS_FORM } from '../augmentation.js';
import { SIZE_FORM } from '../memory/bytes.js';
import { boolean, choice, integer, number, string } from '../option.js';

/** A number that config.json has too, and that goes before it. */
const share = (help: string) => number(`SpecAugment: ${help}`, undefined, { least: 0, most: 1 });
const count = (help: string, least: number) => integer(`SpecAugment: ${help}`, undefined, { least });

/** Changes of audio and features in training: also options of `Trainer`. */
const augmentationOptions = {
  speed_perturbation: string(
    'each clip is played at one of these speeds, drawn anew in each pass, as 0.9,1.0,1.1',
    undefined,
    { form: SPEEDS_FORM },
  ),
  noise_probability: number('share of the clips that noise is added to', 0, { least: 0, most: 1 }),
  noise_snr_db: string('least and most signal-to-noise ratio of added noise, in dB', '10,30', {
    form: RANGE_FORM,
  }),
  noise_folder: string('folder of audio files that are the noise; without it the noise is white', undefined),
  apply_spec_augment: boolean(
    'mask stretches of frames and bands of mels; default: what the model’s configuration says, also of the following',
    undefined,
  ),
  mask_time_prob: share('share of the frames that is masked'),
  mask_time_length: count('frames of one mask', 1),
  mask_time_min_masks: count('least masks of frames in a clip', 0),
  mask_feature_prob: share('share of the mels that is masked'),
  mask_feature_length: count('mels of one mask', 1),
  mask_feature_min_masks: count('least masks of mels in a clip', 0),
};

/** What labels say beside the text: also options of `Trainer`. */
const labelOptions = {
  timestamps: boolean('put the times of segments into the labels', false),
  timestamps_probability: number('timestamps: share of the rows whose labels have them', 0.5, {
    least: 0,
    most: 1,
  }),
  prompt_probability: number('share of the rows with a previous text that begin with it as a prompt', 0, {
    least: 0,
    most: 1,
  }),
  max_prompt_length: integer(
    'tokens of a prompt, the last of a longer text; default: half the decoder’s positions',
    undefined,
    { least: 2 },
  ),
};

/** What becomes of the rows: also options of `Trainer`, in camelCase. */
export const rowOptions = {
  language: string('language of the speech, by name or code: its token begins every label', undefined),
  task: choice('what the texts are', ['transcribe', 'translate'], 'transcribe'),
  max_duration_in_seconds: number('audio of this length or longer is dropped from training', 20, {
    above: 0,
  }),
  min_duration_in_seconds: number('audio of this length or shorter is dropped from training', 0, {
    least: 0,
  }),
  on_long_label: choice(
    'what to do with labels longer than the decoder has positions, in training',
    ['drop', 'truncate', 'error'],
    'drop',
  ),
  max_label_length: integer(
    'tokens of a label that is not too long; default: the decoder’s positions',
    undefined,
    {
      least: 4,
    },
  ),
  do_lower_case: boolean('lower-case the texts', false),
  do_remove_punctuation: boolean('remove punctuation from the texts', false),
  streaming: boolean(
    'shuffle within a buffer; false decodes all audio once to disk and puts all rows into one random order',
    true,
  ),
  prepared_data_dir: string(
    'streaming False: folder for decoded audio, 115 MB per hour; default: WHISPER_TUNE_CACHE, or a folder beside the cache of Hugging Face',
    undefined,
  ),
  shuffle_buffer_size: integer(
    'rows in the shuffle buffer, with their compressed audio; 1 keeps the order of the file',
    500,
    { least: 1 },
  ),
  shuffle_buffer_memory: string(
    'audio that the shuffle buffer may hold; reached, it keeps to as many rows',
    '1GiB',
    { form: SIZE_FORM },
  ),
  stitch_clips: boolean(
    'join clips that follow each other in training, of the same language and task, up to the model’s window',
    false,
  ),
  ...labelOptions,
  ...augmentationOptions,
};
