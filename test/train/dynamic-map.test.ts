// The 8-bit code: its numbers bit for bit, and the nearest code of every number that is close to a boundary.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../src/data/random.js';
import { BLOCK, dequantize, dynamicMap, quantize } from '../../src/train/exchange/dynamic-map.js';
import { backends } from '../helpers/native.js';
import { dense, poisoned, uniform } from '../helpers/ops.js';

const maps = [
  // Of the maps that bitsandbytes makes with torch: 256 little-endian f32.
  { isSigned: true, zero: 127, digest: 'e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c' },
  { isSigned: false, zero: 0, digest: '305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398' },
];

describe.each(maps)('the map, signed: $isSigned', ({ isSigned, zero, digest }) => {
  const map = dynamicMap(isSigned);

  it('is bitsandbytes’', () => {
    expect(createHash('sha256').update(map).digest('hex')).toBe(digest);
    expect(map[zero]).toBe(0);
  });

  /** The nearest code by trying all; of two that are equally near the even one, of a negative number a negative one. */
  const nearest = (value: number): number => {
    let best = 0;
    for (let code = 1; code < (value < 0 ? zero : 256); code++) {
      const [d, least] = [Math.abs(map[code]! - value), Math.abs(map[best]! - value)];
      if (d < least || (d === least && code % 2 === 0)) best = code;
    }
    return best;
  };

  it('gives each number its own code back', () => {
    expect([...quantize(map, isSigned).codes]).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  it('gives the nearest code on both sides of every boundary, and the even one on it', () => {
    const bits = new DataView(new ArrayBuffer(4));
    const neighbour = (value: number, ulps: number): number => {
      bits.setFloat32(0, value);
      bits.setInt32(0, bits.getInt32(0) + ulps);
      return bits.getFloat32(0);
    };
    for (let i = 0; i < 255; i++) {
      const middle = Math.fround(map[i]! + map[i + 1]!) / 2;
      const below = neighbour(middle, middle < 0 ? 1 : -1);
      const above = neighbour(middle, middle < 0 ? -1 : 1);
      // The 1 makes the largest magnitude of the block, so that the others are not scaled.
      const { codes } = quantize(Float32Array.of(1, below, middle, above), isSigned);
      const even = i % 2 === 0 ? i : i + 1;
      // What is above the highest negative middle is negative still.
      const next = above < 0 && i + 1 === zero ? i : i + 1;
      expect([...codes], `between codes ${i} and ${i + 1}`).toEqual([255, i, even, next]);
    }
  });

  it('codes what is within a block by its largest magnitude', () => {
    const random = new RandomStream(5, 0);
    const values = Float32Array.from({ length: 3 * BLOCK + 17 }, (_, i) => {
      const value = (random.below(2 ** 24) / 2 ** 24) ** 4 * 10 ** Math.floor(i / BLOCK);
      return isSigned && random.below(2) === 0 ? -value : value;
    });
    const { codes, absmax } = quantize(values, isSigned);
    expect(absmax).toHaveLength(4);
    const decoded = dequantize(codes, absmax, map, BLOCK);
    for (const [i, value] of values.entries()) {
      const largest = Math.max(...values.subarray(i - (i % BLOCK), i - (i % BLOCK) + BLOCK).map(Math.abs));
      expect(absmax[Math.floor(i / BLOCK)]).toBe(largest);
      expect(codes[i]).toBe(nearest(Math.fround(value / largest)));
      expect(decoded[i]).toBe(Math.fround(map[codes[i]!]! * largest));
    }
  });

  it('decodes to NaN where a number was not finite, and to zero where all were denormal', () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { codes, absmax } = quantize(Float32Array.of(1, wrong), isSigned);
      expect([...dequantize(codes, absmax, map, BLOCK)]).toEqual([Number.NaN, Number.NaN]);
    }
    expect([...quantize(Float32Array.of(2 ** -127, 2 ** -149), isSigned).absmax]).toEqual([0]);
    expect([...quantize(Float32Array.of(2 ** -126), isSigned).absmax]).toEqual([2 ** -126]);
  });

  it('is the engine’s, code by code', () => {
    const random = uniform(9);
    const values = Float32Array.from({ length: 40 * BLOCK + 3 }, () => {
      const value = random() ** 3 * 10 ** Math.floor(-8 * random());
      return isSigned && random() < 0.5 ? -value : value;
    });
    const own = quantize(values, isSigned);
    for (const { name, ops } of backends) {
      const codes = { data: new Uint8Array(values.length), shape: [values.length] };
      const absmax = poisoned(own.absmax.length);
      ops.quantize!(codes, absmax, dense(values, values.length), isSigned);
      expect(Buffer.from(codes.data).equals(own.codes), name).toBe(true);
      expect(absmax.data, name).toEqual(own.absmax);
      const decoded = poisoned(values.length);
      ops.dequantize!(decoded, codes, absmax, dense(map, 256), BLOCK);
      expect(decoded.data, name).toEqual(dequantize(own.codes, own.absmax, map, BLOCK));
    }
  });

  it('codes zeros as zeros', () => {
    const values = new Float32Array(BLOCK + 3);
    values[BLOCK] = 2;
    const { codes, absmax } = quantize(values, isSigned);
    expect([...absmax]).toEqual([0, 2]);
    expect([...dequantize(codes, absmax, map, BLOCK)]).toEqual([...values]);
    expect(new Set(codes.subarray(0, BLOCK))).toEqual(new Set([zero]));
  });
});

it('never makes zero of a negative number', () => {
  expect([...quantize(Float32Array.of(1, -1e-30, 1e-30), true).codes]).toEqual([255, 126, 127]);
});
