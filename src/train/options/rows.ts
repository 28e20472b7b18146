// Options of what becomes of the rows of a data set.
import { boolean, choice, integer, number, string } from '../option.js';

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
  streaming: boolean('shuffle within a buffer; false shuffles the whole split', true),
  shuffle_buffer_size: integer('rows in the shuffle buffer; 1 keeps the order of the file', 500, {
    least: 1,
  }),
};
