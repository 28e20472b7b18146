// 8-bit moments (Dettmers et al., arXiv:2110.02861): the dynamic map, codes, and AdamW with them, in float64 but for what
// the code itself defines in f32: the map, the middles between its numbers, and quotients.
import { type AdamwStep, adamw } from './adamw.js';

export const block = 256;

/** The code of 0. */
export const zeroCode = (isSigned: boolean) => (isSigned ? 127 : 0);

/** The 256 numbers, sorted (bitsandbytes functional.py: create_dynamic_map, torch.linspace), made once. */
export const dynamicMap: (isSigned: boolean) => Float32Array = (
  (maps) => (isSigned) =>
    maps[+isSigned]!
)([makeMap(false), makeMap(true)]);

function makeMap(isSigned: boolean): Float32Array {
  const { fround } = Math;
  const positive: number[] = [];
  for (let decade = 0; decade < 7; decade++) {
    const n = 2 ** (isSigned ? decade : decade + 1);
    const step = fround(fround(1 - fround(0.1)) / n);
    // Exact in float64, so that fround is the only rounding, as in a fused multiply-add.
    const boundary = (k: number) =>
      fround(k < Math.floor((n + 1) / 2) ? fround(0.1) + step * k : 1 - step * (n - k));
    for (let k = 0; k < n; k++) {
      const mean = fround(fround(boundary(k) + boundary(k + 1)) / 2);
      positive.push(fround(fround(10 ** (decade - 6)) * mean));
    }
  }
  const negative = isSigned ? positive.map((x) => -x) : [];
  return Float32Array.from([...negative, 0, ...positive, 1].sort((a, b) => a - b));
}

/** Between codes i and i + 1, rounded to f32. */
export const middles = (isSigned: boolean): Float32Array => {
  const map = dynamicMap(isSigned);
  return Float32Array.from({ length: 255 }, (_, i) => Math.fround(map[i]! + map[i + 1]!) / 2);
};

const searched = [middles(false), middles(true)];

/** The code of y in [-1, 1]: that of the nearest number, at a middle the even one, never that of 0 for a negative y. */
export function codeOf(y: number, isSigned: boolean): number {
  const between = searched[+isSigned]!;
  let code = 0;
  for (let half = 128; half >= 1; half /= 2) if (between[code + half - 1]! < y) code += half;
  if (between[code] === y) code += code % 2;
  return isSigned && y < 0 ? Math.min(code, 126) : code;
}

/** How far y, in [-1, 1], is from the nearest middle. */
export function distanceToMiddle(y: number, isSigned: boolean): number {
  return searched[+isSigned]!.reduce((least, middle) => Math.min(least, Math.abs(y - middle)), 1);
}

/** x over the largest magnitude of its block, in f32, and those magnitudes. */
export function normalised(x: Float32Array): { y: Float32Array; absmax: Float32Array } {
  const absmax = new Float32Array(Math.ceil(x.length / block));
  for (const [i, value] of x.entries()) {
    const at = Math.floor(i / block);
    absmax[at] = Math.max(absmax[at]!, Math.abs(value));
  }
  return { y: x.map((value, i) => value / (absmax[Math.floor(i / block)]! || 1)), absmax };
}

export function decode(codes: Uint8Array, absmax: Float32Array, isSigned: boolean): Float32Array {
  const map = dynamicMap(isSigned);
  return Float32Array.from(codes, (code, i) => map[code]! * absmax[Math.floor(i / block)]!);
}

export interface EightBitState {
  value: Float64Array;
  m: Uint8Array;
  v: Uint8Array;
  mAbsmax: Float32Array;
  vAbsmax: Float32Array;
}

/** One update; `y` holds the fresh moments as they are coded, for a test to see how near to a middle they are. */
export function adamw8bit(
  state: EightBitState,
  grad: Float64Array,
  scale: number,
  step: AdamwStep,
  guard = false,
): EightBitState & { y: { m: Float32Array; v: Float32Array } } {
  const finite = Array.from(grad, (g) => Number.isFinite(Math.fround((g * scale) ** 2 * (1 - step.beta2))));
  const fresh = adamw(
    {
      value: state.value,
      m: Float64Array.from(decode(state.m, state.mAbsmax, true)),
      v: Float64Array.from(decode(state.v, state.vAbsmax, false)),
      grad: grad.map((g, i) => (finite[i] ? g : 0)),
      scale: Float64Array.of(scale),
    },
    step,
  );
  const kept = (x: Float64Array) => Float32Array.from(x, (value, i) => (finite[i] ? value : 0));
  const m = normalised(kept(fresh.m));
  const v = normalised(kept(fresh.v));
  const vCodes = Uint8Array.from(v.y, (y) => codeOf(y, false));
  return {
    value: fresh.value.map((p, i) => (finite[i] ? p : state.value[i]!)),
    m: Uint8Array.from(m.y, (y, i) => (guard && vCodes[i] === 0 ? 127 : codeOf(y, true))),
    v: vCodes,
    mAbsmax: m.absmax,
    vAbsmax: v.absmax,
    y: { m: m.y, v: v.y },
  };
}
