// Deterministic stand-ins for speech, the same for the tests and for the scripts that make golden files.

/**
 * Clip number `index`: a voiced hum of a few drifting harmonics with noise, mono 16 kHz, quantised to int16 so that every
 * platform's sine gives the same audio.
 * @param {number} index
 * @param {number} samples
 * @returns {Float32Array} in [-1, 1)
 */
export function clip(index, samples) {
  let state = (index * 2654435761 + 12345) >>> 0;
  const noise = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const base = 90 + 37 * (index % 7);
  return Float32Array.from({ length: samples }, (_, i) => {
    const t = i / 16000;
    let x = 0.02 * noise();
    for (let harmonic = 1; harmonic <= 5; harmonic++) {
      x +=
        (0.25 / harmonic) *
        Math.sin(2 * Math.PI * harmonic * base * t * (1 + 0.05 * Math.sin(3 * t + index)));
    }
    return Math.round(x * (0.6 + 0.4 * Math.sin(5 * t * (1 + (index % 3)))) * 32767) / 32768;
  });
}

/** Sizes of the golden model, as the addon takes them: 1500 positions as in every released model, the rest small. */
export const dims = {
  mels: 80,
  source: 1500,
  target: 64,
  width: 64,
  encoderLayers: 2,
  encoderHeads: 1,
  encoderFfn: 128,
  decoderLayers: 2,
  decoderHeads: 2,
  decoderFfn: 192,
  vocab: 300,
  padding: 290,
  start: 291,
};

/** Three rows of different lengths; -100 is ignored, 290 ends a row and is also the padding. */
export const batch = {
  samples: [clip(0, 40000), clip(1, 100000), clip(2, 480000)],
  time: 9,
  labels: Int32Array.from(
    [
      [292, 10, 11, 290, -100, -100, -100, -100, -100],
      [292, 5, 77, 290, 120, 9, 290, -100, -100],
      [292, 1, 2, 3, 4, 255, 256, 257, 290],
    ].flat(),
  ),
};

/** The same rows with their first two labels as a prompt that the decoder reads and does not learn. */
export const prompted = {
  ...batch,
  inputs: Int32Array.from(
    [
      [291, 292, 10, 11, 290, 290, 290, 290, 290],
      [291, 292, 5, 77, 290, 120, 9, 290, 290],
      [291, 292, 1, 2, 3, 4, 255, 256, 257],
    ].flat(),
  ),
  labels: batch.labels.map((label, i) => (i % batch.time < 2 ? -100 : label)),
};

export const seed = 7;
