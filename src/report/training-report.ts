// What people see of a training run, on stderr: a bar on a terminal, plain lines everywhere else.
import { Presets, SingleBar } from 'cli-progress';
import { describeDrops } from '../data/drops.js';
import type { Evaluation } from '../evaluate/evaluate.js';
import type { TrainingEvent } from '../train/events.js';
import { formatBytes } from '../train/memory/bytes.js';
import type { RunEvent, TrainingListener } from './listener.js';
import { metricsBlock } from './metrics-block.js';
import { describeEvaluation, EvaluationReport, inSet, type ProgressOutput } from './progress.js';

type Step = Extract<TrainingEvent, { type: 'step' | 'skip' }>;

type Log = Extract<TrainingEvent, { type: 'log' }>;

type Planned = Extract<TrainingEvent, { type: 'plan' }>;

/** Bytes that the engine holds, the most it held, and on a GPU what is left there (on a CPU 0). */
export interface Memory {
  live: number;
  peak: number;
  available: number;
}

/** Tells the events of a training run. */
export class TrainingReport implements TrainingListener {
  readonly #output: ProgressOutput;
  readonly #memory: (() => Promise<Memory>) | undefined;
  #bar: SingleBar | undefined;
  #evaluation: EvaluationReport | undefined;
  /** Exponential means over about twenty steps. */
  #seconds = 0;
  #rows = 0;
  #audioSeconds = 0;
  #dataWait = 0;
  #last: Step | undefined;
  /** Of the model before its first update, by the name of the set. */
  readonly #zeroShot = new Map<string | undefined, Evaluation>();

  /** @param memory asked for with every line of the log */
  constructor(output: ProgressOutput, memory?: () => Promise<Memory>) {
    this.#output = output;
    this.#memory = memory;
  }

  async tell(event: RunEvent): Promise<void> {
    switch (event.type) {
      case 'plan':
        this.say(describePlan(event));
        return;
      case 'start': {
        const { parameters, trainable, step, maxSteps, device, precision, optim, resumedFrom } = event;
        const from = resumedFrom ? `, resumed from ${resumedFrom}` : '';
        this.say(
          `training ${millions(trainable)} of ${millions(parameters)} parameters in ${precision} with ${optim} on ${device}: ` +
            `${step < maxSteps ? `updates ${step + 1} to ${maxSteps}` : `all ${maxSteps} updates are done`}${from}`,
        );
        this.#openBar(maxSteps, step, precision === 'f16');
        return;
      }
      case 'skip':
      case 'step':
        this.#measure(event);
        this.#bar?.update(event.step, this.#payload(event));
        return;
      case 'log':
        await this.#log(event);
        return;
      case 'evaluating':
        if (this.#bar) {
          this.#bar.update({
            activity: ` | ${inSet(event)}evaluating ${event.rows}${event.total ? `/${event.total}` : ''}`,
          });
        } else {
          this.#evaluation ??= new EvaluationReport({ err: this.#output.err });
          this.#evaluation.tell(event);
        }
        return;
      case 'evaluate':
        this.#evaluation = undefined;
        this.#bar?.update({ activity: '' });
        this.#tellEvaluation(event);
        return;
      case 'save':
        this.say(`update ${event.step}: wrote ${event.path}${event.best ? ' (the best so far)' : ''}`);
        return;
      case 'epoch':
        if (event.data.kept < event.data.rows) this.say(`pass ${event.epoch}: ${describeDrops(event.data)}`);
        return;
      case 'notice':
        this.say(event.message);
        return;
      case 'written':
        this.say(`model written to ${event.path}`);
        return;
      case 'results':
        this.say(metricsBlock(event.split, event.metrics));
        return;
      case 'end': {
        this.#closeBar();
        const { step, epoch, trainLoss, seconds, reason, best, data } = event;
        const dropped = epoch < 1 && data.kept < data.rows ? `; ${describeDrops(data)}` : '';
        const why = reason === 'early' ? 'ended early, without improvement,' : reason;
        this.say(
          `${why} after ${step} updates (${epoch.toFixed(2)} epochs) in ${duration(seconds)}, ` +
            `mean loss ${trainLoss.toFixed(4)}${dropped}`,
        );
        if (best) this.say(`loaded the best checkpoint, ${best}`);
        return;
      }
    }
  }

  async close(): Promise<void> {
    this.#closeBar();
  }

  #closeBar(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  async #log(event: Log): Promise<void> {
    const memory = describeMemory(await this.#memory?.());
    this.#bar?.update({ memory: memory && ` | ${memory}` });
    if (this.#bar) return;
    const { step, epoch, loss, learningRate, gradNorm, dataWait, lossScale, skippedSteps } = event;
    const parts = [
      `update ${step}/${this.#last!.maxSteps}`,
      `epoch ${epoch.toFixed(2)}`,
      `loss ${loss.toFixed(4)}`,
      `lr ${learningRate.toExponential(1)}`,
      `grad norm ${gradNorm.toFixed(2)}`,
      describeScale(lossScale, skippedSteps),
      `data wait ${dataWait.toFixed(2)} s`,
      `${this.#rowSpeed}, ${this.#speed}`,
      memory,
      `${this.#left} left`,
    ];
    this.say(parts.filter((part) => part !== '').join('  '));
  }

  /** One after an update, beside the one before the first. */
  #tellEvaluation(event: Extract<TrainingEvent, { type: 'evaluate' }>): void {
    const before = event.step > 0 ? this.#zeroShot.get(event.name) : undefined;
    if (event.step === 0) this.#zeroShot.set(event.name, event);
    const name = event.step === 0 ? 'before the first update' : `update ${event.step}`;
    const was = before?.wer === undefined ? '' : `; WER ${before.wer.toFixed(2)} % before the first update`;
    this.say(`${name}: ${inSet(event)}${describeEvaluation(event)}${was}`);
  }

  #openBar(total: number, done: number, scaled: boolean): void {
    const { screen } = this.#output;
    if (!screen) return;
    const scale = scaled ? ' | {scale}' : '';
    const format = `{bar} {value}/{total} | loss {loss} | lr {rate}${scale} | {speed} | {left} left{memory}{wait}{activity}`;
    const blank = {
      loss: '-',
      rate: '-',
      scale: '-',
      speed: '-',
      left: '-',
      memory: '',
      wait: '',
      activity: '',
    };
    this.#bar = new SingleBar(
      { format, stream: screen, barsize: 24, gracefulExit: false },
      Presets.shades_classic,
    );
    this.#bar.start(total, done, blank);
  }

  #measure(step: Step): void {
    const weight = this.#last ? 0.05 : 1;
    this.#seconds += weight * (step.seconds - this.#seconds);
    this.#rows += weight * (step.rows - this.#rows);
    this.#audioSeconds += weight * (step.audioSeconds - this.#audioSeconds);
    this.#dataWait += weight * (step.dataWait - this.#dataWait);
    this.#last = step;
  }

  #payload({ loss, learningRate, lossScale, skippedSteps }: Step): object {
    const rate = learningRate.toExponential(1);
    const scale = describeScale(lossScale, skippedSteps);
    // Told of only where it is worth something to do away with; lines have little room.
    const waits = this.#dataWait >= 0.01 * this.#seconds;
    const wait = waits ? ` | data wait ${this.#dataWait.toFixed(2)} s` : '';
    return { loss: loss.toFixed(4), rate, scale, speed: this.#rowSpeed, left: this.#left, wait };
  }

  get #rowSpeed(): string {
    return `${(this.#rows / this.#seconds).toFixed(1)} rows/s`;
  }

  get #speed(): string {
    return `${(this.#audioSeconds / this.#seconds).toFixed(1)} audio-s/s`;
  }

  get #left(): string {
    const { maxSteps, step } = this.#last!;
    return duration((maxSteps - step) * this.#seconds);
  }

  /** A line above the bar, if there is one. */
  say(text: string): void {
    const { screen, err } = this.#output;
    if (!this.#bar || !screen) {
      err(`${text}\n`);
      return;
    }
    screen.clearLine(0);
    screen.cursorTo(0);
    screen.write(`${text}\n`);
    this.#bar.render();
  }
}

/** `scale 65536` or `scale 32768 (1 skipped)`; nothing where there is no loss scale. */
function describeScale(lossScale: number | undefined, skipped = 0): string {
  if (lossScale === undefined) return '';
  // Scales are powers of two as a rule; six digits tell any other.
  const scale = Number(lossScale.toPrecision(6));
  return `scale ${scale}${skipped > 0 ? ` (${skipped} skipped)` : ''}`;
}

/** `memory 1.20 GB (peak 1.53 GB)`, of a GPU also what is left. */
function describeMemory(memory: Memory | undefined): string {
  if (!memory) return '';
  const { live, peak, available } = memory;
  const left = available > 0 ? `, ${formatBytes(available)} left` : '';
  return `memory ${formatBytes(live)} (peak ${formatBytes(peak)}${left})`;
}

/** `plan: micro-batches of 4 rows, 2 to an update; with labels of 448 tokens 9.53 GB of 16.0 GB (weights …)` */
function describePlan({ rows, microBatches, labels, budget, plan }: Planned): string {
  const { weights, masters, gradients, optimizer, activations, peak } = plan;
  const parts = Object.entries({ weights, masters, gradients, optimizer, activations })
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${name} ${formatBytes(bytes)}`)
    .join(', ');
  return (
    `plan: micro-batches of ${rows} rows, ${microBatches} to an update; with labels of ${labels} tokens ` +
    `${formatBytes(peak)} of ${formatBytes(budget)} (${parts})`
  );
}

function millions(count: number): string {
  return count < 1e6 ? `${(count / 1e6).toFixed(2)} M` : `${(count / 1e6).toFixed(1)} M`;
}

/** `1:02:03` or `2:03`. */
function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}
