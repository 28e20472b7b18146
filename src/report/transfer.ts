// Progress of a download or an upload: a bar of bytes on a terminal, a line for every tenth everywhere else.
import { Presets, SingleBar } from 'cli-progress';
import type { Progress } from '../hub/index.js';
import { formatBytes } from '../train/memory/bytes.js';
import type { ProgressOutput } from './progress.js';

/** Transfers below this many bytes are over before anybody asks how far they are. */
const WORTH_TELLING = 1 << 20;

/** Tells how far a transfer is; what was there from the start is told of only with the rest. */
export class TransferReport {
  readonly #output: ProgressOutput;
  readonly #label: string;
  #bar: SingleBar | undefined;
  #tenth: number | undefined;

  /** @param label as `downloading openai/whisper-small` */
  constructor(output: ProgressOutput, label: string) {
    this.#output = output;
    this.#label = label;
  }

  tell({ bytes, total }: Progress): void {
    if (total < WORTH_TELLING) return;
    const tenth = Math.floor((10 * bytes) / total);
    // All of it at once: it was in the cache.
    if (this.#tenth === undefined && tenth === 10) return;
    if (this.#output.screen) {
      this.#bar ??= this.#open(this.#output.screen, total);
      this.#bar.update(bytes, { done: formatBytes(bytes), size: formatBytes(total) });
    } else if (tenth !== this.#tenth) {
      this.#output.err(`${this.#label}: ${formatBytes(bytes)} of ${formatBytes(total)}\n`);
    }
    this.#tenth = tenth;
  }

  close(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #open(stream: NodeJS.WriteStream, total: number): SingleBar {
    const bar = new SingleBar(
      {
        format: `${this.#label} {bar} {done} of {size} | {eta_formatted} left`,
        stream,
        barsize: 24,
        gracefulExit: false,
      },
      Presets.shades_classic,
    );
    bar.start(total, 0, { done: '0 B', size: formatBytes(total) });
    return bar;
  }
}
