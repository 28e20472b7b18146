// The 8-bit code of Adam's moments: what codes stand for, and the nearest code of a number (Dettmers, arXiv:1511.04561;
// bitsandbytes functional.py: create_dynamic_map; in the engine native/core/dynamic_map.h).

/** Elements of a block: they share one largest magnitude, by which they are divided. */
export const BLOCK = 256;
/** The same in bitsandbytes before 0.44. */
export const OLD_BLOCK = 2048;
/** Of f32; the engine takes what is smaller for zero. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * The numbers of the 256 codes, sorted: 0 and 1, and seven decades of which each has twice as many numbers as the one
 * below it; signed for Adam's first moment, where 0 is code 127, unsigned for its second, where it is code 0.
 *
 * The bits are torch's: a decade is split at `torch.linspace(0.1, 1, n + 1)`, which goes from the nearer end and rounds
 * once per point (aten/native/cpu/RangeFactoriesKernel.cpp, with a fused multiply-add). Products of 24 and 8 bits and
 * their sums are exact in double, so that one `fround` is that rounding.
 */
export function dynamicMap(isSigned: boolean): Float32Array {
  const { fround } = Math;
  const map = new Float32Array(256);
  const zero = isSigned ? 127 : 0;
  const first = fround(0.1);
  let at = zero + 1;
  for (let decade = 0; decade < 7; decade++) {
    const n = 2 ** (isSigned ? decade : decade + 1);
    const step = fround(fround(1 - first) / n);
    const boundary = (k: number) => fround(k < (n + 1) >> 1 ? first + step * k : 1 - step * (n - k));
    for (let k = 0; k < n; k++, at++) {
      const mean = fround(fround(boundary(k) + boundary(k + 1)) / 2);
      map[at] = fround(10 ** (decade - 6)) * mean;
      if (isSigned) map[2 * zero - at] = -map[at]!;
    }
  }
  map[255] = 1;
  return map;
}

/**
 * What codes stand for: `map[code]·absmax[block]`, rounded to f32.
 *
 * @param block elements of a block
 */
export function dequantize(
  codes: Uint8Array,
  absmax: Float32Array,
  map: Float32Array,
  block: number,
): Float32Array {
  return Float32Array.from(codes, (code, i) => map[code]! * absmax[Math.floor(i / block)]!);
}

/**
 * The nearest codes, in blocks of 256, with the rules of the engine's operation `quantize` (native/cpu/nearest_code.h):
 * halfway between two the even code; of a negative number, however small, a negative one; a block that is zero or denormal
 * is zero; a block with a number that is not finite decodes to NaN.
 */
export function quantize(
  values: Float32Array,
  isSigned: boolean,
): { codes: Uint8Array; absmax: Float32Array } {
  const map = dynamicMap(isSigned);
  const zero = map.indexOf(0);
  // As bitsandbytes computes the middles: one sum in f32, whose half is exact.
  const middles = Float32Array.from(map.subarray(1), (next, i) => Math.fround(map[i]! + next) / 2);
  const codes = new Uint8Array(values.length).fill(zero);
  const absmax = new Float32Array(Math.ceil(values.length / BLOCK));
  for (let i = 0; i < absmax.length; i++) {
    const from = i * BLOCK;
    const part = values.subarray(from, from + BLOCK);
    const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (!Number.isFinite(largest)) absmax[i] = Number.NaN;
    if (!Number.isFinite(largest) || largest < SMALLEST_NORMAL) continue;
    absmax[i] = largest;
    part.forEach((value, j) => {
      const code = nearest(Math.fround(value / largest), middles);
      codes[from + j] = isSigned && value < 0 ? Math.min(code, zero - 1) : code;
    });
  }
  return { codes, absmax };
}

/** How many middles lie below a number; of a middle itself, the even code beside it. */
function nearest(value: number, middles: Float32Array): number {
  let low = 0;
  let high = middles.length;
  while (low < high) {
    const at = (low + high) >> 1;
    if (middles[at]! < value) low = at + 1;
    else high = at;
  }
  return middles[low] === value && low % 2 === 1 ? low + 1 : low;
}
