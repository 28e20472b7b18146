// whisper-tune evaluate: word and character error rate of a model on a split of a data set.
import { describeDrops } from '../data/drops.js';
import { type Evaluation, evaluate } from '../evaluate/evaluate.js';
import { NORMALIZER_NAMES } from '../evaluate/normalizers.js';
import { Whisper } from '../model/whisper.js';
import { CountReport, describeEvaluation } from '../report/progress.js';
import { modelOptions, precisionOptions } from '../train/arguments.js';
import { boolean, choice, integer, required, string } from '../train/option.js';
import { type Command, commonOptions, writeJson } from './command.js';
import { choosePrecision, noticeLanguage, openSplit, withModel } from './model.js';

const options = {
  model_id: required('folder of the model', { aliases: ['model_name_or_path'] }),
  dataset: required('folder of the data set, or a manifest file', { aliases: ['dataset_name'] }),
  config: string('sub-folder of the data set, as a language of Common Voice', undefined, {
    aliases: ['dataset_config_name'],
  }),
  split: string('split to evaluate on', 'test'),
  language: string('language of the speech, by name or code', undefined),
  task: choice('what the texts are', ['transcribe', 'translate'], 'transcribe'),
  audio_column_name: string('column with the audio file (default: found by its name)', undefined),
  text_column_name: string('column with the text (default: found by its name)', undefined),
  batch_size: integer('clips at a time', 8, { least: 1 }),
  generation_max_length: integer('tokens of a generated text, its prompt included', undefined, { least: 1 }),
  normalizer: choice('what texts go through before they are compared', NORMALIZER_NAMES, 'basic'),
  loss: boolean('measure the loss too', false),
  predictions: boolean('add every row with its reference and its hypothesis to the JSON', false),
  device: modelOptions.device,
  ...precisionOptions,
  ...commonOptions,
};

export const evaluateCommand: Command<typeof options> = {
  name: 'evaluate',
  summary: 'Measure the word and character error rate of a model on a data set.',
  positionals: [],
  options,
  async run({ options, terminal, signal }) {
    const dataset = await openSplit(options.dataset, options.split, {
      config: options.config,
      text: options.textColumnName,
      audio: options.audioColumnName,
    });
    const open = Whisper.fromPretrained(options.modelId, {
      device: options.device,
      precision: choosePrecision(options),
      trainable: false,
    });
    return withModel(open, terminal, async (model) => {
      noticeLanguage(model, options.language, terminal);
      const rows: object[] = [];
      const report = new CountReport(terminal, 'evaluating', await dataset.count?.());
      const evaluation = await evaluate(model, dataset, {
        language: options.language,
        task: options.task,
        batchSize: options.batchSize,
        maxLength: options.generationMaxLength,
        normalizer: options.normalizer,
        loss: options.loss,
        signal,
        onProgress: (done) => report.tell(done),
        onRow: ({ id, reference, hypothesis }) => {
          if (options.predictions) rows.push({ id, reference, hypothesis });
        },
      }).finally(() => report.close());
      const { dropped, samples } = evaluation;
      const left = Object.values(dropped).reduce((sum, { count }) => sum + count, 0);
      if (left > 0) terminal.err(`${describeDrops({ rows: samples + left, kept: samples, dropped })}\n`);
      if (options.json) {
        writeJson(terminal, {
          ...summary(evaluation),
          ...(options.predictions ? { predictions: rows } : {}),
        });
      } else {
        terminal.out(`${describeEvaluation(evaluation)}\n`);
      }
      return 0;
    });
  },
};

/** The evaluation for machines, under the names of the files that training writes. */
function summary({ wer, cer, loss, words, samples, audioSeconds, seconds, dropped }: Evaluation): object {
  const { referenceLength, ...edits } = words!;
  return {
    wer,
    cer,
    ...(loss === undefined ? {} : { loss }),
    samples,
    words: referenceLength,
    ...edits,
    dropped: Object.fromEntries(Object.entries(dropped).map(([reason, { count }]) => [reason, count])),
    audio_seconds: audioSeconds,
    seconds,
    samples_per_second: samples / seconds,
  };
}
