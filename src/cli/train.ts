// whisper-tune train: the fine-tuning event's script, flag for flag.
import type { Whisper } from '../model/whisper.js';
import type { TrainingListener } from '../report/listener.js';
import { openListeners } from '../report/listeners.js';
import { describeEvaluation, EvaluationReport } from '../report/progress.js';
import { trainerOptions } from '../train/arguments.js';
import { checkMetrics } from '../train/checks.js';
import { setDecoding } from '../train/decoding.js';
import { loraOptionsOf } from '../train/lora.js';
import { camelCase } from '../train/option.js';
import { evaluationMetrics, type Metrics, writeResults } from '../train/results.js';
import { Trainer } from '../train/trainer.js';
import { evaluationSets } from '../train/trainer-options.js';
import { findCheckpoint } from './checkpoint.js';
import { type Command, type Invocation, type Terminal, writeJson } from './command.js';
import { spellFlag } from './flags.js';
import { choosePrecision, loadModel, noticeLanguage, withModel } from './model.js';
import { tellQuickCheck } from './quick-check.js';
import { settle, type TrainOptions, trainGroups, trainOptions } from './train-options.js';
import { namesOf, openEvaluation, openExtraEvaluations, openTraining } from './training-data.js';

/** What the flags come to, and who is told. */
type Given = Pick<Invocation<typeof trainOptions>, 'terminal' | 'signal'> & { options: TrainOptions };

export const trainCommand: Command<typeof trainOptions> = {
  name: 'train',
  summary: 'Fine-tune a model on a data set, or train one from random weights.',
  positionals: [],
  options: trainOptions,
  groups: trainGroups,
  run,
};

async function run(invocation: Invocation<typeof trainOptions>): Promise<number> {
  const options = await settle(invocation);
  const terminal = terminalOf(options, invocation.terminal);
  const { signal } = invocation;
  const given: Given = { options, terminal, signal };
  // Without --do_train the training split is never read: an evaluation split stands in for it.
  const evalDataset = options.doEval ? await openEvaluation(given) : undefined;
  const extraEvalDatasets = options.doEval ? await openExtraEvaluations(given) : {};
  checkMetrics(options, evaluationSets(evalDataset, extraEvalDatasets), spellFlag);
  const trainDataset = options.doTrain ? await openTraining(given) : evalDataset!;
  const resumeFromCheckpoint = await findCheckpoint(options.resumeFromCheckpoint, options.outputDir, given);
  return withModel(openModel(given), terminal, async (model) => {
    setDecoding(model, options);
    noticeLanguage(model, options.language, terminal);
    if (options.doTrain && options.preflight) {
      const data = { train: trainDataset, evaluation: evalDataset };
      await tellQuickCheck(data, model, options, terminal, signal);
    }
    const trainer = new Trainer(model, {
      ...trainerSettings(options),
      resumeFromCheckpoint,
      trainDataset,
      evalDataset,
      extraEvalDatasets,
      signal,
    });
    const listener = await openListeners(
      { trainer, definitions: trainOptions, values: { ...options, datasetName: await namesOf(given) } },
      terminal,
    );
    const results: Metrics = {};
    try {
      if (options.doTrain && !(await train(trainer, listener, terminal, results))) return 1;
      if (options.doEval) await evaluateAtEnd(trainer, listener, terminal, results);
      await listener.tell({ type: 'finish' });
    } finally {
      await listener.close();
    }
    if (options.json) writeJson(terminal, results);
    return 0;
  });
}

/** The part of the options that the trainer has. */
function trainerSettings(options: TrainOptions): { outputDir: string } {
  const names = Object.keys(trainerOptions).map(camelCase);
  const settings = names.map((name) => [name, options[name as keyof TrainOptions]]);
  return { ...Object.fromEntries(settings), outputDir: options.outputDir };
}

/** Silent but for errors, where the options ask for that. */
function terminalOf({ logLevel }: TrainOptions, terminal: Terminal): Terminal {
  if (logLevel !== 'error' && logLevel !== 'critical') return terminal;
  return { ...terminal, err: () => {}, screen: undefined };
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
