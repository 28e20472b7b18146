// One step of training: the engine's, in as many parts as memory asks for, counted and told.
import type { BatchStream } from '../data/batches.js';
import { WhisperError } from '../errors.js';
import { cancellable, unlessCancelled } from '../model/cancel.js';
import type { Whisper } from '../model/whisper.js';
import type { NativeStepResult } from '../native.js';
import type { TrainingArguments } from './arguments.js';
import type { NoticeEvent, SkipEvent, StepEvent } from './events.js';
import { isOutOfMemory, outOfMemory } from './memory/fit.js';
import { inParts, wholeLosses } from './memory/micro-batches.js';
import type { RunMemory } from './memory/run.js';
import { countStep, type RunState } from './state.js';
import {
  type Rates,
  ratesAt,
  rowNames,
  stepLoss,
  stepOptions,
  type TrainingStep,
  whatDiverged,
} from './step.js';

/**
 * Overflows one after the other that end a run in f16. From the usual start they bring the loss scale down to
 * 65536·2⁻⁴⁰, where no loss scale is to blame any more.
 */
const MOST_OVERFLOWS = 40;

/** What a step is made with. */
export interface Updating {
  model: Whisper;
  options: TrainingArguments;
  /** Counts the step. */
  run: RunState;
  maxSteps: number;
  memory: RunMemory;
  signal: AbortSignal | undefined;
  /** Wall time since the step before, in seconds. */
  lap: () => number;
}

/**
 * Makes one step: an update or, in f16, an overflow.
 *
 * @param stream that the step's data is of, for the place in the pass
 * @returns undefined when the signal ended it, and nothing was updated
 * @throws WhisperError `ERR_DIVERGED`, `ERR_OUT_OF_MEMORY`: nothing was updated
 */
export async function* makeStep(
  step: TrainingStep,
  stream: BatchStream,
  updating: Updating,
): AsyncGenerator<NoticeEvent, StepEvent | SkipEvent | undefined> {
  const { model, options, run, maxSteps } = updating;
  const rates = ratesAt(options, run.step - run.skipped, maxSteps, run.plateau.factor);
  const result = yield* compute(step, rates, updating);
  if (!result) return undefined;
  const { gradNorm, finite, lossScale, losses } = result;
  const scaled = model.precision === 'f16';
  if (!finite && !(scaled && run.skippedInRow + 1 < MOST_OVERFLOWS)) throw diverged(step, result, run);

  const loss = stepLoss(losses, step.share, options.meanOfMeans);
  const seconds = updating.lap();
  const { rows, tokens, audioSeconds, dataWait } = step;
  const counted = { loss, rows, seconds, dataWait, skipped: !finite };
  countStep(run, counted, options.loggingNanInfFilter);
  run.epoch = epochAfter(step, stream, run, maxSteps);
  const place = { step: run.step, maxSteps, epoch: run.epoch };
  const event = { ...place, loss, ...rates, gradNorm, rows, tokens, audioSeconds, seconds, dataWait };
  const scale = { lossScale, skippedSteps: run.skipped };
  return finite
    ? { type: 'step', ...event, ...(scaled ? scale : { lossScale: undefined, skippedSteps: undefined }) }
    : { type: 'skip', ...event, ...scale };
}

/**
 * Where memory does not suffice and the run may go on with less, the rows at a time are halved, for the rest of the run,
 * and the same step is made again.
 */
async function* compute(
  step: TrainingStep,
  rates: Rates,
  { model, options, run, memory, signal }: Updating,
): AsyncGenerator<NoticeEvent, NativeStepResult | undefined> {
  const given = stepOptions(options, rates);
  const where = `update ${run.step + 1}`;
  for (;;) {
    const { batches, scales, of, rows } = inParts(step.micro, step.scales, run.rowsAtOnce ?? Infinity);
    try {
      const result = await unlessCancelled(signal, () =>
        cancellable(signal, (cancel) => model.native.step(batches, { ...given, scales }, cancel)),
      );
      return result && { ...result, losses: wholeLosses(result.losses, of) };
    } catch (error) {
      if (error instanceof WhisperError && error.code === 'ERR_DIVERGED') {
        // A loss scaler that can go no lower: there are no losses to look for the row in.
        throw new WhisperError('ERR_DIVERGED', `${where}, rows ${rowNames(step)}: ${error.message}`, {
          cause: error,
        });
      }
      if (!isOutOfMemory(error)) throw error;
      if (rows === 1 || !memory.halves) {
        const why = await memory.shortage(rows);
        throw outOfMemory(error, () => `${where}: ${why}`);
      }
      run.rowsAtOnce = Math.ceil(rows / 2);
      const message = `${where}: ${rows} rows at a time do not fit memory, going on with ${run.rowsAtOnce}`;
      yield { type: 'notice', message };
    }
  }
}

/** Passes over the data, with a fraction of the pass's rows. */
function epochAfter(
  { pass, batches }: TrainingStep,
  stream: BatchStream,
  run: RunState,
  maxSteps: number,
): number {
  const { rows } = stream.drops();
  if (batches.at(-1)!.lastOfPass) {
    run.rowsPerPass ??= rows;
    return pass + 1;
  }
  // Until a source that cannot count has ended once, the fraction is that of all updates, as transformers has it.
  const share = run.rowsPerPass ? rows / run.rowsPerPass : run.step / maxSteps;
  return pass + Math.min(1, share);
}

/** Which row, or which rows' gradient, is to blame. */
function diverged(step: TrainingStep, { losses, lossScale }: NativeStepResult, run: RunState): WhisperError {
  const overflows = run.skippedInRow + 1;
  const before =
    overflows > 1 ? `overflow number ${overflows} in a row, at a loss scale of ${lossScale}: ` : '';
  const why = whatDiverged(step, losses);
  return new WhisperError('ERR_DIVERGED', `update ${run.step + 1}: ${before}${why}; nothing was updated`);
}
