// SpecAugment (Park et al. 2019): stretches of frames and bands of mels set to zero, by transformers' rules.
import { RandomStream } from '../data/random.js';
import { WhisperError } from '../errors.js';
import type { ModelConfig } from '../model/config.js';

// The order of rows draws from the streams below this one (a pass each).
const FIRST_STREAM = 2 ** 31;

/**
 * The spans to mask in a micro-batch, or undefined when the model's configuration asks for none
 * (`apply_spec_augment` and the `mask_*` keys).
 *
 * The number of spans is that of `_compute_mask_indices` (transformers, models/whisper/modeling_whisper.py) for rows
 * without an attention mask: one rounding draw for the whole batch, positions without replacement for each row. The
 * draws follow from seed and number alone, so that a resumed run draws the same.
 *
 * @param number of the micro-batch since the start of training
 * @returns `[n, 5]`: row, first frame, end frame, first mel, end mel
 */
export function maskSpans(
  config: ModelConfig,
  rows: number,
  seed: number,
  number: number,
): Int32Array | undefined {
  if (!config.apply_spec_augment) return undefined;
  const frames = 2 * config.max_source_positions;
  const mels = config.num_mel_bins;
  const random = new RandomStream(seed, FIRST_STREAM + number);
  const spans: number[] = [];

  const { mask_time_length: timeLength, mask_feature_length: melLength } = config;
  const times = spanCount(
    config.mask_time_prob,
    timeLength,
    config.mask_time_min_masks,
    frames,
    uniform(random),
  );
  const bands = spanCount(
    config.mask_feature_prob,
    melLength,
    config.mask_feature_min_masks,
    mels,
    uniform(random),
  );
  for (let row = 0; row < rows; row++) {
    for (const start of distinct(random, times, frames - timeLength + 1)) {
      spans.push(row, start, start + timeLength, 0, mels);
    }
    for (const start of distinct(random, bands, mels - melLength + 1)) {
      spans.push(row, 0, frames, start, start + melLength);
    }
  }
  return spans.length > 0 ? Int32Array.from(spans) : undefined;
}

/**
 * How many spans of `length` cover a share `probability` of `size`; `rounding` in [0, 1) decides about the fraction.
 *
 * @throws WhisperError `ERR_CONFIG` for spans longer than what they mask
 */
export function spanCount(
  probability: number,
  length: number,
  minimum: number,
  size: number,
  rounding: number,
): number {
  if (probability === 0) return 0;
  if (length > size) {
    throw new WhisperError(
      'ERR_CONFIG',
      `config.json: SpecAugment cannot mask spans of ${length} in ${size} frames or mels`,
    );
  }
  let count = Math.max(Math.floor((probability * size) / length + rounding), minimum);
  if (count * length > size) count = Math.floor(size / length);
  return Math.min(count, Math.max(size - (length - 1), 0));
}

function uniform(random: RandomStream): number {
  return random.below(2 ** 32) / 2 ** 32;
}

/** `count` different whole numbers below `limit`: Robert Floyd's sampling, one draw each. */
function distinct(random: RandomStream, count: number, limit: number): Set<number> {
  const chosen = new Set<number>();
  for (let top = limit - count; top < limit; top++) {
    const candidate = random.below(top + 1);
    chosen.add(chosen.has(candidate) ? top : candidate);
  }
  return chosen;
}
