// Changes of a clip's audio in training. What is done to which clip is drawn here; the decoding threads do it.
import type { Decoder } from './decode/pool.js';
import type { Place, RowDraws } from './draws.js';
import { loadNoise } from './noise.js';

export interface AugmentOptions {
  /** A clip is played at one of these speeds, each as likely; 1 is its own. */
  speeds?: readonly number[];
  noise?: {
    /** Share of the clips that it is added to. */
    probability: number;
    /** The least and the most signal-to-noise ratio in dB; between them each is as likely. */
    snr: readonly [number, number];
    /** Audio files to add; without it the noise is white. */
    folder?: string;
  };
}

/** Noise that is added to a clip. */
export interface AddedNoise {
  /** Signal-to-noise ratio in dB. */
  snr: number;
  /** Recorded noise at 16 kHz, of any loudness, from `offset` on and from its start again; else white noise is drawn. */
  recorded?: { samples: Int16Array; offset: number };
  /** Where the random numbers of white noise begin. */
  place: Place;
}

/** What is done to one clip; it can be sent to a thread. */
export interface ClipChange {
  speed: number;
  noise?: AddedNoise;
}

/** Draws the changes of clips. The noise of a folder is read once, before the first clip. */
export class Augmentation {
  readonly #options: AugmentOptions;
  readonly #decoder: Decoder | undefined;
  #recorded: Promise<Int16Array[]> | undefined;

  constructor(options: AugmentOptions, decoder?: Decoder) {
    this.#options = options;
    this.#decoder = decoder;
  }

  /**
   * What is done to a clip; undefined for nothing.
   *
   * @throws WhisperError `ERR_FILE`, `ERR_DATA` for a noise folder that cannot be used
   */
  async change(draws: RowDraws): Promise<ClipChange | undefined> {
    const { speeds = [] } = this.#options;
    const speed = speeds[draws.for('speed').below(Math.max(1, speeds.length))] ?? 1;
    const noise = await this.#noise(draws);
    return speed === 1 && !noise ? undefined : { speed, ...(noise && { noise }) };
  }

  async #noise(draws: RowDraws): Promise<AddedNoise | undefined> {
    const { noise } = this.#options;
    if (!noise) return undefined;
    const random = draws.for('noise');
    if (random.uniform() >= noise.probability) return undefined;
    const [least, most] = noise.snr;
    const added = { snr: least + (most - least) * random.uniform(), place: draws.place('noise samples') };
    if (noise.folder === undefined) return added;
    this.#recorded ??= loadNoise(noise.folder, this.#decoder);
    const clips = await this.#recorded;
    const samples = clips[random.below(clips.length)]!;
    return { ...added, recorded: { samples, offset: random.below(samples.length) } };
  }
}
