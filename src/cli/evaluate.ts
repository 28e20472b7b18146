// whisper-tune evaluate: error rates of one model or several on a split of a data set.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeDrops } from '../data/drops.js';
import type { Source } from '../data/index.js';
import { take } from '../data/slice.js';
import { WhisperError } from '../errors.js';
import { compare, Tallies } from '../evaluate/bootstrap.js';
import { type EvaluatedRow, type Evaluation, evaluate, type LongAudio } from '../evaluate/evaluate.js';
import { leaderboardJson, leaderboardTable, ranked } from '../evaluate/leaderboard.js';
import { checkpointsOf, folderNames } from '../evaluate/models.js';
import { EvaluationFolder } from '../evaluate/report.js';
import { describeRates, type EvaluatedModel, evaluationJson, leftOut } from '../evaluate/summary.js';
import { writeFiles } from '../model/checkpoint.js';
import type { Whisper } from '../model/whisper.js';
import { languageCode } from '../processor/languages.js';
import { CountReport, describeEvaluation } from '../report/progress.js';
import { preparedData } from '../train/prepared.js';
import { type Command, type Invocation, writeJson } from './command.js';
import { evaluateGroups, evaluateOptions } from './evaluate-options.js';
import { cardTargets, pushRates } from './evaluate-push.js';
import { choosePrecision, loadModel, noticeLanguage, openSplit, withModel } from './model.js';

type Given = Invocation<typeof evaluateOptions>;

/** An evaluation with what comparing it with others needs. */
interface Evaluated extends EvaluatedModel {
  tallies: Tallies;
}

export const evaluateCommand: Command<typeof evaluateOptions> = {
  name: 'evaluate',
  summary: 'Measure word and character error rates of a model, or of several, on a data set.',
  positionals: [],
  options: evaluateOptions,
  groups: evaluateGroups,
  run,
};

async function run(given: Given): Promise<number> {
  const { options, terminal } = given;
  const longAudio = longAudioOf(options);
  const precision = choosePrecision(options);
  const names = options.checkpoints ? await checkpointsOf(options.modelId) : options.modelId;
  const cards = options.pushToHub ? await cardTargets(given, names) : undefined;
  const dataset = await openRows(given);
  const folders = folderNames(names);
  const several = names.length > 1;
  const evaluated: Evaluated[] = [];
  try {
    for (const [i, name] of names.entries()) {
      const { device, outputDir, adapter } = options;
      const load = { device: deviceOf(device), precision, adapter, trainable: false };
      const open = loadModel(name, load, given);
      const folder = outputDir && several ? join(outputDir, folders[i]!) : outputDir;
      // One model at a time: two may not fit.
      const one = await withModel(open, terminal, (model) =>
        evaluateModel(given, { model, name, dataset, longAudio, folder }),
      );
      if (several) terminal.err(`${name}: ${describeEvaluation(one.evaluation)}\n`);
      evaluated.push(one);
    }
  } finally {
    // What has been measured is told even if a later model fails.
    if (several && evaluated.length > 0) await tellLeaderboard(given, evaluated);
    else if (evaluated[0]) tellModel(given, evaluated[0]);
  }
  for (const [i, repository] of cards?.repositories.entries() ?? []) {
    await pushRates(given, evaluated[i]!, repository, cards!.settings);
  }
  return 0;
}

/** @throws WhisperError `ERR_INVALID_ARGUMENT` for options that say different things */
function longAudioOf({ longForm, truncateAudio, loss }: Given['options']): LongAudio {
  if (longForm && truncateAudio) {
    throw new WhisperError('ERR_INVALID_ARGUMENT', '--long_form and --truncate_audio exclude each other');
  }
  if (longForm && loss) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      '--long_form measures no loss, which belongs to one window: leave --loss out',
    );
  }
  if (longForm) return 'transcribe';
  return truncateAudio ? 'truncate' : 'drop';
}

/** The event's script counts GPUs from 0 and calls the CPU -1. */
function deviceOf(device: string): string {
  if (!/^-?\d+$/.test(device)) return device;
  return Number(device) < 0 ? 'cpu' : `cuda:${Number(device)}`;
}

async function openRows(given: Given): Promise<Source> {
  const { options, terminal, signal } = given;
  const { dataset, split, maxEvalSamples } = options;
  const selection = {
    config: options.config,
    text: options.textColumnName,
    audio: options.audioColumnName,
    language: options.languageColumnName,
    task: options.taskColumnName,
    cacheSize: options.dataCacheSize,
  };
  const all = await openSplit(dataset, split, selection, given);
  const source = maxEvalSamples === undefined ? all : await take(all, maxEvalSamples);
  const preparing = preparedData(source, options, signal);
  for (;;) {
    const { done, value } = await preparing.next();
    if (done) return value;
    terminal.err(`${value.message}\n`);
  }
}

interface Job {
  model: Whisper;
  name: string;
  dataset: Source;
  longAudio: LongAudio;
  /** Where the reports of this model go. */
  folder: string | undefined;
}

async function evaluateModel({ options, terminal, signal }: Given, job: Job): Promise<Evaluated> {
  const { model, name, dataset } = job;
  noticeLanguage(model, options.language, terminal);
  const tallies = new Tallies();
  const predictions: object[] = [];
  const { worst: count, clipMegabytes } = options;
  const files =
    job.folder === undefined
      ? undefined
      : await EvaluationFolder.open(job.folder, { count, clipBytes: clipMegabytes * 1e6 });
  const onRow = async (row: EvaluatedRow): Promise<void> => {
    const { id, reference, hypothesis } = row;
    tallies.add(row);
    if (options.predictions) predictions.push({ id, reference, hypothesis });
    await files?.add(row);
  };
  const progress = new CountReport(terminal, `evaluating ${name}`, await dataset.count?.());
  try {
    const evaluation = await evaluate(model, dataset, {
      language: options.language,
      task: options.task,
      batchSize: options.batchSize,
      maxLength: options.generationMaxLength,
      normalizer: options.normalizer,
      loss: options.loss,
      longAudio: job.longAudio,
      signal,
      onProgress: (done) => progress.tell(done),
      onRow,
    }).finally(() => progress.close());
    tellDrops(evaluation, job.longAudio, terminal);
    const { bootstrap: resamples, seed } = options;
    const intervals = resamples > 0 ? await tallies.intervals({ resamples, seed, signal }) : undefined;
    const evaluated = { name, evaluation, intervals };
    const language = options.language ?? model.generation.language ?? undefined;
    await files?.finish(evaluated, {
      dataset: dataset.name,
      language: language && languageCode(language),
    });
    if (files) terminal.err(`reports written to ${job.folder}\n`);
    return { ...evaluated, tallies, ...(options.predictions && { predictions }) };
  } finally {
    await files?.close();
  }
}

function tellDrops(evaluation: Evaluation, longAudio: LongAudio, terminal: Given['terminal']): void {
  const { dropped, samples } = evaluation;
  const left = leftOut(dropped);
  if (left === 0) return;
  const hint =
    dropped['too-long'] && longAudio === 'drop' ? ' (--long_form transcribes clips that are too long)' : '';
  terminal.err(`${describeDrops({ rows: samples + left, kept: samples, dropped })}${hint}\n`);
}

function tellModel({ options, terminal }: Given, evaluated: Evaluated): void {
  if (options.json) writeJson(terminal, evaluationJson(evaluated));
  else terminal.out(`${describeRates(evaluated)}\n`);
}

async function tellLeaderboard({ options, terminal }: Given, evaluated: Evaluated[]): Promise<void> {
  const { bootstrap: resamples, seed, outputDir } = options;
  const models = ranked(evaluated);
  const tallies = models.map((model) => model.tallies);
  const comparison = resamples > 0 ? await compare(tallies, { resamples, seed }) : undefined;
  const leaderboard = { models, comparison };
  const json = leaderboardJson(leaderboard);
  if (outputDir !== undefined) {
    await writeFiles(outputDir, (temporary) =>
      writeFile(join(temporary, 'leaderboard.json'), `${JSON.stringify(json, null, 2)}\n`),
    );
  }
  if (options.json) writeJson(terminal, json);
  else terminal.out(`${leaderboardTable(leaderboard)}\n`);
}
