// Opening what commands work on: a model and a data set, from their options.
import { openDataset, type Source } from '../data/index.js';
import type { Whisper } from '../model/whisper.js';
import type { Precision } from '../native.js';
import { checkPrecision } from '../train/checks.js';
import { precisionOf } from '../train/engine-options.js';
import type { Terminal } from './command.js';
import { spellFlag } from './flags.js';

/**
 * The precision that the flags ask for.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` when they ask for several
 */
export function choosePrecision(options: {
  fp16: boolean;
  bf16: boolean;
  precision: Precision | undefined;
}): Precision {
  checkPrecision(options, spellFlag);
  return precisionOf(options);
}

/** Loads a model for as long as `use` takes. */
export async function withModel<T>(
  open: Promise<Whisper>,
  terminal: Terminal,
  use: (model: Whisper) => Promise<T>,
): Promise<T> {
  const model = await open;
  try {
    const { encoder_layers: encoder, decoder_layers: decoder, d_model: width } = model.config;
    terminal.err(
      `model ${model.folder}: ${encoder}+${decoder} layers of width ${width}, ${model.precision} on ${model.device}\n`,
    );
    const notice = precisionNotice(model);
    if (notice) terminal.err(`${notice}\n`);
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** What a precision does not do on this device, if anything. */
function precisionNotice({ precision, device }: Whisper): string | undefined {
  if (precision === 'f32' || !device.startsWith('cpu') || device.includes('(amx')) return undefined;
  if (precision === 'f32-fast')
    return `${precision} takes longer than f32 on ${device}: only AMX makes it faster`;
  if (precision === 'bf16' && device.includes('(avx512bf16')) return undefined;
  return `${precision} saves memory, not time, on ${device}: products are in f32`;
}

/** Opens one split with the columns asked for. */
export function openSplit(
  path: string,
  split: string,
  columns: { config?: string | undefined; text?: string | undefined; audio?: string | undefined },
): Promise<Source> {
  const { config, text, audio } = columns;
  return openDataset(path, {
    split,
    ...(config === undefined ? {} : { config }),
    ...(text === undefined ? {} : { textColumn: text }),
    ...(audio === undefined ? {} : { audioColumn: audio }),
  });
}

/** A model that knows languages hears better when told which: said once, as nothing detects it. */
export function noticeLanguage(model: Whisper, language: string | undefined, terminal: Terminal): void {
  if (language === undefined && !model.generation.language && model.tokenizer.isMultilingual) {
    terminal.err('no --language: the prompt names none, as in training without one\n');
  }
}
