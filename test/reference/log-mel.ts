// Whisper's log-mel features in float64, by the definition: a plain Fourier sum per bin.

const FRAME = 400;
const HOP = 160;
const BINS = FRAME / 2 + 1;

/** Hz of a mel on the Slaney scale (librosa.mel_to_hz). */
function hertz(mel: number): number {
  return mel < 15 ? (200 * mel) / 3 : 1000 * Math.exp(((mel - 15) * Math.log(6.4)) / 27);
}

/** `[mels][201]` triangles of unit area, with librosa's roundings to f32 (librosa.filters.mel). */
export function melFilters(mels: number): Float32Array[] {
  const highest = 15 + (27 * Math.log(8)) / Math.log(6.4);
  const edges = Array.from({ length: mels + 2 }, (_, i) => hertz((highest * i) / (mels + 1)));
  return Array.from({ length: mels }, (_, m) => {
    const [low, peak, high] = edges.slice(m, m + 3) as [number, number, number];
    return Float32Array.from({ length: BINS }, (_, k) => {
      const triangle = Math.min((40 * k - low) / (peak - low), (high - 40 * k) / (high - peak));
      return Math.fround(Math.max(0, triangle)) * (2 / (high - low));
    });
  });
}

/** `[floor(n / 160)][mels]`; more than 200 samples. */
export function logMel(samples: ArrayLike<number>, mels: number): Float64Array[] {
  const n = samples.length;
  const filters = melFilters(mels);
  const circle = Array.from({ length: FRAME }, (_, j) => (2 * Math.PI * j) / FRAME);
  const cosine = circle.map(Math.cos);
  const sine = circle.map(Math.sin);
  let largest = -10;
  const rows = Array.from({ length: Math.floor(n / HOP) }, (_, t) => {
    const frame = Float64Array.from({ length: FRAME }, (_, i) => {
      const at = Math.abs(t * HOP - FRAME / 2 + i); // mirrored at both ends
      return samples[at < n ? at : 2 * (n - 1) - at]! * (0.5 - 0.5 * cosine[i]!);
    });
    const power = Float64Array.from({ length: BINS }, (_, k) => {
      let re = 0;
      let im = 0;
      for (let i = 0; i < FRAME; i++) {
        re += frame[i]! * cosine[(i * k) % FRAME]!;
        im += frame[i]! * sine[(i * k) % FRAME]!;
      }
      return re * re + im * im;
    });
    return Float64Array.from(filters, (filter) => {
      const energy = filter.reduce((sum, weight, k) => sum + weight * power[k]!, 0);
      const logarithm = Math.log10(Math.max(energy, 1e-10));
      largest = Math.max(largest, logarithm);
      return logarithm;
    });
  });
  return rows.map((row) => row.map((x) => (Math.max(x, largest - 8) + 4) / 4));
}
