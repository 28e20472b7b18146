// whisper-tune bench: how fast this machine does the work, beside its roof and beside a peer.
import type { Benchmark, Settings } from '../bench/benchmark.js';
import { benchmarks, runBenchmark } from '../bench/index.js';
import { describeReport, resultsFolder, saveReport } from '../bench/report.js';
import { WhisperError } from '../errors.js';
import { addon } from '../native.js';
import { precisionOptions } from '../train/arguments.js';
import { boolean, choice, integer, string } from '../train/option.js';
import { type Command, commonOptions, type Terminal, writeJson } from './command.js';

/** In which benchmarks a setting has which default: `4 in step, data; 1 in encode`. */
function defaultsOf(setting: keyof Settings): string {
  const names = new Map<string, string[]>();
  for (const { name, defaults } of benchmarks) {
    if (setting in defaults)
      names.set(`${defaults[setting]}`, [...(names.get(`${defaults[setting]}`) ?? []), name]);
  }
  return [...names].map(([value, of]) => `${value} in ${of.join(', ')}`).join('; ');
}

/** Of the work itself. What is not given is as the benchmark has it. */
const settingOptions = {
  model: string(
    'released model by name (tiny if not given), or folder of one: only its sizes count',
    undefined,
  ),
  device: string('where to compute; cpu if not given', undefined),
  precision: precisionOptions.precision,
  batch: integer(`rows at a time; default: ${defaultsOf('batch')}`, undefined, { least: 1 }),
  labels: integer(`tokens of each row’s label, or to decode; default: ${defaultsOf('labels')}`, undefined, {
    least: 1,
  }),
  only: string('ops, optimizer, data: only what has this text in its name', undefined),
  checkpointing: choice(
    `step: what is computed again; default: ${defaultsOf('checkpointing')}`,
    ['none', 'selective', 'encoder', 'all'],
    undefined,
  ),
  optimizer: choice(
    `step: default: ${defaultsOf('optimizer')}`,
    ['adamw_torch', 'adamw_hf', 'adamw_bnb_8bit', 'adafactor', 'sgd'],
    undefined,
  ),
};

const options = {
  ...settingOptions,
  threads: integer(
    'threads of the engine and of the peer; default: what WHISPER_TUNE_THREADS says, or every core',
    undefined,
    { least: 1, most: 1024 },
  ),
  rounds: integer('rounds that count, after one to warm up', 5, { least: 1 }),
  peer: string('a Python with torch and transformers, which does the same work turn by turn', undefined),
  peer_compile: boolean('the peer compiles each layer of its model (torch.compile)', false),
  peer_sdpa: choice(
    'the peer’s implementation of attention; default: what PyTorch chooses',
    ['flash', 'cudnn', 'efficient', 'math'],
    undefined,
  ),
  save: boolean('write the report into bench/results of the checkout', false),
  ...commonOptions,
};

export const benchCommand: Command<typeof options> = {
  name: 'bench',
  summary: `Measure on random data: ${benchmarks.map(({ name, summary }) => `${name} (${summary})`).join('; ')}.`,
  positionals: [benchmarks.map(({ name }) => name).join('|')],
  options,
  async run({ options, positionals, given, terminal, signal }) {
    const benchmark = find(positionals[0]);
    const settings = settingsOf(benchmark, options, given);
    const folder = options.save ? resultsFolder() : undefined;
    if (options.threads !== undefined) useThreads(options.threads);
    const report = await runBenchmark(benchmark, {
      ...settings,
      rounds: options.rounds,
      peer: options.peer,
      peerOptions: { compile: options.peerCompile, sdpa: options.peerSdpa },
      signal,
      notice: (message) => terminal.err(`${message}\n`),
      progress: (message) => overwrite(terminal, message),
    }).finally(() => overwrite(terminal, ''));
    if (folder !== undefined) terminal.err(`wrote ${await saveReport(report, folder)}\n`);
    if (options.json) writeJson(terminal, report);
    else terminal.out(describeReport(report));
    return 0;
  },
};

/** One line that changes, on a terminal only: a log has no use for it. */
function overwrite({ screen }: Terminal, message: string): void {
  screen?.clearLine(0);
  screen?.cursorTo(0);
  screen?.write(message);
}

function find(name: string | undefined): Benchmark {
  const found = benchmarks.find((benchmark) => benchmark.name === name);
  if (found) return found;
  const names = benchmarks.map((benchmark) => benchmark.name).join(', ');
  throw new WhisperError('ERR_INVALID_ARGUMENT', `bench needs one of ${names}, got ${name ?? 'none'}`);
}

/** The settings that were given, all of which must be the benchmark's: another would silently do nothing. */
function settingsOf(
  { name, defaults }: Benchmark,
  options: Partial<Record<keyof Settings, unknown>>,
  given: ReadonlySet<string>,
): Partial<Settings> {
  const wanted = Object.keys(settingOptions).filter((setting) => given.has(setting)) as (keyof Settings)[];
  for (const setting of wanted) {
    if (setting in defaults) continue;
    const known = Object.keys(defaults).map((one) => `--${one}`);
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `bench ${name} has no --${setting}, but ${known.join(', ')}`,
    );
  }
  return Object.fromEntries(wanted.map((setting) => [setting, options[setting]]));
}

/** Before the engine has started its threads. */
function useThreads(threads: number): void {
  process.env.WHISPER_TUNE_THREADS = String(threads);
  const { threads: running } = addon().deviceInfo();
  if (running !== threads) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `--threads must be ${running}, which the engine of this process has already, got ${threads}`,
    );
  }
}
