// Options of the evaluations of a training run, and of what follows from them.
import { boolean, choice, integer, number, string } from '../option.js';

/** When a run is evaluated, and how. */
const whenAndHow = {
  eval_strategy: choice('when to evaluate', ['no', 'steps', 'epoch'], 'no', {
    aliases: ['evaluation_strategy'],
  }),
  eval_steps: number(
    'updates between evaluations, or below 1 their share of all updates; default: logging_steps',
    undefined,
    { above: 0 },
  ),
  eval_delay: number('updates (epochs under eval_strategy epoch) before the first evaluation', 0, {
    least: 0,
  }),
  eval_on_start: boolean('evaluate once before the first update', true),
  predict_with_generate: boolean('evaluate by generating text, for WER and CER', false),
  prediction_loss_only: boolean('evaluate the loss only, whatever predict_with_generate says', false),
  predict_language: boolean(
    'evaluate with a prompt that is the start token alone: the model itself finds language and task',
    false,
  ),
  generation_max_length: integer('tokens of a generated text, its prompt included', undefined, { least: 1 }),
  long_audio: choice(
    'audio longer than the model’s window: left out, or its beginning heard against the whole text',
    ['drop', 'truncate'],
    'drop',
  ),
  do_normalize_eval: boolean('normalise texts before WER and CER', true),
};

/** What becomes of the results. */
export const evaluationOptions = {
  ...whenAndHow,
  load_best_model_at_end: boolean('end with the best checkpoint instead of the last', false),
  metric_for_best_model: string(
    'what makes a checkpoint the best: loss, wer or cer, of another evaluation set as NAME_wer; loss if not given',
    undefined,
  ),
  greater_is_better: boolean('whether the metric should grow; those there are should not', undefined),
  early_stopping_patience: integer(
    'end the run after so many evaluations in a row without a better metric_for_best_model; default: never',
    undefined,
    { least: 1 },
  ),
  early_stopping_threshold: number('by how much it must be better for that', 0, { least: 0 }),
};
