// From a reference to audio to mono samples at 16 kHz: decoded, mixed and resampled on a thread.

import { WhisperError } from '../../errors.js';
import { addon } from '../../native.js';
import type { ClipChange } from '../augment.js';
import type { AudioReference } from '../dataset.js';
import { type PcmReference, readPcm } from './pcm.js';
import { type DecodeJob, type Decoder, decoderPool } from './pool.js';

/** Hz; what Whisper hears. */
export const sampleRate = 16000;

/** The mean of the channels, brought from one rate to another. */
export type Resample = (channels: Float32Array[], from: number, to: number) => Promise<Float32Array>;

/** Why audio could not be used. */
export type AudioFault = 'missing' | 'undecodable' | 'damaged' | 'too-short' | 'too-long';

/** `speed`: what it is played at, where that is not 1. */
export type Loaded =
  | { samples: Float32Array; damage?: string; speed?: number }
  | { fault: AudioFault; detail: string };

export interface LoadOptions {
  /** Files that their header puts outside are not decoded; the edge is left to the caller. Seconds. */
  limits?: { minSeconds: number; maxSeconds: number };
  decoder?: Decoder;
  resample?: Resample;
  /** What is done to the clip. */
  change?: ClipChange;
}

const nativeResample: Resample = (channels, from, to) => addon().resample(channels, from, to);

/** What is surely outside the limits is not read; at their edge the caller decides, as for a file. */
function outsideLimits({ length }: PcmReference, limits: LoadOptions['limits']): Loaded | undefined {
  if (!limits) return undefined;
  const detail = `${(length / sampleRate).toFixed(2)} s`;
  if (length > limits.maxSeconds * sampleRate + 1) return { fault: 'too-long', detail };
  if (length < limits.minSeconds * sampleRate - 1) return { fault: 'too-short', detail };
  return undefined;
}

/**
 * Loads one clip as mono 16 kHz samples.
 *
 * @returns the samples (with `damage` when the file is not whole) or what is wrong with them
 * @throws WhisperError ERR_DATA when the file lies outside its data set's folder, through a link
 */
export async function loadSamples(audio: AudioReference, options: LoadOptions = {}): Promise<Loaded> {
  const resample = options.resample ?? nativeResample;
  // What comes from a decoding thread is mono at 16 kHz already.
  const bring = async (channels: Float32Array[], from: number): Promise<Float32Array> =>
    channels.length === 1 && from === sampleRate ? channels[0]! : resample(channels, from, sampleRate);

  if ('fault' in audio) return audio;
  if ('pcm' in audio) {
    const outside = outsideLimits(audio, options.limits);
    if (outside) return outside;
    return loadSamples({ samples: await readPcm(audio), sampleRate }, options);
  }
  if ('samples' in audio) {
    if (audio.samples.length === 0) return { fault: 'undecodable', detail: 'there is no audio in it' };
    if (!options.change) return { samples: await bring([audio.samples], audio.sampleRate) };
  }
  const job: DecodeJob = 'samples' in audio ? { decoded: audio } : { ...audio };
  if (!options.resample || options.change) job.sampleRate = sampleRate;
  if (options.limits) job.limits = options.limits;
  if (options.change) job.change = options.change;
  const reply = await (options.decoder ?? decoderPool()).decode(job);
  switch (reply.outcome) {
    case 'decoded': {
      const { channels, sampleRate: rate, damage } = reply.audio;
      const samples = await bring(channels, rate);
      const { speed } = reply;
      return { samples, ...(damage !== undefined && { damage }), ...(speed !== undefined && { speed }) };
    }
    case 'outside-folder': {
      const { path, root } = audio as { path: string; root: string };
      throw new WhisperError(
        'ERR_DATA',
        `${path} is a link to ${reply.real}, outside the data set's folder ${root}`,
      );
    }
    case 'too-short':
    case 'too-long':
      return { fault: reply.outcome, detail: `${reply.seconds.toFixed(2)} s` };
    default:
      return { fault: reply.outcome, detail: reply.detail };
  }
}

/**
 * Reads an audio file of any format as mono 16 kHz samples: for transcription, where a damaged file is used as far as
 * it goes.
 *
 * @param file a path or the bytes of a file
 * @returns the samples, and `damage` when the file is not whole
 * @throws WhisperError ERR_FILE when there is no such file, ERR_DATA when it cannot be decoded
 */
export async function readAudio(
  file: string | Uint8Array,
  options: Pick<LoadOptions, 'decoder' | 'resample'> = {},
): Promise<{ samples: Float32Array; damage?: string }> {
  const loaded = await loadSamples(typeof file === 'string' ? { path: file } : { bytes: file }, options);
  if ('samples' in loaded) return loaded;
  const name = typeof file === 'string' ? file : 'audio bytes';
  if (loaded.fault === 'missing') throw new WhisperError('ERR_FILE', `cannot read ${name}: ${loaded.detail}`);
  throw new WhisperError('ERR_DATA', `cannot decode ${name}: ${loaded.detail}`);
}
