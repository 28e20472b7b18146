// whisper-tune plan: the memory that training or running a model takes, without loading one.
import { WhisperError } from '../errors.js';
import { checkModelFolder } from '../model/checkpoint.js';
import { nativeDims, readModelConfig } from '../model/config.js';
import { RELEASED, releasedDims } from '../model/released.js';
import { addon, type NativeDims, type NativePlan } from '../native.js';
import { boolean, integer } from '../train/option.js';
import { type Command, commonOptions, writeJson } from './command.js';

const options = {
  batch_size: integer('rows of a micro-batch', 8, { least: 1, aliases: ['per_device_train_batch_size'] }),
  label_length: integer('tokens of a row', 64, { least: 1 }),
  inference: boolean('plan running the model instead of training it', false),
  gradient_checkpointing: boolean('keep less and compute blocks again on the way back', false),
  freeze_encoder: boolean('do not train the encoder', false),
  ...commonOptions,
};

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
    const dims = await findDims(model);
    if (options.labelLength > dims.target) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `--label_length must be at most ${dims.target} (max_target_positions), got ${options.labelLength}`,
      );
    }
    const plan = await addon().plan(dims, {
      batch: options.batchSize,
      labels: options.labelLength,
      training: !options.inference,
      options: {
        checkpointing: options.gradientCheckpointing ? 'all' : 'none',
        freezeEncoder: options.freezeEncoder,
      },
    });
    if (options.json) writeJson(terminal, plan);
    else terminal.out(describe(plan));
    return 0;
  },
};

/** A folder of that name comes before a released model. */
async function findDims(model: string): Promise<NativeDims> {
  const released = releasedDims(model);
  try {
    return nativeDims(await readModelConfig(await checkModelFolder(model)));
  } catch (error) {
    const missing = (error as Error).cause as NodeJS.ErrnoException | undefined;
    if (missing?.code !== 'ENOENT') throw error;
    if (released) return released;
    throw new WhisperError(
      'ERR_FILE',
      `cannot plan ${model}: no such folder, and no released model (${RELEASED.join(', ')})`,
      { cause: error },
    );
  }
}

function describe(plan: NativePlan): string {
  const { parameters, trainable, ...bytes } = plan;
  const counts = [
    ['parameters', parameters.toLocaleString('en')],
    ['trainable', trainable.toLocaleString('en')],
  ];
  const sizes = Object.entries(bytes).map(([name, value]) => [name, formatBytes(value)]);
  return [...counts, ...sizes].map(([name, value]) => `${name!.padEnd(12)}${value!.padStart(16)}\n`).join('');
}

function formatBytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
