// whisper-tune plan: the memory that training or running a model takes, without loading one.
import { WhisperError } from '../errors.js';
import { RELEASED } from '../model/released.js';
import type { NativePlan } from '../native.js';
import { planOptions, precisionOptions } from '../train/arguments.js';
import { formatBytes } from '../train/memory/bytes.js';
import { planOf } from '../train/memory/estimate.js';
import { type Command, commonOptions, writeJson } from './command.js';
import { spellFlag } from './flags.js';
import { choosePrecision } from './model.js';

const options = { ...planOptions, ...precisionOptions, ...commonOptions };

export const planCommand: Command<typeof options> = {
  name: 'plan',
  summary:
    'Say how much memory training or running a model takes: a folder, or a released model by name (small).',
  positionals: ['MODEL'],
  options,
  async run({ options, positionals, terminal }) {
    const [model] = positionals;
    if (model === undefined) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `plan needs a model: a folder or one of ${RELEASED.join(', ')}`,
      );
    }
    const plan = await planOf(model, { ...options, precision: choosePrecision(options) }, spellFlag);
    if (options.json) writeJson(terminal, plan);
    else terminal.out(describe(plan));
    return 0;
  },
};

/** What each part is, where its name does not say it. */
const MEANING: Partial<Record<keyof NativePlan, string>> = {
  masters: 'f32 copies behind weights of 16 bits',
  activations: 'the most a step holds beside the above',
  workspace: 'the most that one operation takes for itself, within the above',
  peak: 'all together',
};

function describe(plan: NativePlan): string {
  const { parameters, trainable, ...bytes } = plan;
  const counts = Object.entries({ parameters, trainable }).map(([name, n]) => [name, n.toLocaleString('en')]);
  const sizes = Object.entries(bytes).map(([name, value]) => [name, formatBytes(value)]);
  return [...counts, ...sizes]
    .map(([name, value]) => {
      const meaning = MEANING[name as keyof NativePlan];
      return `${name!.padEnd(12)}${value!.padStart(16)}${meaning ? `  ${meaning}` : ''}\n`;
    })
    .join('');
}
