// Options of what a run tells, and where.
import { boolean, string, strings } from '../option.js';

export const reportOptions = {
  report_to: strings(
    'who is told of the run beside the terminal: tensorboard, all (the same) or none; all if not given',
  ),
  logging_dir: string(
    'folder of TensorBoard’s event files; default: runs/<date>_<host> in the output folder',
    undefined,
  ),
  model_index_name: string('name of the model on its card; default: that of its folder', undefined),
  disable_tqdm: boolean('plain lines instead of a progress bar, also on a terminal', false),
};
