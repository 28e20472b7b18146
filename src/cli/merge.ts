// whisper-tune merge: a model with an adapter in its weights.
import { WhisperError } from '../errors.js';
import { Whisper } from '../model/whisper.js';
import { string } from '../train/option.js';
import { type Command, commonOptions, writeJson } from './command.js';

const options = {
  model_name_or_path: string('folder of the model; default: the one that the adapter names', undefined, {
    aliases: ['model_id'],
  }),
  ...commonOptions,
};

export const mergeCommand: Command<typeof options> = {
  name: 'merge',
  summary: 'Write a model with an adapter (LoRA) in its weights: W + alpha / rank · B · A, in f32.',
  positionals: ['ADAPTER', 'OUTPUT'],
  options,
  async run({ options, positionals, terminal }) {
    const [adapter, output] = positionals;
    if (adapter === undefined || output === undefined) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        'merge needs an adapter folder and a folder to write to',
      );
    }
    const how = { device: 'cpu', trainable: false } as const;
    await using model =
      options.modelNameOrPath === undefined
        ? await Whisper.fromPretrained(adapter, how)
        : await Whisper.fromPretrained(options.modelNameOrPath, { ...how, adapter });
    if (!model.lora)
      throw new WhisperError('ERR_INVALID_ARGUMENT', `${adapter} is no adapter: it is a whole model`);
    await model.savePretrained(output, { adapter: 'none' });
    const { rank, modules } = model.lora;
    if (options.json) writeJson(terminal, { path: output, rank, modules: modules.length });
    else terminal.err(`${modules.length} linear layers with adapters of rank ${rank} written to ${output}\n`);
    return 0;
  },
};
