// What is known of a run for its model card.
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { languageCode } from '../processor/languages.js';
import { optimizerOf } from '../train/engine-options.js';
import type { Metrics } from '../train/results.js';
import type { Trainer } from '../train/trainer.js';
import { splitCard } from './card-metadata.js';
import { type CardDataset, type CardFacts, pythonNumber } from './model-card.js';

/** Options of the train command that a card tells of. */
export interface CardOptions {
  modelNameOrPath: string;
  initFromScratch?: string | undefined;
  datasetName: string | readonly string[];
  datasetConfigName?: string | readonly string[] | undefined;
  trainSplitName: string;
  evalSplitName: string;
  modelIndexName?: string | undefined;
}

/** A name of the Hub: `owner/name`, or a name alone as of the first models and data sets. */
const HUB_ID = /^[\w.-]+(\/[\w.-]+)?$/;

/** What does not change while the run goes on. */
export async function cardFacts(
  trainer: Trainer,
  options: CardOptions,
): Promise<Omit<CardFacts, 'history' | 'results' | 'step' | 'maxSteps' | 'hyperparameters'>> {
  const { outputDir, language } = trainer.options;
  const datasets = await datasetsOf(options);
  return {
    name: options.modelIndexName ?? basename(resolve(outputDir)),
    base: await baseOf(trainer.model.folder, options),
    languages: languagesOf(language, datasets, trainer.model.tokenizer.languages),
    datasets,
    trainSplit: options.trainSplitName,
    evalSplit: options.evalSplitName,
    versions: { 'whisper-tune': ownVersion(), Node: process.version.slice(1) },
  };
}

/** The list of hyperparameters, under the names of transformers' cards. */
export function hyperparameters({ options, state, model }: Trainer): Record<string, string | number> {
  const { rows = options.perDeviceTrainBatchSize, count = options.gradientAccumulationSteps } =
    state.microBatches ?? {};
  const { adamBeta1, adamBeta2, adamEpsilon, warmupSteps, warmupRatio } = options;
  const optimizer = optimizerOf(options);
  const betas = `with betas=(${adamBeta1},${adamBeta2}) and epsilon=${pythonNumber(adamEpsilon)}`;
  return {
    learning_rate: options.learningRate,
    train_batch_size: rows,
    eval_batch_size: options.perDeviceEvalBatchSize,
    seed: options.seed,
    ...(count > 1 && { gradient_accumulation_steps: count, total_train_batch_size: rows * count }),
    optimizer: optimizer.startsWith('adamw') ? `${optimizer} ${betas}` : optimizer,
    ...(options.weightDecay > 0 && { weight_decay: options.weightDecay }),
    lr_scheduler_type: options.lrSchedulerType,
    ...(warmupSteps > 0 && { lr_scheduler_warmup_steps: warmupSteps }),
    ...(warmupSteps === 0 && warmupRatio > 0 && { lr_scheduler_warmup_ratio: warmupRatio }),
    ...(options.maxSteps > 0 ? { training_steps: options.maxSteps } : { num_epochs: options.numTrainEpochs }),
    ...(model.precision !== 'f32' && { mixed_precision_training: model.precision }),
    ...(options.labelSmoothingFactor > 0 && { label_smoothing_factor: options.labelSmoothingFactor }),
    ...(model.lora && {
      lora_rank: model.lora.rank,
      lora_alpha: model.lora.alpha,
      lora_dropout: model.lora.dropout,
      lora_target_modules: [model.lora.targetModules].flat().join(', '),
    }),
    ...(options.freezeEncoder && { frozen: 'encoder' }),
    ...(options.freezeDecoder && { frozen: 'decoder' }),
    ...(model.lora && {
      lora_rank: model.lora.rank,
      lora_alpha: model.lora.alpha,
      lora_dropout: model.lora.dropout,
      lora_target_modules: [model.lora.targetModules].flat().join(', '),
    }),
  };
}

/** The evaluations of the weights that a run ends with: the best, where it loads those, or the last. */
export function lastEvaluation({ state, options }: Trainer): Metrics | undefined {
  const evaluations = state.history.filter((row) =>
    Object.keys(row).some((name) => name.startsWith('eval_')),
  );
  const ended = state.history.some((row) => row.train_runtime !== undefined);
  const best = ended && options.loadBestModelAtEnd ? state.bestStep : undefined;
  const step = best ?? evaluations.at(-1)?.step;
  const rows = evaluations.filter((row) => row.step === step);
  // Each evaluation set has a row of its own.
  return rows.length > 0 ? Object.assign({}, ...rows) : undefined;
}

async function baseOf(folder: string, options: CardOptions): Promise<CardFacts['base']> {
  const { modelNameOrPath: name, initFromScratch } = options;
  if (initFromScratch) return { name, scratch: true };
  // A copy in the Hub's cache lies in …/models--owner--name/snapshots/….
  const [, cached] = /models--([^/\\]+)[/\\]snapshots[/\\]/.exec(folder) ?? [];
  const id = (await isLocal(name)) ? cached?.replaceAll('--', '/') : name.replace(/@.*$/, '');
  const card = await readFile(join(folder, 'README.md'), 'utf8').catch(() => '');
  const { license } = splitCard(card).head;
  return {
    name: basename(resolve(name)),
    ...(id !== undefined && HUB_ID.test(id) && { id }),
    ...(typeof license === 'string' && { license }),
  };
}

async function datasetsOf({ datasetName, datasetConfigName }: CardOptions): Promise<CardDataset[]> {
  const configs = [datasetConfigName ?? []].flat();
  return Promise.all(
    [datasetName].flat().map(async (given, i) => {
      const config = configs[i] ?? (configs.length === 1 ? configs[0] : undefined);
      const id = given.replace(/@.*$/, '');
      const onHub = !(await isLocal(given)) && HUB_ID.test(id);
      return {
        name: basename(resolve(given)),
        ...(onHub && { id }),
        ...(config !== undefined && { config }),
      };
    }),
  );
}

/** The language of the run; without one that of Common Voice's configuration, as `es` or `zh-CN`. */
function languagesOf(
  language: string | undefined,
  datasets: readonly CardDataset[],
  own: ReadonlyMap<string, unknown>,
): string[] {
  const codes =
    language === undefined
      ? datasets
          .filter(({ id, name, config }) => config && (id ?? name).includes('common_voice'))
          .map(({ config }) => config!.split('-')[0]!)
      : [languageCode(language, own)];
  // Whisper calls Javanese jw, which ISO 639 withdrew for jv.
  return [...new Set(codes.map((code) => (code === 'jw' ? 'jv' : code)))];
}

async function isLocal(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function ownVersion(): string {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  return version;
}
