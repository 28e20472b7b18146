// A run in TensorBoard's event files, under the tags of transformers' TensorBoardCallback.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { loggedMetrics, type Metrics } from '../train/results.js';
import type { RunState } from '../train/state.js';
import { EventFile, type SummaryValue } from './event-file.js';
import { experiment, type Hyperparameter, sessionEnd, sessionStart } from './hparams.js';
import type { RunEvent, TrainingListener } from './listener.js';

/** What runs are compared by in the HParams tab. */
const COMPARED = ['eval/wer', 'eval/cer', 'eval/loss'];

export interface TensorBoardRun {
  /** Where the event files go. */
  folder: string;
  /** The options of the run by their snake_case names. */
  options: Readonly<Record<string, unknown>>;
  /** What config.json of the model says. */
  config: object;
  /** Has the rows of the log. */
  state: () => Pick<RunState, 'step' | 'history'>;
}

/**
 * Writes a run as transformers does: one file of the training; another of the evaluation after it; and, in a folder
 * beside them, one for the HParams tab. Everything is in the files as soon as it is told.
 */
export class TensorBoard implements TrainingListener {
  readonly #run: TensorBoardRun;
  #scalars: EventFile | undefined;
  #hparams: EventFile | undefined;

  constructor(run: TensorBoardRun) {
    this.#run = run;
  }

  async tell(event: RunEvent): Promise<void> {
    const { state } = this.#run;
    switch (event.type) {
      case 'start':
        return this.#begin(event.step);
      case 'log':
      case 'evaluate':
        return this.#write(event.step, state().history.at(-1) ?? {});
      case 'end':
        if (event.reason !== 'stopped') await this.#write(event.step, state().history.at(-1) ?? {});
        await this.#scalars?.close();
        this.#scalars = undefined;
        return;
      case 'results':
        if (event.split === 'eval') await this.#write(event.step, loggedMetrics(event.metrics));
        return;
      case 'finish':
        return this.#end('success');
    }
  }

  async close(): Promise<void> {
    await this.#scalars?.close();
    this.#scalars = undefined;
    await this.#end('failure');
  }

  async #begin(step: number): Promise<void> {
    const { folder, options, config } = this.#run;
    this.#scalars = await EventFile.create(folder);
    await this.#scalars.write(0, [
      { tag: 'args', text: JSON.stringify(options, null, 2) },
      { tag: 'model_config', text: JSON.stringify(config, null, 2) },
    ]);
    // As torch's SummaryWriter.add_hparams names the folder.
    this.#hparams = await EventFile.create(join(folder, String(Date.now() / 1000)));
    const shown = hyperparameters(options);
    await this.#hparams.write(step, [experiment(shown, COMPARED), sessionStart(shown)]);
  }

  /** A line of the log. Without a training before it, as under do_eval alone, it begins the file. */
  async #write(step: number, row: Metrics): Promise<void> {
    const values = scalars(row);
    this.#scalars ??= await EventFile.create(this.#run.folder);
    await this.#scalars.write(step, values);
    // The tab looks for metrics in the folder that has the options.
    await this.#hparams?.write(
      step,
      values.filter(({ tag }) => COMPARED.includes(tag)),
    );
  }

  async #end(status: 'success' | 'failure'): Promise<void> {
    const file = this.#hparams;
    this.#hparams = undefined;
    await file?.write(this.#run.state().step, [sessionEnd(status)]);
    await file?.close();
  }
}

/** `runs/Dec05_12-00-00_host` in the output folder: the default of transformers' `logging_dir`. */
export function defaultLoggingDir(outputDir: string, date = new Date()): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const month = date.toLocaleString('en-US', { month: 'short' });
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join('-');
  return join(outputDir, 'runs', `${month}${two(date.getDate())}_${time}_${hostname()}`);
}

/** `eval_loss` is `eval/loss`, `loss` is `train/loss` (transformers, integration_utils.py: rewrite_logs). */
function scalars(row: Metrics): SummaryValue[] {
  return Object.entries(row)
    .filter(([name]) => name !== 'step')
    .map(([name, number]) => ({
      tag: name.replace(/^(eval_)?/, (eval_) => (eval_ ? 'eval/' : 'train/')),
      number,
    }));
}

function hyperparameters(options: Readonly<Record<string, unknown>>): Record<string, Hyperparameter> {
  const shown = Object.entries(options).flatMap(([name, value]): [string, Hyperparameter][] => {
    if (value === undefined || value === null) return [];
    const plain = typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean';
    return [[name, plain ? value : JSON.stringify(value)]];
  });
  return Object.fromEntries(shown);
}
