// The public API of whisper-tune, and nothing else.
export type { AudioReference, Cursor, Positioned, Row, Source } from './data/dataset.js';
export { concatenate } from './data/dataset.js';
export { readAudio } from './data/decode/samples.js';
export type { DropReason, DropReport } from './data/drops.js';
export { type MixedSource, type MixOptions, mix, type StoppingStrategy } from './data/mix.js';
export type { Finding, FindingKind } from './data/preflight/findings.js';
export {
  type PreflightOptions,
  type PreflightProgress,
  type PreflightReport,
  type PreflightSplit,
  preflight,
} from './data/preflight/preflight.js';
export { type ShardOptions, shard } from './data/shard.js';
export { take } from './data/slice.js';
export { type OpenDatasetOptions, openDataset } from './data/sources/index.js';
export { fromIterable, type UserRow, type UserRows } from './data/sources/iterable.js';
export { type ErrorCode, WhisperError } from './errors.js';
export { type AlignedUnit, align, type EditCounts } from './evaluate/alignment.js';
export {
  type BootstrapOptions,
  type Comparison,
  compare,
  type Interval,
  Tallies,
} from './evaluate/bootstrap.js';
export {
  type EvaluatedRow,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  type LongAudio,
} from './evaluate/evaluate.js';
export type { HallucinationCounts, Symptoms } from './evaluate/hallucinations.js';
export type { NormalizerName } from './evaluate/normalizers.js';
export type { Rates, Unscored, UtteranceScore } from './evaluate/score.js';
export {
  type CharacterErrorRate,
  characterErrorRate,
  type WordErrorRate,
  wordErrorRate,
} from './evaluate/wer.js';
export type { FindOptions } from './model/find.js';
export type { Generated, GenerateOptions } from './model/greedy.js';
export type { Lora, LoraOptions } from './model/lora.js';
export type { NewTokenOptions } from './model/resize.js';
export { type InitialiseOptions, type LoadOptions, Whisper } from './model/whisper.js';
export type { NativePlan as MemoryPlan, Precision } from './native.js';
export { type Features, type LogMelOptions, logMel } from './processor/features.js';
export { basicNormalizer } from './processor/normalizers/basic.js';
export { englishNormalizer } from './processor/normalizers/english.js';
export { marksNormalizer } from './processor/normalizers/marks.js';
export {
  type DecodeOptions,
  type PromptOptions,
  type Task,
  WhisperTokenizer,
} from './processor/tokenizer.js';
export type { RunEvent, TrainingListener } from './report/listener.js';
export { TensorBoard, type TensorBoardRun } from './report/tensorboard.js';
export type { TrainingEvent } from './train/events.js';
export { type EstimateOptions, estimate } from './train/memory/estimate.js';
export {
  type Exchanged,
  type ExportOptions,
  exportOptimizer,
  type ImportOptions,
  importOptimizer,
} from './train/optimizer-exchange.js';
export { Trainer, type TrainerOptions } from './train/trainer.js';
export {
  type Segment,
  type TranscribeOptions,
  type Transcription,
  transcribe,
} from './transcribe/transcribe.js';
