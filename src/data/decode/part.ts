// A part of a recording: of a wav file only its bytes are read, of others the rest is cut away after decoding.
import type { FileHandle } from 'node:fs/promises';
import { type AudioLength, type DecodedAudio, seconds, UndecodableAudio } from './audio.js';
import { readWavHeader, wavHeader, wavLength } from './wav.js';

/** Seconds; without them from the beginning, to the end. */
export interface AudioPart {
  start?: number;
  end?: number;
}

export function isPart({ start, end }: AudioPart): boolean {
  return start !== undefined || end !== undefined;
}

/** The first sample, and the one after the last. */
function samplesOf({ start = 0, end }: AudioPart, { samples, sampleRate }: AudioLength): [number, number] {
  const first = Math.round(start * sampleRate);
  const last = end === undefined ? samples : Math.min(samples, Math.round(end * sampleRate));
  if (first < last) return [first, last];
  throw new UndecodableAudio(
    `the part from ${start} s is not in it: it has ${seconds({ samples, sampleRate })}`,
  );
}

/** How long a part is. @throws UndecodableAudio when it is not there */
export function partLength(length: AudioLength, part: AudioPart): AudioLength {
  const [first, last] = samplesOf(part, length);
  return { samples: last - first, sampleRate: length.sampleRate };
}

/** @throws UndecodableAudio when the part is not in it */
export function cutAudio(audio: DecodedAudio, part: AudioPart): DecodedAudio {
  if (!isPart(part)) return audio;
  const { channels, sampleRate } = audio;
  const [first, last] = samplesOf(part, { samples: channels[0]?.length ?? 0, sampleRate });
  return { ...audio, channels: channels.map((channel) => channel.slice(first, last)) };
}

/**
 * A wav file with only a part of another one, which is not read but for that.
 *
 * @param head the first bytes, with the header
 * @param size bytes of the file
 * @throws UndecodableAudio when the part is not in it
 */
export async function readWavPart(
  file: FileHandle,
  head: Uint8Array,
  size: number,
  part: AudioPart,
): Promise<Uint8Array> {
  const header = readWavHeader(head);
  const frame = (header.channels * header.bits) / 8;
  const there = Math.floor((size - header.dataStart) / frame);
  const promised = wavLength(header) ?? { samples: there, sampleRate: header.sampleRate };
  const [first, last] = samplesOf(part, promised);
  const start = header.dataStart + first * frame;
  // Of a file that is cut off less is there than its header promises; the new header promises it too.
  const bytes = Math.max(0, Math.min((last - first) * frame, size - start));
  const front = wavHeader({ ...header, dataBytes: (last - first) * frame });
  const content = new Uint8Array(front.length + bytes);
  content.set(front);
  const { bytesRead } = await file.read(content, front.length, bytes, start);
  return content.subarray(0, front.length + bytesRead);
}
