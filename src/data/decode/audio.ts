// Decoded audio, and what may be wrong with it.

/** Decoded audio at its own rate. */
export interface DecodedAudio {
  /** One array per channel, all of the same length, about -1 to 1. */
  channels: Float32Array[];
  /** Hz. */
  sampleRate: number;
  /**
   * Set when the file is not whole (cut off, or with damaged parts) though something could be decoded; the text of such
   * a clip is longer than its audio.
   */
  damage?: string;
}

/** What a file's header says about its length, when it says so. */
export interface AudioLength {
  /** Samples per channel. */
  samples: number;
  sampleRate: number;
}

/** The bytes are no audio that can be decoded here; the message is the reason, without the file's name. */
export class UndecodableAudio extends Error {
  override readonly name = 'UndecodableAudio';
}

export function seconds({ samples, sampleRate }: AudioLength): string {
  return `${(samples / sampleRate).toFixed(2)} s`;
}

/** Says by how much a file is shorter than its header promises; undefined when it is whole. */
export function missingAudio(
  promised: AudioLength | undefined,
  samples: number,
  slack = 0,
): string | undefined {
  if (!promised || samples + slack >= promised.samples) return undefined;
  const { sampleRate } = promised;
  return `cut off or damaged: its header promises ${seconds(promised)}, ${seconds({ samples, sampleRate })} are there`;
}
