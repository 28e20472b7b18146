// Log-mel features of audio: the engine's own front end, by itself.
import { WhisperError } from '../errors.js';
import { addon } from '../native.js';

export interface LogMelOptions {
  /** Mel bands: 80, or 128 for large-v3 and turbo. Default: 80. */
  mels?: number;
}

export interface Features {
  /** `[frames, mels]`, row by row. */
  data: Float32Array;
  /** One per 160 samples (10 ms). */
  frames: number;
  mels: number;
  /** The order of `data`: all bands of a frame lie together. */
  layout: 'frames-major';
}

/**
 * Log-mel features as Whisper was trained on: periodic Hann window of 400 samples every 160, power spectrum, Slaney mel
 * filters, log10 clamped to 8 below the loudest, `(x + 4) / 4`. No padding to a window is added.
 * Source: `log_mel_spectrogram` in openai/whisper `audio.py`.
 *
 * @param samples mono audio at 16 kHz, in [-1, 1]; more than 200 samples (the reflection at the edges needs them)
 * @returns `floor(samples / 160)` frames
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for samples that are no Float32Array, too few, or a wrong number of bands
 */
export async function logMel(samples: Float32Array, options: LogMelOptions = {}): Promise<Features> {
  const mels = options.mels ?? 80;
  if (!(samples instanceof Float32Array)) {
    throw new WhisperError('ERR_INVALID_ARGUMENT', `samples must be a Float32Array, got ${typeof samples}`);
  }
  if (!Number.isInteger(mels) || mels < 1 || mels > 201) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `mels must be a whole number between 1 and 201, got ${mels}`,
    );
  }
  const features = await addon().logMel(samples, mels);
  return { ...features, layout: 'frames-major' };
}
