// The operations quantize and dequantize of native/ops.def: codes of the dynamic map are exactly those of the nearest
// numbers, on every instruction set.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, poisoned, randn, uniform } from '../helpers/ops.js';
import { block, codeOf, decode, dynamicMap, middles, normalised, zeroCode } from '../reference/eight-bit.js';

const maps = [
  ['signed', true],
  ['unsigned', false],
] as const;

function quantize(ops: Ops, x: ArrayLike<number>, isSigned: boolean) {
  const n = x.length;
  const codes = { data: new Uint8Array(n).fill(99), shape: [n] };
  const absmax = poisoned(Math.ceil(n / block));
  ops.quantize!(codes, absmax, dense(Float32Array.from(x), n), isSigned);
  return { codes: codes.data, absmax: absmax.data as Float32Array };
}

function dequantize(ops: Ops, codes: Uint8Array, absmax: Float32Array, map: Float32Array, size: number) {
  const x = poisoned(codes.length);
  ops.dequantize!(
    ...[x, { data: codes, shape: [codes.length] }, dense(absmax, absmax.length), dense(map, 256)],
    size,
  );
  return x.data as Float32Array;
}

/** The codes of numbers in [-1, 1], each in a block whose largest is 1. */
function codesOf(ops: Ops, y: number[], isSigned: boolean): number[] {
  const rows = Math.ceil(y.length / (block - 1));
  const x = new Float32Array(rows * block);
  for (let r = 0; r < rows; r++) x.set([1, ...y.slice(r * (block - 1), (r + 1) * (block - 1))], r * block);
  const { codes } = quantize(ops, x, isSigned);
  return y.map((_, i) => codes[Math.floor(i / (block - 1)) * block + 1 + (i % (block - 1))]!);
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);
/** The f32 that many steps further from zero. */
const next = (x: number, steps: number) => {
  float[0] = x;
  bits[0]! += steps;
  return float[0]!;
};

describe('the dynamic map', () => {
  it.each([
    [true, 'e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c'],
    [false, '305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398'],
  ])("is bitsandbytes', bit by bit (signed: %s)", (isSigned, hash) => {
    const bytes = new Uint8Array(dynamicMap(isSigned).buffer);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash);
  });

  // The engine's own maps, seen through a step without a gradient: half the moment is left, and here is its absmax.
  it.each(maps)("is the engine's, bit by bit: %s", (_, isSigned) => {
    for (const { name, ops } of backends) {
      const n = 256 * block;
      const codes = Uint8Array.from({ length: n }, (_, i) =>
        i % block === 0 ? i / block : zeroCode(isSigned),
      );
      const others = new Uint8Array(n).fill(zeroCode(!isSigned));
      const absmax = dense(new Float32Array(256).fill(1), 256);
      const zeros = () => dense(new Float32Array(n), n);
      const [m, v] = isSigned ? [codes, others] : [others, codes];
      const empty = dense(new Float32Array(256), 256);
      const [mAbsmax, vAbsmax] = isSigned ? [absmax, empty] : [empty, absmax];
      const step = { lr: 1, beta1: 0.5, beta2: 0.5, eps: 1, t: 1 };
      ops.adamw8bit!(
        ...[zeros(), { data: m, shape: [n] }, { data: v, shape: [n] }, mAbsmax, vAbsmax, zeros()],
        ...[dense(Float32Array.of(1), 1), step, false, null],
      );
      const expected = dynamicMap(isSigned).map((x) => Math.abs(x) / 2);
      expect(absmax.data, name).toEqual(expected);
    }
  });
});

describe.each(maps)('codes of the %s map', (_, isSigned) => {
  const map = dynamicMap(isSigned);

  it('are those of the numbers themselves', () => {
    for (const { name, ops } of backends)
      expect(codesOf(ops, [...map], isSigned), name).toEqual(Array.from(map, (_, code) => code));
  });

  it('change at the middles, where the even one is taken', () => {
    const between = [...middles(isSigned)];
    const [below, above] = [-1, 1].map((side) => between.map((x) => next(x, Math.sign(x) * side)));
    const expected = {
      below: between.map((_, i) => i),
      at: between.map((_, i) => i + (i % 2)),
      above: between.map((_, i) => i + 1),
    };
    // What is negative has a negative code.
    if (isSigned) expected.above[126] = 126;
    for (const { name, ops } of backends) {
      expect(codesOf(ops, below!, isSigned), `${name}: below`).toEqual(expected.below);
      expect(codesOf(ops, between, isSigned), `${name}: at`).toEqual(expected.at);
      expect(codesOf(ops, above!, isSigned), `${name}: above`).toEqual(expected.above);
    }
  });

  it('are of the nearest number, by its distance in float64', () => {
    const random = uniform(7);
    const sign = () => (isSigned && random() < 0.5 ? -1 : 1);
    const y = Array.from({ length: 20_000 }, (_, i) =>
      Math.fround(sign() * (i % 2 ? random() : 10 ** (-8 * random()))),
    );
    const atMiddle = new Set(middles(isSigned));
    const nearest = (x: number) => {
      const code = map.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(map[best]! - x) ? i : best), 0);
      return isSigned && x < 0 ? Math.min(code, 126) : code;
    };
    const expected = y.map((x) => (atMiddle.has(x) ? codeOf(x, isSigned) : nearest(x)));
    for (const { name, ops } of backends) expect(codesOf(ops, y, isSigned), name).toEqual(expected);
  });

  it.each([1, 2, 15, 16, 17, 31, 33, 255, 256, 257, 511, 1000, 17_000])('of %i elements of any size', (n) => {
    for (const scale of [1e-30, 1e-9, 1, 3e20]) {
      const x = randn(n, n, scale).map((v) => (isSigned ? v : Math.abs(v)));
      const { y, absmax } = normalised(x);
      const expected = Uint8Array.from(y, (v) => codeOf(v, isSigned));
      for (const { name, ops } of backends) {
        const actual = quantize(ops, x, isSigned);
        expectSame(`${name}, scale ${scale}: codes`, actual.codes, expected);
        expectSame(`${name}, scale ${scale}: absmax`, actual.absmax, absmax);
      }
    }
  });

  it('of zeros are that of zero, beside others and in a block of their own', () => {
    const zero = zeroCode(isSigned);
    for (const { name, ops } of backends) {
      expect(codesOf(ops, [0, -0, 1e-9], isSigned), name).toEqual([zero, zero, zero]);
      for (const nothing of [0, -0, 1e-40]) {
        const { codes, absmax } = quantize(ops, Array(300).fill(nothing), isSigned);
        expect([...new Set(codes), ...absmax], name).toEqual([zero, 0, 0]);
      }
    }
  });

  it.each([Number.NaN, Infinity, -Infinity])('let a block with %f decode to NaN, and no other', (wrong) => {
    for (const { name, ops } of backends) {
      const { codes, absmax } = quantize(ops, [...Array(block).fill(1), 0.5, wrong, 0.5], isSigned);
      expect([...absmax], name).toEqual([1, Number.NaN]);
      const x = dequantize(ops, codes as Uint8Array, absmax, map, block);
      expect([...new Set(x)], name).toEqual([1, Number.NaN]);
    }
  });
});

describe('dequantize', () => {
  it.each([
    [256, 2048],
    [3000, 2048],
    [5000, 256],
    [600, 7],
    [5, 1],
    [40_000, 256],
    [20_000, 100_000],
  ])('%i elements in blocks of %i, of any map', (n, size) => {
    const map = randn(256, 1);
    const codes = Uint8Array.from({ length: n }, (_, i) => (i * 7919) % 256);
    const absmax = randn(Math.ceil(n / size), 2);
    const expected = Float32Array.from(codes, (code, i) => map[code]! * absmax[Math.floor(i / size)]!);
    for (const { name, ops } of backends)
      expectSame(name, dequantize(ops, codes, absmax, map, size), expected);
  });

  it('gives back what quantize was given, to half the gap of the map', () => {
    const x = randn(2000, 3);
    for (const { name, ops } of backends) {
      const { codes, absmax } = quantize(ops, x, true);
      const back = dequantize(ops, codes as Uint8Array, absmax, dynamicMap(true), block);
      expect(back, name).toEqual(decode(codes as Uint8Array, absmax, true));
      const error = (i: number) => Math.abs(back[i]! - x[i]!) / absmax[Math.floor(i / block)]!;
      expect(Math.max(...x.map((_, i) => error(i))), name).toBeLessThan(0.0141 / 2 + 1e-6);
    }
  });

  it('refuses blocks of nothing and operands that do not fit', () => {
    const { ops } = backends[0]!;
    const [codes, map] = [{ data: new Uint8Array(300), shape: [300] }, poisoned(256)];
    expect(() => ops.dequantize!(poisoned(300), codes, poisoned(2), map, 0)).toThrow('block is 0');
    expect(() => ops.dequantize!(poisoned(300), codes, poisoned(1), map, 256)).toThrow(
      'dequantize: absmax [1]',
    );
    expect(() => ops.dequantize!(poisoned(300), codes, poisoned(2), poisoned(255), 256)).toThrow('map [255]');
    expect(() => ops.quantize!(codes, poisoned(1), poisoned(300), true)).toThrow('quantize: absmax [1]');
    expect(() => ops.quantize!(poisoned(300), poisoned(2), poisoned(300), true)).toThrow('codes is F32');
  });
});
