// Signs that a model wrote what nobody said: texts that compress too well, loops, and words for silence.
import { deflateSync } from 'node:zlib';
import { charactersOf, wordsOf } from './alignment.js';

/** What one utterance shows. */
export interface Symptoms {
  /** Bytes of the hypothesis by its bytes under zlib, 0 for an empty one. */
  compressionRatio: number;
  /** More than 2.4, where openai/whisper takes a text for a failure (`compression_ratio_threshold`). */
  compressible: boolean;
  /** Ends in, or contains, the same words again and again, and the reference does not. */
  looping: boolean;
  /** The audio is silent throughout, or nearly. */
  silent: boolean;
  /** There is a hypothesis. */
  text: boolean;
}

/** Utterances with a symptom. */
export interface HallucinationCounts {
  /** Hypotheses with a compression ratio above 2.4. */
  compressible: number;
  /** Hypotheses with a loop that their reference does not have. */
  loops: number;
  /** Silent clips, and those of them with a text. */
  silent: number;
  silentWithText: number;
  /** Empty references, and those of them with a hypothesis. */
  emptyReferences: number;
  emptyReferencesWithText: number;
  /** Empty hypotheses of references that are not. */
  emptyHypotheses: number;
}

const COMPRESSIBLE = 2.4;
/** Full scale is 0 dB; the noise of a quiet room lies about -60 dB, speech 30 dB above it. */
const SILENCE_DB = -60;

/**
 * @param texts the texts as given, without normalisation but for the trimmed ends
 * @param samples the clip, 16 kHz
 */
export function symptomsOf(
  texts: { reference: string; hypothesis: string },
  samples: Float32Array,
): Symptoms {
  const hypothesis = texts.hypothesis.trim();
  const ratio = compressionRatio(hypothesis);
  return {
    compressionRatio: ratio,
    compressible: ratio > COMPRESSIBLE,
    looping: hasLoop(hypothesis) && !hasLoop(texts.reference),
    silent: loudestDecibels(samples) < SILENCE_DB,
    text: hypothesis !== '',
  };
}

/** As openai/whisper's `compression_ratio`: a text that repeats itself compresses well. */
export function compressionRatio(text: string): number {
  if (text === '') return 0;
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length / deflateSync(bytes).length;
}

/**
 * Whether one to sixteen words, or up to forty characters of a text without spaces, stand four or more times in a row;
 * characters must fill at least twenty, so that a long laugh is no loop.
 */
export function hasLoop(text: string): boolean {
  return repeats(wordsOf(text.toLowerCase()), 16, 4) || repeats(charactersOf(text.toLowerCase()), 40, 20);
}

/** Whether a run of `least` units or more is made of at least four equal parts of at most `longest` units. */
function repeats(units: readonly string[], longest: number, least: number): boolean {
  for (let period = 1; period <= longest && 4 * period <= units.length; period++) {
    // Units that equal the one a period before them; a part said four times has three times its length of those.
    let equal = 0;
    for (let i = period; i < units.length; i++) {
      equal = units[i] === units[i - period] ? equal + 1 : 0;
      if (equal >= 3 * period && equal + period >= least) return true;
    }
  }
  return false;
}

/** Root mean square of the loudest tenth of a second in decibels of full scale. */
export function loudestDecibels(samples: Float32Array): number {
  const frame = 1600;
  let loudest = 0;
  for (let start = 0; start < samples.length; start += frame) {
    const end = Math.min(start + frame, samples.length);
    let energy = 0;
    for (let i = start; i < end; i++) energy += samples[i]! * samples[i]!;
    loudest = Math.max(loudest, energy / (end - start));
  }
  return 10 * Math.log10(loudest);
}

/** Counts symptoms over a data set. */
export class HallucinationCounter {
  readonly counts: HallucinationCounts = {
    compressible: 0,
    loops: 0,
    silent: 0,
    silentWithText: 0,
    emptyReferences: 0,
    emptyReferencesWithText: 0,
    emptyHypotheses: 0,
  };

  add({ compressible, looping, silent, text }: Symptoms, emptyReference: boolean): void {
    const { counts } = this;
    counts.compressible += Number(compressible);
    counts.loops += Number(looping);
    counts.silent += Number(silent);
    counts.silentWithText += Number(silent && text);
    counts.emptyReferences += Number(emptyReference);
    counts.emptyReferencesWithText += Number(emptyReference && text);
    counts.emptyHypotheses += Number(!emptyReference && !text);
  }
}
