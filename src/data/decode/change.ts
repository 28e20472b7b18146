// Changes a decoded clip as training asks for: another speed, added noise. Runs on the decoding threads.
import type { AddedNoise } from '../augment.js';
import { Draws } from '../draws.js';

/** Rates the resampler takes, in Hz (native/audio/resample.h). */
const [lowestRate, highestRate] = [1000, 768_000];

/** The rate that audio recorded at `rate` is read as to be heard at a speed. */
export function playedAt(rate: number, speed: number): number {
  return Math.min(highestRate, Math.max(lowestRate, Math.round(rate * speed)));
}

/** Adds noise to a clip, in place, so loud that the ratio of both powers over the whole clip is the one asked for. */
export function addNoise(samples: Float32Array, { snr, recorded, place }: AddedNoise): void {
  const noise = recorded ? looped(recorded, samples.length) : whiteNoise(new Draws(place), samples.length);
  const [signal, power] = [meanSquare(samples), meanSquare(noise)];
  if (power === 0) return;
  const gain = Math.sqrt(signal / power / 10 ** (snr / 10));
  for (let i = 0; i < samples.length; i++) samples[i]! += gain * noise[i]!;
}

function meanSquare(samples: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * samples[i]!;
  return sum / Math.max(1, samples.length);
}

/** `length` samples of a recording from an offset on, from its start again at its end. */
function looped({ samples, offset }: NonNullable<AddedNoise['recorded']>, length: number): Float32Array {
  const noise = new Float32Array(length);
  for (let at = 0, from = offset; at < length; from = 0) {
    const part = samples.subarray(from, from + length - at);
    noise.set(part, at);
    at += part.length;
  }
  return noise;
}

/**
 * Independent normal numbers of variance 1, two from two uniform ones (Box and Muller 1958). A sample is a few
 * nanoseconds of xoshiro128+ (Blackman and Vigna 2021), which begins with four words of Philox; Philox for each would take
 * longer than decoding does.
 */
function whiteNoise(random: Draws, length: number): Float32Array {
  const noise = new Float32Array(length + (length % 2));
  let [a, b, c, d] = random.words();
  // Four zeros would stay zeros.
  d |= 1;
  const next = (): number => {
    const word = (a + d) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return word;
  };
  for (let at = 0; at < length; at += 2) {
    // Above 0, for the logarithm.
    const radius = Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32));
    const angle = (2 * Math.PI * next()) / 2 ** 32;
    noise[at] = radius * Math.cos(angle);
    noise[at + 1] = radius * Math.sin(angle);
  }
  return noise.subarray(0, length);
}
