// Progress for people, on stderr: a bar on a terminal, plain lines everywhere else.
import { Presets, SingleBar } from 'cli-progress';
import type { Evaluation } from '../evaluate/evaluate.js';
import type { TrainingEvent } from '../train/events.js';

/** Where lines go, and the terminal that can show a bar. */
export interface ProgressOutput {
  err: (text: string) => void;
  screen?: NodeJS.WriteStream | undefined;
}

/** Counts something of a known or unknown number. */
export class CountReport {
  readonly #output: ProgressOutput;
  readonly #label: string;
  readonly #total: number | undefined;
  readonly #bar: SingleBar | undefined;
  #told = 0;

  constructor(output: ProgressOutput, label: string, total: number | undefined) {
    this.#output = output;
    this.#label = label;
    this.#total = total;
    if (output.screen && total) {
      const format = `${label} {bar} {value}/{total} | {eta_formatted} left`;
      this.#bar = new SingleBar(
        { format, stream: output.screen, barsize: 24, gracefulExit: false },
        Presets.shades_classic,
      );
      this.#bar.start(total, 0);
    }
  }

  tell(done: number): void {
    this.#bar?.update(done);
    // Where there is no bar, a line for every tenth, or hundred where nobody knows how many there are.
    const every = this.#total ? Math.max(1, Math.ceil(this.#total / 10)) : 100;
    if (this.#bar || Math.floor(done / every) === Math.floor(this.#told / every)) return;
    this.#told = done;
    this.#output.err(`${this.#label}: ${done}${this.#total ? `/${this.#total}` : ''}\n`);
  }

  close(): void {
    this.#bar?.stop();
  }
}

/** Counts the rows of an evaluation, under the name of the update whose weights it is of. */
export class EvaluationReport {
  readonly #output: ProgressOutput;
  #count: CountReport | undefined;
  #name: string | undefined;

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  tell(event: Extract<TrainingEvent, { type: 'evaluating' }>): void {
    const { step, rows, total, name } = event;
    if (name !== this.#name) {
      this.close();
      this.#count = undefined;
      this.#name = name;
    }
    this.#count ??= new CountReport(this.#output, `update ${step}: ${inSet(event)}evaluating`, total);
    this.#count.tell(rows);
  }

  close(): void {
    this.#count?.close();
  }
}

/** The name of a further evaluation set, in front of what is said of it. */
export function inSet({ name }: { name?: string | undefined }): string {
  return name === undefined ? '' : `${name}: `;
}

/**
 * `WER 12.34 %, CER 5.60 %, loss 0.4321 (120 rows, 3.2 s)`; where combining marks make a difference also the rate that keeps
 * them, as the basic normaliser deletes the vowels of many scripts.
 */
export function describeEvaluation(evaluation: Evaluation): string {
  const { wer, cer, loss, samples, seconds, dropped, rates } = evaluation;
  const marks = rates?.basic?.wer === wer ? rates?.marks?.wer : undefined;
  const kept = marks === undefined || marks === wer ? '' : ` (marks kept ${marks.toFixed(2)} %)`;
  const parts = [
    ...(wer === undefined ? [] : [`WER ${wer.toFixed(2)} %${kept}`]),
    ...(cer === undefined ? [] : [`CER ${cer.toFixed(2)} %`]),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(4)}`]),
  ];
  const left = Object.values(dropped).reduce((sum, { count }) => sum + count, 0);
  const without = left > 0 ? `, ${left} left out` : '';
  return `${parts.join(', ')} (${samples} rows${without}, ${seconds.toFixed(1)} s)`;
}
