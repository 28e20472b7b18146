// whisper-tune transcribe: the text of one audio file.
import { WhisperError } from '../errors.js';
import { CountReport } from '../report/progress.js';
import { adapterOptions, modelOptions, precisionOptions } from '../train/arguments.js';
import { choice, integer, required, string } from '../train/option.js';
import { hubOptions } from '../train/options/model.js';
import { transcribe } from '../transcribe/transcribe.js';
import { type Command, commonOptions, writeJson } from './command.js';
import { choosePrecision, loadModel, noticeLanguage, withModel } from './model.js';

const options = {
  model_name_or_path: required('the model: a folder, or owner/name on the Hub', { aliases: ['model_id'] }),
  model_revision: modelOptions.model_revision,
  language: string('language of the speech, by name or code', undefined),
  task: choice('write what is said, or its English translation', ['transcribe', 'translate'], 'transcribe'),
  batch_size: integer('windows at a time', 8, { least: 1 }),
  ...adapterOptions,
  device: modelOptions.device,
  ...precisionOptions,
  ...hubOptions,
  ...commonOptions,
};

export const transcribeCommand: Command<typeof options> = {
  name: 'transcribe',
  summary:
    'Transcribe an audio file: wav, mp3, flac, ogg, opus, webm, and what ffmpeg reads where it is installed.',
  positionals: ['FILE'],
  options,
  async run(given) {
    const { options, positionals, terminal, signal } = given;
    const [file] = positionals;
    if (file === undefined) {
      throw new WhisperError('ERR_INVALID_ARGUMENT', 'transcribe needs an audio file');
    }
    const { device, modelRevision: revision, adapter } = options;
    const load = { device, precision: choosePrecision(options), trainable: false, revision, adapter };
    const open = loadModel(options.modelNameOrPath, load, given);
    return withModel(open, terminal, async (model) => {
      noticeLanguage(model, options.language, terminal);
      let report: CountReport | undefined;
      const transcription = await transcribe(model, file, {
        language: options.language,
        task: options.task,
        batchSize: options.batchSize,
        signal,
        onProgress: (done, total) => {
          report ??= new CountReport(terminal, 'transcribing', Math.ceil(total));
          report.tell(Math.round(done));
        },
      }).finally(() => report?.close());
      if (transcription.damage) terminal.err(`${file} is ${transcription.damage}\n`);
      if (options.json) writeJson(terminal, transcription);
      else terminal.out(`${transcription.text}\n`);
      return 0;
    });
  },
};
