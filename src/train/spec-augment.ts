// SpecAugment (Park et al. 2019): stretches of frames and bands of mels set to zero, by transformers' rules.
import type { ModelConfig } from '../model/config.js';
import { Random } from './random.js';

/**
 * The spans to mask in a micro-batch, or undefined when the model's configuration asks for none.
 *
 * The number of spans is that of `_compute_mask_indices` (transformers, models/whisper/modeling_whisper.py) for rows
 * without an attention mask: one rounding draw for the whole batch, positions without replacement for each row.
 *
 * @param place what the draws are derived from: seed, step, micro-batch
 * @returns `[n, 5]`: row, first frame, end frame, first mel, end mel
 */
export function maskSpans(config: ModelConfig, rows: number, place: number[]): Int32Array | undefined {
  if (!config.apply_spec_augment) return undefined;
  const frames = 2 * config.max_source_positions;
  const mels = config.num_mel_bins;
  const random = new Random(...place);
  const spans: number[] = [];

  const timeLength = config.mask_time_length;
  const times = spanCount(
    config.mask_time_prob,
    timeLength,
    config.mask_time_min_masks,
    frames,
    random.uniform(),
  );
  const melLength = config.mask_feature_length;
  const bands = spanCount(
    config.mask_feature_prob,
    melLength,
    config.mask_feature_min_masks,
    mels,
    random.uniform(),
  );
  for (let row = 0; row < rows; row++) {
    for (const start of random.distinct(times, frames - timeLength + 1)) {
      spans.push(row, start, start + timeLength, 0, mels);
    }
    for (const start of random.distinct(bands, mels - melLength + 1)) {
      spans.push(row, 0, frames, start, start + melLength);
    }
  }
  return spans.length > 0 ? Int32Array.from(spans) : undefined;
}

/** How many spans of `length` cover a share `probability` of `size`; `rounding` in [0, 1) decides about the fraction. */
export function spanCount(
  probability: number,
  length: number,
  minimum: number,
  size: number,
  rounding: number,
): number {
  if (probability === 0 || length > size) return 0;
  let count = Math.max(Math.floor((probability * size) / length + rounding), minimum);
  if (count * length > size) count = Math.floor(size / length);
  return Math.min(count, Math.max(size - (length - 1), 0));
}
