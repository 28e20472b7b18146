// Options of a run's log and of its checkpoints.
import { boolean, choice, integer, number, required, string } from '../option.js';

export const loggingOptions = {
  logging_strategy: choice('when to write a line of the log', ['no', 'steps', 'epoch'], 'steps'),
  logging_steps: number('updates between two lines of the log, or below 1 their share of all updates', 500, {
    above: 0,
  }),
  logging_first_step: boolean('log the first update too', false),
  logging_nan_inf_filter: boolean('leave losses that are not finite out of the mean that is logged', true),
};

export const savingOptions = {
  save_strategy: choice('when to save a checkpoint', ['no', 'steps', 'epoch'], 'steps'),
  save_steps: number('updates between checkpoints, or below 1 their share of all updates', 500, { above: 0 }),
  save_total_limit: integer('checkpoints to keep; the best is never deleted', undefined, { least: 1 }),
  save_only_model: boolean('checkpoints without the state that a resumed run needs', false),
  output_dir: required('folder of everything that is written'),
  overwrite_output_dir: boolean(
    'train into a folder that is not empty, from the start; without it training resumes from the last checkpoint there',
    false,
  ),
  resume_from_checkpoint: string(
    'checkpoint to go on from: true for the last one, a folder, or owner/name for the last-checkpoint of a model on the Hub',
    undefined,
  ),
  ignore_data_skip: boolean(
    'resume at the start of the pass over the data, not where the checkpoint was in it',
    false,
  ),
};
