// whisper-tune optimizer: an optimizer's state between whisper-tune and Hugging Face.
import { extname } from 'node:path';
import { WhisperError } from '../errors.js';
import { modelOptions, precisionOptions, trainingOptions } from '../train/arguments.js';
import { type Exchanged, exportOptimizer, importOptimizer } from '../train/optimizer-exchange.js';
import { boolean, integer } from '../train/option.js';
import { type Command, commonOptions, type Invocation, writeJson } from './command.js';
import { choosePrecision } from './model.js';

const options = {
  model_name_or_path: modelOptions.model_name_or_path,
  // Of the run that goes on with a .safetensors file.
  ...precisionOptions,
  step: integer('to .safetensors: updates made, where no file says (sgd)', undefined, { least: 0 }),
  scheduler: boolean(
    'to .pt: write scheduler.pt beside it, without which transformers’ Trainer does not load it',
    false,
  ),
  learning_rate: trainingOptions.learning_rate,
  weight_decay: trainingOptions.weight_decay,
  adam_beta1: trainingOptions.adam_beta1,
  adam_beta2: trainingOptions.adam_beta2,
  adam_epsilon: trainingOptions.adam_epsilon,
  ...commonOptions,
};

type Given = Invocation<typeof options>;

export const optimizerCommand: Command<typeof options> = {
  name: 'optimizer',
  summary:
    'Convert the state of an optimizer: from optimizer.pt of transformers’ Trainer to optimizer.safetensors, or back.',
  positionals: ['SOURCE', 'TARGET'],
  options,
  async run(given) {
    const { options, positionals, terminal } = given;
    const [source, target] = positionals;
    const way = `${extname(source ?? '')} to ${extname(target ?? '')}`;
    if (
      source === undefined ||
      target === undefined ||
      !/^(\.pt to \.safetensors|\.safetensors to \.pt)$/.test(way)
    ) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `optimizer needs a SOURCE and a TARGET, one of them .pt and the other .safetensors, got ${positionals.join(' ') || 'none'}`,
      );
    }
    const result = await (target.endsWith('.pt') ? toTorch : fromTorch)(source, target, given);
    if (options.json) writeJson(terminal, result);
    else terminal.out(`${describe(target, result)}\n`);
    return 0;
  },
};

function fromTorch(source: string, target: string, { options, signal }: Given) {
  const { modelNameOrPath: model, step } = options;
  return importOptimizer(source, target, { model, precision: choosePrecision(options), step, signal });
}

/** Only what was given: what was not is in the files beside the source. */
function toTorch(source: string, target: string, { options, given, signal }: Given) {
  const { modelNameOrPath: model, scheduler } = options;
  const rate = <T>(name: string, value: T): T | undefined => (given.has(name) ? value : undefined);
  return exportOptimizer(source, target, {
    model,
    scheduler,
    learningRate: rate('learning_rate', options.learningRate),
    weightDecay: rate('weight_decay', options.weightDecay),
    adamBeta1: rate('adam_beta1', options.adamBeta1),
    adamBeta2: rate('adam_beta2', options.adamBeta2),
    adamEpsilon: rate('adam_epsilon', options.adamEpsilon),
    signal,
  });
}

function describe(target: string, { optimizer, step, trained, dropped, rates }: Exchanged): string {
  const part = trained === 'all' ? '' : `, of the ${trained} only`;
  const settings = Object.entries(rates).map(([name, value]) => `--${name}=${value}`);
  return [
    `${target}: ${optimizer} after ${step} updates${part}`,
    `made with ${settings.join(' ')}`,
    ...dropped.map((name) => `left out: ${name}, which is not trained here`),
  ].join('\n');
}
