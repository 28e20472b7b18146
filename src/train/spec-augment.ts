// SpecAugment (Park et al. 2019): stretches of frames and bands of mels set to zero, by transformers' rules.
import { type Draws, RowDraws } from '../data/draws.js';
import { WhisperError } from '../errors.js';
import type { ModelConfig } from '../model/config.js';
import type { TrainingArguments } from './arguments.js';

/**
 * The model's configuration with what the options say of masks in place of what it says itself.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for options of masks that are not made
 */
export function specAugment(options: TrainingArguments, config: ModelConfig): ModelConfig {
  const masks = {
    mask_time_prob: options.maskTimeProb,
    mask_time_length: options.maskTimeLength,
    mask_time_min_masks: options.maskTimeMinMasks,
    mask_feature_prob: options.maskFeatureProb,
    mask_feature_length: options.maskFeatureLength,
    mask_feature_min_masks: options.maskFeatureMinMasks,
  };
  const given = Object.entries(masks).filter(([, value]) => value !== undefined);
  const applied = options.applySpecAugment ?? config.apply_spec_augment;
  if (given.length > 0 && !applied) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `${given[0]![0]} needs apply_spec_augment: without it nothing is masked`,
    );
  }
  return { ...config, ...Object.fromEntries(given), apply_spec_augment: applied };
}

/** A row whose features are masked. */
interface MaskedRow {
  /** What its masks are drawn from, with seed and pass: they are the same in whichever micro-batch it comes. */
  id: string;
  /** Audio at 16 kHz. */
  samples: number;
}

/** Samples from one frame of features to the next. */
const hop = 160;

/**
 * The spans to mask in a micro-batch, or undefined when none are asked for.
 *
 * How many and where is `_compute_mask_indices` (transformers, models/whisper/modeling_whisper.py) with the attention mask
 * that its fine-tuning script gives: spans of frames lie in the row's audio, not in the silence behind it. The draw that
 * rounds their number is one for the whole batch there and each row's own here.
 *
 * @param pass over the data, from 0
 * @returns `[n, 5]`: row, first frame, end frame, first mel, end mel
 */
export function maskSpans(
  config: ModelConfig,
  rows: readonly MaskedRow[],
  seed: number,
  pass: number,
): Int32Array | undefined {
  if (!config.apply_spec_augment) return undefined;
  const frames = 2 * config.max_source_positions;
  const mels = config.num_mel_bins;
  const { mask_time_length: timeLength, mask_feature_length: melLength } = config;
  const spans: number[] = [];
  for (const [row, { id, samples }] of rows.entries()) {
    const random = new RowDraws(seed, pass, id).for('masks');
    const heard = Math.min(frames, Math.ceil(samples / hop));
    const times = spanCount(
      config.mask_time_prob,
      timeLength,
      config.mask_time_min_masks,
      frames,
      random.uniform(),
      heard,
    );
    const bands = spanCount(
      config.mask_feature_prob,
      melLength,
      config.mask_feature_min_masks,
      mels,
      random.uniform(),
    );
    for (const start of distinct(random, times, heard - timeLength + 1)) {
      spans.push(row, start, start + timeLength, 0, mels);
    }
    for (const start of distinct(random, bands, mels - melLength + 1)) {
      spans.push(row, 0, frames, start, start + melLength);
    }
  }
  return spans.length > 0 ? Int32Array.from(spans) : undefined;
}

/**
 * How many spans of `length` cover a share `probability` of what is heard of `size`; `rounding` in [0, 1) decides about
 * the fraction.
 *
 * @throws WhisperError `ERR_CONFIG` for spans longer than what they mask
 */
export function spanCount(
  probability: number,
  length: number,
  minimum: number,
  size: number,
  rounding: number,
  heard = size,
): number {
  if (probability === 0) return 0;
  if (length > size) {
    throw new WhisperError(
      'ERR_CONFIG',
      `SpecAugment cannot mask spans of ${length} in ${size} frames or mels`,
    );
  }
  let count = Math.max(Math.floor((probability * heard) / length + rounding), minimum);
  if (count * length > size) count = Math.floor(size / length);
  return Math.min(count, Math.max(heard - (length - 1), 0));
}

/** `count` different whole numbers below `limit`: Robert Floyd's sampling, one draw each. */
function distinct(random: Draws, count: number, limit: number): Set<number> {
  const chosen = new Set<number>();
  for (let top = limit - count; top < limit; top++) {
    const candidate = random.below(top + 1);
    chosen.add(chosen.has(candidate) ? top : candidate);
  }
  return chosen;
}
