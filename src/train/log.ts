// Lines of the log: what an event says of a step, and what log_history keeps of it.
import type { TrainingArguments } from './arguments.js';
import type { LogEvent, SkipEvent, StepEvent } from './events.js';
import { type HistoryRow, type RunState, takeMeans } from './state.js';
import { ratesAt } from './step.js';

/** The line of the steps since the one before, and its row of `log_history`, which holds finite numbers only. */
export function logLine(
  run: RunState,
  {
    step,
    epoch,
    maxSteps,
    learningRate: rate,
    encoderRate,
    decoderRate,
    gradNorm,
    lossScale,
    skippedSteps,
  }: StepEvent | SkipEvent,
  options: TrainingArguments,
): { event: LogEvent; row: HistoryRow } {
  const { loss, dataWait } = takeMeans(run);
  // transformers before 5 logged what the scheduler had just moved on to.
  const next = ratesAt(options, run.step - run.skipped, maxSteps, run.plateau.factor);
  const learningRate = options.compat === 'era' ? next.learningRate : rate;
  return {
    event: {
      type: 'log',
      step,
      epoch,
      loss,
      learningRate,
      gradNorm,
      dataWait,
      lossScale,
      skippedSteps,
    },
    row: {
      step,
      epoch,
      ...(Number.isFinite(loss) && { loss }),
      learning_rate: learningRate,
      ...(options.encoderLearningRate !== undefined && { encoder_learning_rate: encoderRate }),
      ...(options.decoderLearningRate !== undefined && { decoder_learning_rate: decoderRate }),
      ...(Number.isFinite(gradNorm) && { grad_norm: gradNorm }),
      data_wait: dataWait,
      ...(lossScale !== undefined && { loss_scale: lossScale }),
      ...(skippedSteps !== undefined && { skipped_steps: skippedSteps }),
    },
  };
}
