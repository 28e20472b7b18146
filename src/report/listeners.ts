// The listeners of a training run, made from its options.
import { WhisperError } from '../errors.js';
import { camelCase, type Options, type Values } from '../train/option.js';
import type { pushOptions } from '../train/options/hub.js';
import type { reportOptions } from '../train/options/reports.js';
import type { Trainer } from '../train/trainer.js';
import type { CardOptions } from './card-facts.js';
import { ModelCardWriter } from './card-writer.js';
import { HubPush } from './hub-push.js';
import type { RunEvent, TrainingListener } from './listener.js';
import type { ProgressOutput } from './progress.js';
import { defaultLoggingDir, TensorBoard } from './tensorboard.js';
import { TrainingReport } from './training-report.js';

/** What `--report_to` of transformers also knows, and what is not there. */
const ELSEWHERE = [
  'azure_ml',
  'clearml',
  'codecarbon',
  'comet_ml',
  'dagshub',
  'dvclive',
  'flyte',
  'mlflow',
  'neptune',
  'swanlab',
  'trackio',
  'wandb',
];

/** A run, as its listeners know it before its first event. */
export interface ReportedRun {
  trainer: Trainer;
  /** The options of the command, and what they are now. */
  definitions: Options;
  values: Values<typeof reportOptions> & Values<typeof pushOptions> & CardOptions;
}

/**
 * Everybody whom the options of a run ask to be told of it, as one listener.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for a name in `report_to` that nobody knows; as `HubPush.open`
 */
export async function openListeners(run: ReportedRun, output: ProgressOutput): Promise<TrainingListener> {
  const { trainer, values } = run;
  const { model } = trainer;
  const { outputDir } = trainer.options;
  const terminal = new TrainingReport({ ...output, ...(values.disableTqdm && { screen: undefined }) }, () =>
    model.native.memory(),
  );
  const line = (text: string): void => terminal.say(text);
  const named: [string, TrainingListener][] = [['the terminal', terminal]];
  let events: string | undefined;
  if (reportsToTensorBoard(values.reportTo, line)) {
    events = values.loggingDir ?? process.env.TENSORBOARD_LOGGING_DIR ?? defaultLoggingDir(outputDir);
    const options = optionsByName(run.definitions, { ...values });
    const state = () => trainer.state;
    named.push(['TensorBoard', new TensorBoard({ folder: events, options, config: model.config, state })]);
  }
  named.push(['the model card', new ModelCardWriter(trainer, values, line)]);
  // Last, as it takes with it what the others wrote.
  if (values.pushToHub)
    named.push(['the push to the Hub', await HubPush.open(trainer, values, events, line)]);
  return new Listeners(named, line);
}

/** Tells all of several listeners. One that fails is named once and told no more. */
class Listeners implements TrainingListener {
  readonly #named: [string, TrainingListener][];
  readonly #line: (text: string) => void;

  constructor(named: [string, TrainingListener][], line: (text: string) => void) {
    this.#named = named;
    this.#line = line;
  }

  async tell(event: RunEvent): Promise<void> {
    for (const entry of [...this.#named]) {
      const [name, listener] = entry;
      try {
        await listener.tell(event);
      } catch (error) {
        this.#named.splice(this.#named.indexOf(entry), 1);
        this.#line(`${name} is told no more: ${(error as Error).message}`);
        await listener.close().catch(() => {});
      }
    }
  }

  async close(): Promise<void> {
    for (const [name, listener] of this.#named) {
      await listener.close().catch((error: Error) => this.#line(`${name}: ${error.message}`));
    }
  }
}

function reportsToTensorBoard(names: readonly string[] = ['all'], line: (text: string) => void): boolean {
  for (const name of names) {
    if (['all', 'none', 'tensorboard'].includes(name)) continue;
    if (!ELSEWHERE.includes(name)) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `--report_to must be tensorboard, all or none, got ${JSON.stringify(name)}`,
      );
    }
    line(`report_to ${name} is not there and is passed over: what is there is tensorboard`);
  }
  return names.includes('all') || names.includes('tensorboard');
}

/** Options by their snake_case names, without secrets. */
export function optionsByName(
  definitions: Options,
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(definitions).map((name) => {
      const value = values[camelCase(name)] ?? null;
      // As transformers' TrainingArguments.to_dict.
      const secret = /(^|_)token$/.test(name) && typeof value === 'string';
      return [name, secret ? `<${name.toUpperCase()}>` : value];
    }),
  );
}
