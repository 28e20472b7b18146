// Opening what commands work on: a model and a data set, from their options.
import { openDataset, type Source } from '../data/index.js';
import type { MixtureEntry } from '../data/mixture.js';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { type HubOverrides, hubSettings } from '../hub/index.js';
import { type InitialiseOptions, Whisper } from '../model/whisper.js';
import type { Precision } from '../native.js';
import { TransferReport } from '../report/transfer.js';
import { checkPrecision } from '../train/checks.js';
import { precisionOf } from '../train/engine-options.js';
import { parseBytes } from '../train/memory/bytes.js';
import type { Values } from '../train/option.js';
import type { hubOptions } from '../train/options/model.js';
import type { Invocation, Terminal } from './command.js';
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

/** What the options of a command say of the Hub. */
export function hubOverrides(
  { token, cacheDir, useAuthToken }: Values<typeof hubOptions>,
  terminal: Terminal,
): HubOverrides {
  const overrides = { token, cacheDir, notice: (line: string) => terminal.err(`${line}\n`) };
  if (useAuthToken && hubSettings(overrides).token === undefined) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      '--use_auth_token: there is no token: give one as HF_TOKEN, by --token, or with "hf auth login"',
    );
  }
  return overrides;
}

/**
 * Loads a model, from the Hub where there is no folder of its name, and tells how far a download is.
 *
 * @param load with `initialisation`, random weights instead of the model's
 */
export async function loadModel(
  name: string,
  load: InitialiseOptions,
  { options, terminal, signal }: Pick<Invocation<typeof hubOptions>, 'options' | 'terminal' | 'signal'>,
): Promise<Whisper> {
  // A folder needs no token, whatever the flags say.
  const hub = (await exists(name)) ? {} : hubOverrides(options, terminal);
  const report = new TransferReport(terminal, `downloading ${name}`);
  const all: InitialiseOptions = {
    ...load,
    ...hub,
    onProgress: (progress) => report.tell(progress),
    onNotice: (line) => terminal.err(`${line}\n`),
    signal,
  };
  try {
    return await (load.initialisation ? Whisper.fromConfig(name, all) : Whisper.fromPretrained(name, all));
  } finally {
    report.close();
  }
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

/** What of a data set is read, as flags say it. */
export interface Selection {
  config?: string | undefined;
  text?: string | undefined;
  audio?: string | undefined;
  language?: string | undefined;
  task?: string | undefined;
  prompt?: string | undefined;
  /** As `20GB`. */
  cacheSize?: string | undefined;
  /** Clips that are cut from long audio are shorter; default: what the model hears at once. */
  clipSeconds?: number | undefined;
  /** Splits that are named together give a row in turn, and as many of each. */
  alternate?: boolean | undefined;
  wholeRounds?: boolean | undefined;
}

/**
 * Opens one split with the columns asked for, from the Hub where there is no such path, and tells how far what takes long
 * is.
 */
export async function openSplit(
  name: string,
  split: string,
  selection: Selection,
  invocation?: Pick<Invocation<typeof hubOptions>, 'options' | 'terminal' | 'signal'>,
): Promise<Source> {
  const { config, text, audio, language, task, prompt, cacheSize, clipSeconds, alternate, wholeRounds } =
    selection;
  const terminal = invocation?.terminal;
  const progress = terminal && new TransferReports(terminal);
  const options = {
    config,
    alternate,
    wholeRounds,
    textColumn: text,
    audioColumn: audio,
    languageColumn: language,
    taskColumn: task,
    promptColumn: prompt,
    cacheSize: cacheSize === undefined ? undefined : parseBytes(cacheSize),
    clipSeconds,
    // A folder needs no token, whatever the flags say.
    hub:
      invocation && !(await exists(name)) ? hubOverrides(invocation.options, invocation.terminal) : undefined,
    signal: invocation?.signal,
    onNotice: terminal && ((line: string) => terminal.err(`${line}\n`)),
    onProgress:
      progress && ((what: string, bytes: number, total: number) => progress.tell(what, bytes, total)),
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  try {
    return await openDataset(name, { split, ...Object.fromEntries(given) });
  } finally {
    progress?.close();
  }
}

/** Opens one data set of a mixture; what its entry does not say is as for a single data set. */
export function openEntry(
  entry: MixtureEntry,
  selection: Selection,
  invocation: Pick<Invocation<typeof hubOptions>, 'options' | 'terminal' | 'signal'>,
): Promise<Source> {
  return openSplit(
    entry.revision === undefined ? entry.name : `${entry.name}@${entry.revision}`,
    entry.split ?? 'train',
    {
      ...selection,
      config: entry.config,
      text: entry.text_column ?? selection.text,
      audio: entry.audio_column ?? selection.audio,
      language: entry.language_column ?? selection.language,
    },
    invocation,
  );
}

/** How far several things are, one after the other. */
class TransferReports {
  readonly #terminal: Terminal;
  #what: string | undefined;
  #report: TransferReport | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  tell(what: string, bytes: number, total: number): void {
    if (what !== this.#what) this.close();
    this.#what = what;
    this.#report ??= new TransferReport(this.#terminal, what);
    this.#report.tell({ bytes, total, path: what });
  }

  close(): void {
    this.#report?.close();
    this.#report = undefined;
  }
}

/** A model that knows languages hears better when told which: said once, as nothing detects it. */
export function noticeLanguage(model: Whisper, language: string | undefined, terminal: Terminal): void {
  if (language === undefined && !model.generation.language && model.tokenizer.isMultilingual) {
    terminal.err('no --language: the prompt names none, as in training without one\n');
  }
}
