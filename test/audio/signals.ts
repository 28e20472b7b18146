// Signals for the tests of audio, made by formulas.

export const sine = (n: number, hertz: number, rate: number, amplitude = 1, phase = 0): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate + phase));

/** A tone that rises from one frequency to another. */
export const chirp = (n: number, low: number, high: number, rate: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => {
    const t = i / rate;
    return 0.9 * Math.sin(2 * Math.PI * (low * t + ((high - low) * t * t * rate) / (2 * n)));
  });

/** Uniform in [-1, 1), of 16 bits, so that every language computes the same (Numerical Recipes' generator). */
export function noise(n: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) / 32768 - 1;
  });
}

/** Noise that halves every 800 samples and starts loud again after ten halvings, as speech does between its pauses. */
export const bursts = (n: number, seed = 1): Float32Array =>
  noise(n, seed).map((x, i) => x / 2 ** (Math.floor(i / 800) % 10));

export const clicks = (n: number, every: number): Float32Array =>
  Float32Array.from({ length: n }, (_, i) => (i % every === every - 1 ? 1 : 0));

/** Followed by silence up to n samples. */
export function padded(samples: Float32Array, n: number): Float32Array {
  const to = new Float32Array(n);
  to.set(samples);
  return to;
}
