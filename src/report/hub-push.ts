// Pushes a run to the Hub while it goes on: what transformers' hub_strategy says, in the background, and never in its way.
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type PushFile, pushFiles } from '../hub/index.js';
import type { Values } from '../train/option.js';
import type { pushOptions } from '../train/options/hub.js';
import type { Trainer } from '../train/trainer.js';
import { type HubTarget, hubTarget, openTarget } from './hub-target.js';
import type { RunEvent, TrainingListener } from './listener.js';
import {
  checkpointFiles,
  modelFiles,
  outputFiles,
  reportFiles,
  type Staged,
  stageFiles,
  staleFiles,
} from './push-files.js';
import { TransferReport } from './transfer.js';

type PushRunOptions = Values<typeof pushOptions> & { token?: string | undefined };

/** Pushes what a run writes. One push goes on at a time; what fails is said, and the next one brings it. */
export class HubPush implements TrainingListener {
  readonly #trainer: Trainer;
  readonly #options: PushRunOptions;
  readonly #target: HubTarget;
  /** Of the event files. */
  readonly #events: string | undefined;
  readonly #line: (text: string) => void;
  /** The pushes that are not done, one after the other. */
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Whether the run waits for them. */
  #closing = false;
  /** What was to be pushed last: its number, its name, where it lies. */
  #newest = { number: 0, name: '', folder: '' };
  /** The number of what the Hub has. */
  #there = 0;

  private constructor(
    trainer: Trainer,
    options: PushRunOptions,
    target: HubTarget,
    events: string | undefined,
    line: (text: string) => void,
  ) {
    this.#trainer = trainer;
    this.#options = options;
    this.#target = target;
    this.#events = events;
    this.#line = line;
  }

  /**
   * Makes the repository and says where it is.
   *
   * @param events folder of TensorBoard's event files, which go with the model where they lie in the output folder
   * @throws WhisperError as `hubTarget` and `openTarget`
   */
  static async open(
    trainer: Trainer,
    options: PushRunOptions,
    events: string | undefined,
    line: (text: string) => void,
  ): Promise<HubPush> {
    const target = hubTarget(trainer.options.outputDir, options, line);
    const push = new HubPush(trainer, options, target, events, line);
    const made = await openTarget(target);
    if (made) line(`the model will be pushed to ${made.url}`);
    return push;
  }

  async tell(event: RunEvent): Promise<void> {
    const { outputDir } = this.#trainer.options;
    switch (event.type) {
      case 'start':
        // As transformers' first commit: checkpoints are not for git.
        return writeFile(join(outputDir, '.gitignore'), 'checkpoint-*/\n', { flag: 'wx' }).catch((error) => {
          if (error.code !== 'EEXIST') throw error;
        });
      case 'save':
        if (this.#options.hubStrategy !== 'end') await this.#pushCheckpoint(event.path);
        return;
      case 'written':
        this.#note('the model', outputDir);
        return this.#push('Model save', () => outputFiles(outputDir));
      case 'finish':
        this.#note('the end of training', outputDir);
        await this.#push('End of training', () => outputFiles(outputDir));
        return this.#wait();
    }
  }

  async close(): Promise<void> {
    await this.#wait();
    const { number, name, folder } = this.#newest;
    if (this.#there === number) return;
    this.#line(
      `the Hub does not have ${name}; by hand: whisper-tune push ${folder} --hub_model_id=${this.#target.repository.id}`,
    );
  }

  #note(name: string, folder: string): void {
    this.#newest = { number: this.#newest.number + 1, name, folder };
  }

  async #wait(): Promise<void> {
    this.#closing = true;
    if (this.#waiting > 0) this.#line('waiting for the push to the Hub');
    await this.#queue;
  }

  async #pushCheckpoint(folder: string): Promise<void> {
    const { hubStrategy, hubAlwaysPush } = this.#options;
    const { options, state } = this.#trainer;
    this.#note(`update ${state.step}`, folder);
    if (this.#waiting > 0 && !hubAlwaysPush) {
      this.#line(`update ${state.step} is not pushed, as the push before it goes on`);
      return;
    }
    const progress =
      options.saveStrategy === 'epoch' ? `epoch ${Math.floor(state.epoch)}` : `step ${state.step}`;
    await this.#push(`Training in progress, ${progress}`, async () => {
      const files = await modelFiles(folder);
      if (hubStrategy === 'checkpoint') files.push(...(await checkpointFiles(folder, 'last-checkpoint')));
      if (hubStrategy === 'all_checkpoints') files.push(...(await checkpointFiles(folder, basename(folder))));
      return files;
    });
  }

  /** Begins a push of these files and of the run's report, all as they are now. */
  async #push(message: string, gather: () => Promise<PushFile[]>): Promise<void> {
    const { number, name } = this.#newest;
    const fail = (error: Error): void => this.#line(`${name} is not on the Hub: ${error.message}`);
    const staged = await this.#stage(gather).catch(fail);
    if (!staged) return;
    this.#waiting += 1;
    this.#queue = this.#queue
      .then(() => this.#send(message, staged.files))
      .then((url) => {
        this.#there = number;
        this.#line(`pushed ${name} to ${url}`);
      }, fail)
      .finally(async () => {
        this.#waiting -= 1;
        await staged.release();
      });
  }

  async #stage(gather: () => Promise<PushFile[]>): Promise<Staged> {
    const { outputDir } = this.#trainer.options;
    const files = [...(await gather()), ...(await reportFiles(outputDir, this.#events))];
    const once = new Map(files.map((file) => [file.path, file]));
    return stageFiles(outputDir, [...once.values()]);
  }

  async #send(message: string, files: readonly PushFile[]): Promise<string> {
    const { repository, settings, private: isPrivate } = this.#target;
    const report = new TransferReport({ err: (text) => this.#line(text.trimEnd()) }, 'pushing');
    const { url } = await pushFiles(repository, files, settings, {
      message,
      private: isPrivate,
      deletions: staleFiles(files),
      // While the model is trained nobody asks how far it is.
      onProgress: (progress) => this.#closing && report.tell(progress),
    });
    return url;
  }
}
