// Transcription of audio of any length: plain windows of the model's length, one after the other.
import { readAudio } from '../data/index.js';
import { WhisperError } from '../errors.js';
import type { Whisper } from '../model/whisper.js';
import type { Task } from '../processor/tokenizer.js';

export interface TranscribeOptions {
  /** Language of the speech, by name or code. Default: what generation_config.json says, or none. */
  language?: string | undefined;
  task?: Task | undefined;
  /** Windows decoded at a time. Default: 8. */
  batchSize?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called after every batch with the seconds of audio done so far and all of them. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A stretch of the audio and its text. */
export interface Segment {
  /** Seconds from the beginning. */
  start: number;
  end: number;
  text: string;
}

export interface Transcription {
  text: string;
  segments: Segment[];
  /** Length of the audio in seconds. */
  duration: number;
  /** Set when the file is cut off or broken: what could be decoded was transcribed. */
  damage?: string;
}

/**
 * Transcribes (or translates) audio. It is cut into windows of the model's length, 30 s in released models; each
 * window is one segment.
 *
 * @param audio an audio file's path or bytes, or mono samples at 16 kHz
 * @throws WhisperError `ERR_FILE` for a file that is not there, `ERR_DATA` for one that cannot be decoded or has no audio,
 *   `ERR_INVALID_ARGUMENT` for wrong options, `ERR_CANCELLED`
 */
export async function transcribe(
  model: Whisper,
  audio: string | Uint8Array | Float32Array,
  options: TranscribeOptions = {},
): Promise<Transcription> {
  const { batchSize = 8, signal, language, task } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `batchSize must be a whole number of at least 1, got ${batchSize}`,
    );
  }
  // Wrong options are found before the file is decoded.
  model.tokenizer.promptTokens({ language, task });
  const { samples, damage } =
    audio instanceof Float32Array ? { samples: audio, damage: undefined } : await readAudio(audio);
  if (samples.length === 0) throw new WhisperError('ERR_DATA', 'there is no audio to transcribe');

  const window = model.windowSamples;
  const duration = samples.length / 16000;
  const starts = Array.from({ length: Math.ceil(samples.length / window) }, (_, i) => i * window);
  const segments: Segment[] = [];
  for (let first = 0; first < starts.length; first += batchSize) {
    const batch = starts.slice(first, first + batchSize);
    const texts = await model.generate(
      batch.map((start) => samples.subarray(start, start + window)),
      { language, task, signal },
    );
    for (const [i, start] of batch.entries()) {
      const end = Math.min(start + window, samples.length);
      segments.push({ start: start / 16000, end: end / 16000, text: texts[i]!.text.trim() });
    }
    options.onProgress?.(segments.at(-1)!.end, duration);
  }
  const text = segments
    .map((segment) => segment.text)
    .filter((part) => part !== '')
    .join(' ');
  return { text, segments, duration, ...(damage === undefined ? {} : { damage }) };
}
