// What a clip is like, without its samples: how long it is, whether it can be decoded, and a digest that tells it again.
// Runs on the decoding threads.
import { createHash } from 'node:crypto';
import { type DecodedAudio, UndecodableAudio } from './audio.js';
import { type AudioPart, partLength } from './part.js';
import { promisedLength, sniff } from './sniff.js';

/** What is wanted to be known of a clip. */
export interface Examination {
  /** Decode it even where its header says how long it is. */
  decode: boolean;
  /** A digest of its bytes. */
  digest: boolean;
}

export interface Examined {
  seconds: number;
  /** 48 bits of it, as a number. */
  digest?: number;
  /** The file is not whole; only known where it was decoded. */
  damage?: string;
  /** Nothing but zeros; only known where it was decoded. */
  silent?: boolean;
}

/** The length of a part that the first bytes of a file say, in seconds; undefined where they do not. */
export function secondsByHeader(head: Uint8Array, part: AudioPart): number | undefined {
  try {
    const whole = promisedLength(head, sniff(head).format);
    const length = whole && partLength(whole, part);
    return length && length.samples / length.sampleRate;
  } catch (error) {
    if (!(error instanceof UndecodableAudio)) throw error;
    return undefined;
  }
}

/** 48 bits that tell bytes or text from others: among a million, two would be alike once in 500 times. */
export function shortDigest(content: Uint8Array | string): number {
  return createHash('sha1').update(content).digest().readUIntBE(0, 6);
}

export function describeDecoded({ channels, sampleRate, damage }: DecodedAudio): Omit<Examined, 'digest'> {
  const silent = channels.every((channel) => channel.every((value) => value === 0));
  return {
    seconds: (channels[0]?.length ?? 0) / sampleRate,
    ...(damage !== undefined && { damage }),
    ...(silent && { silent }),
  };
}
