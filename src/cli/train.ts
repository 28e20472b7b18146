// whisper-tune train: the fine-tuning event's script, flag for flag.
import { readMixture } from '../data/mixture.js';
import { WhisperError } from '../errors.js';
import type { Whisper } from '../model/whisper.js';
import type { TrainingListener } from '../report/listener.js';
import { openListeners } from '../report/listeners.js';
import { describeEvaluation, EvaluationReport } from '../report/progress.js';
import {
  adapterOptions,
  datasetOptions,
  loraOptions,
  modelOptions,
  phaseOptions,
  precisionOptions,
  rowOptions,
  tokenOptions,
  trainerOptions,
  trainingOptions,
} from '../train/arguments.js';
import { checkLossScale, checkTogether } from '../train/checks.js';
import { loraOptionsOf } from '../train/lora.js';
import { camelCase } from '../train/option.js';
import { pushOptions } from '../train/options/hub.js';
import { reportOptions } from '../train/options/reports.js';
import { evaluationMetrics, type Metrics, writeResults } from '../train/results.js';
import { Trainer } from '../train/trainer.js';
import { findCheckpoint } from './checkpoint.js';
import { type Command, commonOptions, type Invocation, type Terminal, writeJson } from './command.js';
import { spellFlag } from './flags.js';
import { choosePrecision, loadModel, noticeLanguage, withModel } from './model.js';
import { tellQuickCheck } from './quick-check.js';
import { openEvaluation, openTraining } from './training-data.js';

const options = {
  ...modelOptions,
  ...loraOptions,
  ...adapterOptions,
  ...tokenOptions,
  ...precisionOptions,
  ...datasetOptions,
  ...rowOptions,
  ...phaseOptions,
  ...trainingOptions,
  ...reportOptions,
  ...pushOptions,
  ...commonOptions,
};

type Given = Invocation<typeof options>;

export const trainCommand: Command<typeof options> = {
  name: 'train',
  summary: 'Fine-tune a model on a data set, or train one from random weights.',
  positionals: [],
  options,
  run,
};

async function run(given: Given): Promise<number> {
  const { options, terminal } = given;
  // As in transformers: asking for evaluations during training asks for one at the end too.
  const evaluates = options.doEval || options.evalStrategy !== 'no';
  if (!options.doTrain && !evaluates) {
    throw new WhisperError('ERR_INVALID_ARGUMENT', 'nothing to do: give --do_train, --do_eval or both');
  }
  checkTogether(options, spellFlag);
  checkLossScale(options, choosePrecision(options), spellFlag);
  // Without --do_train the training split is never read: an evaluation split stands in for it.
  const evalDataset = evaluates ? await openEvaluation(given) : undefined;
  const trainDataset = options.doTrain ? await openTraining(given) : evalDataset!;
  const settings = Object.fromEntries(
    Object.keys(trainerOptions).map((name) => [
      camelCase(name),
      options[camelCase(name) as keyof typeof options],
    ]),
  );
  const resumeFromCheckpoint = await findCheckpoint(options.resumeFromCheckpoint, options.outputDir, given);
  return withModel(openModel(given), terminal, async (model) => {
    noticeLanguage(model, options.language, terminal);
    if (options.doTrain && options.preflight) {
      const data = { train: trainDataset, evaluation: evalDataset };
      await tellQuickCheck(data, model, options, terminal, given.signal);
    }
    const trainer = new Trainer(model, {
      ...settings,
      resumeFromCheckpoint,
      outputDir: options.outputDir,
      trainDataset,
      evalDataset,
      signal: given.signal,
    });
    const listener = await openListeners(
      {
        trainer,
        definitions: trainCommand.options,
        values: { ...options, datasetName: await namesOf(given) },
      },
      terminal,
    );
    const results: Metrics = {};
    try {
      if (options.doTrain && !(await train(trainer, listener, terminal, results))) return 1;
      if (evaluates) await evaluateAtEnd(trainer, listener, terminal, results);
      await listener.tell({ type: 'finish' });
    } finally {
      await listener.close();
    }
    if (options.json) writeJson(terminal, results);
    return 0;
  });
}

/** The data sets trained on, or those evaluated on where nothing is trained. */
async function namesOf({ options }: Given): Promise<string | string[]> {
  const { datasetName, datasetMixture: mixture } = options;
  if (mixture === undefined || !options.doTrain) return datasetName!;
  return (await readMixture(mixture)).datasets.map(({ name }) => name);
}

function openModel(given: Given): Promise<Whisper> {
  const { modelNameOrPath, modelRevision: revision, initFromScratch, device, seed, doTrain } = given.options;
  const { addTokens, addLanguage: addLanguages, adapter } = given.options;
  const lora = loraOptionsOf(given.options, spellFlag);
  const precision = choosePrecision(given.options);
  const load = {
    device,
    precision,
    trainable: doTrain,
    revision,
    lora,
    adapter,
    addTokens,
    addLanguages,
    seed,
  };
  const scratch = initFromScratch && { initialisation: initFromScratch };
  return loadModel(modelNameOrPath, { ...load, ...scratch }, given);
}

/** Trains to the end and writes the model; false when a signal ended it. */
async function train(
  trainer: Trainer,
  listener: TrainingListener,
  terminal: Terminal,
  results: Metrics,
): Promise<boolean> {
  const { model, options } = trainer;
  for await (const event of trainer.train()) {
    await listener.tell(event);
    if (event.type === 'end' && event.reason === 'stopped') {
      if (event.step > 0) terminal.err(`go on with --resume_from_checkpoint=true (update ${event.step})\n`);
      return false;
    }
  }
  await model.savePretrained(options.outputDir, { adapter: options.saveAdapterOnly ? 'only' : 'beside' });
  await listener.tell({ type: 'written', path: options.outputDir });
  await report(trainer, listener, 'train', trainer.metrics(), results);
  return true;
}

async function evaluateAtEnd(
  trainer: Trainer,
  listener: TrainingListener,
  terminal: Terminal,
  results: Metrics,
): Promise<void> {
  const count = new EvaluationReport(terminal);
  const sets = await trainer.evaluateSets((event) => count.tell(event)).finally(() => count.close());
  const metrics: Metrics = { epoch: trainer.state.epoch };
  for (const { name, evaluation } of sets) {
    terminal.err(`evaluation${name ? ` on ${name}` : ''}: ${describeEvaluation(evaluation)}\n`);
    Object.assign(metrics, evaluationMetrics(evaluation, name));
  }
  await report(trainer, listener, 'eval', metrics, results);
}

/** Writes the metrics of a part of the run and tells them. */
async function report(
  trainer: Trainer,
  listener: TrainingListener,
  split: 'train' | 'eval',
  metrics: Metrics,
  results: Metrics,
): Promise<void> {
  Object.assign(results, metrics);
  await writeResults(trainer.options.outputDir, split, metrics);
  await listener.tell({ type: 'results', split, step: trainer.state.step, metrics });
}
