// The operation cast of native/ops.def, exact: every 16-bit float to f32 and back, and every place where rounding
// changes its mind, on every instruction set. Pool threads take denormals for zero in arithmetic; a cast must not.
import { describe, expect, it } from 'vitest';
import { backends, type Ops } from '../helpers/native.js';
import { dense, fromBits, halves, type Operand, poisoned, randn, stored, toBits } from '../helpers/ops.js';

type Half = (typeof halves)[number];

const infinity = { f16: 0x7c00, bf16: 0x7f80 };
const patterns = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
const isNaNPattern = (pattern: number, half: Half) => (pattern & 0x7fff) > infinity[half];

/** The bits of a half as f32. A NaN keeps sign and payload; one of f16 becomes quiet, as by the instruction vcvtph2ps. */
function widened(pattern: number, half: Half): number {
  if (half === 'bf16') return (pattern << 16) >>> 0;
  if (isNaNPattern(pattern, half))
    return (((pattern & 0x8000) << 16) | 0x7fc00000 | ((pattern & 0x3ff) << 13)) >>> 0;
  return bitsOf(fromBits(pattern, half));
}

/** The half that an f32 of these bits becomes. A NaN keeps sign and the upper bits of its payload, and becomes quiet. */
function narrowed(bits: number, half: Half): number {
  const value = numberOf(bits);
  if (!Number.isNaN(value)) return toBits(value, half);
  const sign = (bits >>> 16) & 0x8000;
  return half === 'bf16' ? (bits >>> 16) | 0x40 : sign | 0x7e00 | ((bits >>> 13) & 0x3ff);
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);
function bitsOf(x: number): number {
  float[0] = x;
  return word[0]!;
}
function numberOf(bits: number): number {
  word[0] = bits;
  return float[0]!;
}

/** f32 operands by their bits, for a Float32Array may change those of a NaN that is written as a number. */
const ofBits = (bits: Uint32Array): Operand => ({
  data: new Float32Array(bits.buffer),
  shape: [bits.length],
});
const bitsIn = ({ data }: Operand) => new Uint32Array(data.buffer, data.byteOffset, data.length);
const ofHalves = (data: Uint16Array, dtype: Half): Operand => ({ data, shape: [data.length], dtype });

function toHalves(ops: Ops, bits: Uint32Array, half: Half): Uint16Array {
  const y = ofHalves(new Uint16Array(bits.length).fill(0xffff), half);
  ops.cast!(y, ofBits(bits));
  return y.data as Uint16Array;
}

function expectBits(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, of = expected) {
  const hex = (n: number) => `0x${n.toString(16)}`;
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (actual[i] !== expected[i])
      expect.fail(`${what}: ${hex(of[i]!)} became ${hex(actual[i]!)}, expected ${hex(expected[i]!)}`);
}

/** The f32 halfway between neighbouring halves, of either sign, and those beside it. */
function midpoints(half: Half): Uint32Array {
  const bits: number[] = [];
  for (let low = 0; low < infinity[half]; low++) {
    // Above the largest half lies what would be the next: its midpoint is where infinity begins (65520 for f16).
    const step = fromBits(low, half) - fromBits(Math.max(0, low - 1), half);
    const next = low + 1 < infinity[half] ? fromBits(low + 1, half) : fromBits(low, half) + step;
    const middle = bitsOf((fromBits(low, half) + next) / 2);
    for (const magnitude of [middle - 1, middle, middle + 1]) bits.push(magnitude, magnitude + 2 ** 31);
  }
  return Uint32Array.from(bits);
}

describe.each(halves)('cast and %s', (half) => {
  const wide = Uint32Array.from(patterns, (pattern) => widened(pattern, half));

  it('every one of its numbers to f32, exactly', () => {
    for (const { name, ops } of backends) {
      const y = ofBits(new Uint32Array(patterns.length).fill(0x7fedcba9));
      ops.cast!(y, ofHalves(patterns, half));
      expectBits(name, bitsIn(y), wide, patterns);
    }
  });

  it('and back', () => {
    const expected = patterns.map((pattern) =>
      isNaNPattern(pattern, half) ? pattern | (half === 'f16' ? 0x200 : 0x40) : pattern,
    );
    for (const { name, ops } of backends) expectBits(name, toHalves(ops, wide, half), expected, wide);
  });

  it('rounds to nearest, ties to even, on either side of every midpoint', () => {
    const bits = midpoints(half);
    const expected = Uint16Array.from(bits, (b) => narrowed(b, half));
    for (const { name, ops } of backends) expectBits(name, toHalves(ops, bits, half), expected, bits);
  });

  it('zeros, denormals, the largest numbers, infinities and NaN of f32', () => {
    const chosen = [
      ...[0, 1, 2, 0x7fffff, 0x800000, 0x33000000, 0x33000001, 0x387fffff, 0x38800000, 0x3f800000],
      ...[65504, 65519.99, 65520, 65535.99, 65536, 1e-45, 2 ** -24, 2 ** -25, 2 ** -14, 3.4e38].map(bitsOf),
      ...[0x7f7f7fff, 0x7f7f8000, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fa00000, 0x7fc00000, 0x7fffffff],
    ];
    // All together and each alone: in whole vectors and in part of one.
    const bits = Uint32Array.from([...chosen, ...chosen.map((b) => b + 2 ** 31)]);
    const expected = Uint16Array.from(bits, (b) => narrowed(b, half));
    expect(narrowed(bitsOf(65519.99), 'f16')).toBe(0x7bff);
    expect(narrowed(bitsOf(65520), 'f16')).toBe(0x7c00);
    for (const { name, ops } of backends) {
      expectBits(name, toHalves(ops, bits, half), expected, bits);
      for (const [i, one] of bits.entries())
        expectBits(`${name}, alone`, toHalves(ops, Uint32Array.of(one), half), [expected[i]!], [one]);
    }
  });

  it('the other 16 bits, rounded once', () => {
    const other = half === 'f16' ? 'bf16' : 'f16';
    const expected = patterns.map((pattern) => narrowed(widened(pattern, half), other));
    for (const { name, ops } of backends) {
      const y = ofHalves(new Uint16Array(patterns.length), other);
      ops.cast!(y, ofHalves(patterns, half));
      expectBits(name, y.data, expected, patterns);
    }
  });

  it.each([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 16385])('%i numbers and nothing behind', (n) => {
    const x = randn(n, 1);
    const expected = Array.from(x, (v) => toBits(v, half));
    for (const { name, ops } of backends) {
      const data = new Uint16Array(n + 40).fill(0xabcd);
      ops.cast!({ data, shape: [n], offset: 1, dtype: half }, dense(x, n));
      expectBits(name, data, [0xabcd, ...expected, ...Array(39).fill(0xabcd)]);
    }
  });
});

describe('cast', () => {
  it('copies f32 bit for bit, denormals and NaN too', () => {
    const bits = Uint32Array.from({ length: 40_000 }, (_, i) => i * 0x1a2b3);
    for (const { name, ops } of backends) {
      const y = ofBits(new Uint32Array(bits.length));
      ops.cast!(y, ofBits(bits));
      expectBits(name, bitsIn(y), bits);
    }
  });

  it('refuses integers, and lengths that differ', () => {
    const { ops } = backends[0]!;
    const x = stored(dense(randn(3, 1), 3), 'f16');
    expect(() => ops.cast!({ data: new Int32Array(3), shape: [3] }, x)).toThrow(
      'cast: y is I32, expected a float',
    );
    expect(() => ops.cast!(poisoned(4), x)).toThrow('cast: y [4], expected 3 elements');
  });
});
