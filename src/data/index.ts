// The data pipeline's public names.
export {
  type Batch,
  type BatchesOptions,
  type BatchesState,
  type BatchStream,
  batches,
  evaluationBatches,
} from './batches.js';
export {
  type AudioReference,
  type Cursor,
  concatenate,
  type Positioned,
  type Row,
  type Source,
} from './dataset.js';
export { ffmpegVersion } from './decode/ffmpeg.js';
export { readAudio } from './decode/samples.js';
export { ownFormats } from './decode/sniff.js';
export { type DropReason, type DropReport, describeDrops } from './drops.js';
export type { LongLabelPolicy } from './prepare.js';
export { formats, type OpenDatasetOptions, openDataset } from './sources/index.js';
export { fromIterable, type UserRow, type UserRows } from './sources/iterable.js';
