// preprocessor_config.json: how audio becomes features, checked against what the engine computes.
import { join } from 'node:path';
import { z } from 'zod';
import { WhisperError } from '../errors.js';
import { exists } from '../files/folders.js';
import { readJson } from '../files/json.js';
import { type ModelConfig, windowSamples } from './config.js';

const schema = z.looseObject({
  feature_size: z.int().positive().optional(),
  sampling_rate: z.literal(16000).optional(),
  hop_length: z.literal(160).optional(),
  n_fft: z.literal(400).optional(),
  chunk_length: z.number().positive().optional(),
  n_samples: z.int().positive().optional(),
  nb_max_frames: z.int().positive().optional(),
  do_normalize: z.literal(false).optional(),
  dither: z.literal(0).optional(),
});

/** `preprocessor_config.json` as transformers' WhisperFeatureExtractor writes it. */
export type PreprocessorConfig = z.infer<typeof schema>;

/**
 * Reads `preprocessor_config.json`, or the `feature_extractor` part of `processor_config.json` that transformers 5
 * writes instead, and checks that it describes the model's windows. Absent files mean the model's own values.
 *
 * @throws WhisperError `ERR_CONFIG` naming file and key.
 */
export async function readPreprocessorConfig(
  folder: string,
  config: ModelConfig,
): Promise<PreprocessorConfig> {
  const path = join(folder, 'preprocessor_config.json');
  if (await exists(path)) return checked(await readJson(path, schema), path, config);
  const nested = join(folder, 'processor_config.json');
  if (await exists(nested)) {
    const content = await readJson(nested, z.looseObject({ feature_extractor: schema }));
    return checked(content.feature_extractor, nested, config);
  }
  return describeWindows(config);
}

function checked(content: PreprocessorConfig, path: string, config: ModelConfig): PreprocessorConfig {
  const { feature_size: mels, chunk_length: seconds } = content;
  if (mels !== undefined && mels !== config.num_mel_bins) {
    throw new WhisperError(
      'ERR_CONFIG',
      `${path}: feature_size must be num_mel_bins of config.json (${config.num_mel_bins}), got ${mels}`,
    );
  }
  const window = windowSamples(config);
  if (seconds !== undefined && Math.abs(seconds * 16000 - window) > 160) {
    throw new WhisperError(
      'ERR_CONFIG',
      `${path}: chunk_length must be ${window / 16000} s, the window of max_source_positions ` +
        `${config.max_source_positions} in config.json, got ${seconds}`,
    );
  }
  // Old files carry the mel filters as numbers; nothing reads them.
  const { mel_filters: _, ...rest } = content;
  return { ...describeWindows(config), ...rest };
}

/** The file's content for a model, from its configuration alone. */
export function describeWindows(config: ModelConfig): PreprocessorConfig {
  const samples = windowSamples(config);
  return {
    chunk_length: samples / 16000,
    dither: 0,
    feature_extractor_type: 'WhisperFeatureExtractor',
    feature_size: config.num_mel_bins,
    hop_length: 160,
    n_fft: 400,
    n_samples: samples,
    nb_max_frames: samples / 160,
    padding_side: 'right',
    padding_value: 0,
    processor_class: 'WhisperProcessor',
    return_attention_mask: false,
    sampling_rate: 16000,
  };
}
