// Resampling piece by piece to what the whole recording would give, bit for bit.
import { addon } from '../../native.js';
import { type DecodedAudio, UndecodableAudio } from './audio.js';

/** Seconds of audio resampled at once, and around that: the filter reaches 4 ms at 16 kHz, 65 samples. */
const pieceSeconds = 20;
const marginSeconds = 0.1;

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * One channel at another rate.
 *
 * @throws UndecodableAudio when the rate or the channels change on the way
 */
export async function* resamplePieces(
  pieces: AsyncIterable<DecodedAudio>,
  to: number,
): AsyncGenerator<Float32Array, void, void> {
  let from = 0;
  let channels: Float32Array[] = [];
  // Windows begin where an input and an output sample coincide; `before` of their samples have been given already.
  let unit = 1;
  let before = 0;
  const whole = (seconds: number): number => Math.ceil((seconds * from) / unit) * unit;
  const outputs = (inputs: number): number => Math.round((inputs * to) / from);

  function* take(last: boolean): Generator<Float32Array> {
    const margin = whole(marginSeconds);
    const length = channels[0]?.length ?? 0;
    const piece = last ? length - before : whole(pieceSeconds);
    if (piece <= 0 || (!last && length < before + piece + margin)) return;
    const end = last ? length : before + piece + margin;
    const heard = addon().resampleSync(
      channels.map((channel) => channel.subarray(0, end)),
      from,
      to,
    );
    yield heard.slice(outputs(before), last ? undefined : outputs(before + piece));
    const gone = Math.max(0, before + piece - margin);
    channels = channels.map((channel) => channel.slice(gone));
    before = before + piece - gone;
    if (!last) yield* take(false);
  }

  for await (const { channels: more, sampleRate } of pieces) {
    if (from === 0) {
      from = sampleRate;
      unit = from / gcd(from, to);
      channels = more.map(() => new Float32Array(0));
    }
    if (sampleRate !== from || more.length !== channels.length)
      throw new UndecodableAudio(
        `it changes from ${channels.length} channels of ${from} Hz to ${more.length} of ${sampleRate} Hz`,
      );
    channels = channels.map((channel, i) => joined([channel, more[i]!]));
    yield* take(false);
  }
  if (from === 0) throw new UndecodableAudio('there is no audio in it');
  yield* take(true);
}
