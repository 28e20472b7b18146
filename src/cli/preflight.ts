// whisper-tune preflight: reads the data that train would read, and says what is in it and what will go wrong.
import { type PreflightSplit, preflight } from '../data/preflight/preflight.js';
import { WhisperError } from '../errors.js';
import { readModelConfig } from '../model/config.js';
import { findModel } from '../model/find.js';
import { WhisperTokenizer } from '../processor/tokenizer.js';
import { describePreflight } from '../report/preflight.js';
import { CountReport } from '../report/progress.js';
import { boolean, integer, type Option, type Options } from '../train/option.js';
import { rowChecks } from '../train/preflight.js';
import { type Command, type Invocation, writeJson } from './command.js';
import { hubOverrides } from './model.js';
import { trainCommand } from './train.js';
import { openEvaluation, openTrainingParts } from './training-data.js';

const options = {
  // All that train takes: its command line is preflight's too, and what does not matter to data is not looked at.
  ...optional(trainCommand.options),
  max_rows: integer('rows of each split to look at, spread evenly where that is possible', undefined, {
    least: 1,
  }),
  decode: boolean(
    'decode all audio, to find what is damaged or silent; without it headers are believed',
    false,
  ),
  strict: boolean('exit with 1 where anything is found', false),
};

type Given = Invocation<typeof options>;

export const preflightCommand: Command<typeof options> = {
  name: 'preflight',
  summary: 'Check a data set before training: what is in it, what cannot be used, what does not fit.',
  positionals: [],
  options,
  async run(given) {
    const { options, terminal, signal } = given;
    const splits = await openSplits(given);
    const model = await openTokenizer(given);
    const checks = preflight({
      ...rowChecks(options, model),
      splits,
      maxRows: options.maxRows,
      examination: { decode: options.decode, digest: true },
      signal,
    });
    let count: { split: string; report: CountReport } | undefined;
    try {
      for (;;) {
        const { done, value } = await checks.next();
        if (done) {
          count?.report.close();
          if (options.json) writeJson(terminal, value);
          else terminal.out(describePreflight(value));
          return options.strict && value.findings.length > 0 ? 1 : 0;
        }
        if (count?.split !== value.split) {
          count?.report.close();
          const report = new CountReport(terminal, `reading ${value.split}`, value.total);
          count = { split: value.split, report };
        }
        count.report.tell(value.rows);
      }
    } finally {
      count?.report.close();
    }
  },
};

/** The same options, of which none has to be given. */
function optional<O extends Options>(options: O): O {
  const free = Object.entries(options).map(([name, option]): [string, Option] => [
    name,
    option.required ? { ...option, required: false, default: undefined } : option,
  ]);
  return Object.fromEntries(free) as O;
}

async function openSplits(invocation: Given): Promise<PreflightSplit[]> {
  const { options, given, terminal } = invocation;
  const { datasetMixture, trainSplitName, evalSplitName, datasetName } = options;
  const name = datasetMixture === undefined ? trainSplitName : 'mixture';
  const splits = [{ name, sources: await openTrainingParts(invocation), trained: true }];
  if (datasetName === undefined || evalSplitName === name) return splits;
  try {
    splits.push({ name: evalSplitName, sources: [await openEvaluation(invocation)], trained: false });
  } catch (error) {
    if (given.has('eval_split_name') || !(error instanceof WhisperError)) throw error;
    terminal.err(`only ${name} is checked: ${error.message}\n`);
  }
  return splits;
}

/** What is needed of the model: its configuration and tokenizer. */
async function openTokenizer({ options, terminal, signal }: Given) {
  const { modelNameOrPath, modelRevision: revision } = options;
  if (!modelNameOrPath) {
    terminal.err('no --model_name_or_path: the lengths of labels are not known\n');
    return undefined;
  }
  const hub = hubOverrides(options, terminal);
  const folder = await findModel(modelNameOrPath, 'configuration', { ...hub, revision, signal });
  return {
    config: await readModelConfig(folder),
    tokenizer: await WhisperTokenizer.fromPretrained(folder),
  };
}
