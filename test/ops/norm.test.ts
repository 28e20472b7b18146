// The operation norm of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { expectSame, expectWithin, rounding } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, poisoned, randn } from '../helpers/ops.js';

describe('norm', () => {
  // The sum is in double, so the result is the rounded square root, give or take the last bit.
  it.each([1, 2, 3, 7, 16, 31, 32, 33, 100, 65535, 65536, 65537, 200003])('%i elements', (n) => {
    const x = randn(n, 1);
    const expected = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
    const first = poisoned(1);
    backends[0]!.ops.norm!(first, dense(x, n));
    for (const { name, ops } of backends) {
      const norm = poisoned(1);
      ops.norm!(norm, dense(x, n));
      expectWithin(name, norm.data, [expected], [2 * rounding * expected]);
      if (name.startsWith('cpu'))
        expectSame(`${name}: the same for every instruction set`, norm.data, first.data);
    }
  });

  it('survives squares that no float holds, and shows infinity and NaN', () => {
    for (const { name, ops } of backends) {
      const norm = poisoned(1);
      ops.norm!(norm, dense(Float32Array.from([3e30, 4e30]), 2));
      expectWithin(name, norm.data, [5e30], [2 * rounding * 5e30]);
      ops.norm!(norm, dense(Float32Array.from([3e-30, 4e-30]), 2));
      expectWithin(name, norm.data, [5e-30], [2 * rounding * 5e-30]);
      ops.norm!(norm, dense(Float32Array.from([1, Number.NaN, 2]), 3));
      expect(norm.data[0], name).toBeNaN();
      ops.norm!(norm, dense(Float32Array.from([1, -Infinity]), 2));
      expect(norm.data[0], name).toBe(Infinity);
    }
  });
});

describe('clipScale', () => {
  it.each([
    [2, 1, 1 / (2 + 1e-6)],
    [0.5, 1, 1],
    [1, 1, 1 / (1 + 1e-6)],
    [1e-30, 1, 1],
    [0, 1, 1],
    [100, 0, 1],
    [3e30, 1, 1 / 3e30],
    // Nothing of such gradients is to be used.
    [Infinity, 0, 0],
    [Infinity, 1, 0],
    [Number.NaN, 0, 0],
    [Number.NaN, 1, 0],
    // The factor would not be a normal f32.
    [3e33, 1e-10, 0],
  ])('norm %f, at most %f: %f', (value, maxNorm, expected) => {
    for (const { name, ops } of backends) {
      const scale = poisoned(1);
      ops.clipScale!(scale, dense(Float32Array.from([value]), 1), null, maxNorm, 1);
      expectWithin(name, scale.data, [expected], [2 * rounding * expected]);
      // Gradients of a scaled loss: the scale goes with the same multiplication.
      ops.clipScale!(scale, dense(Float32Array.from([1024 * value]), 1), null, maxNorm, 1024);
      expectWithin(`${name}, scaled`, scale.data, [expected / 1024], [(2 * rounding * expected) / 1024]);
    }
  });

  it.each([1, 5, 1000])('is 0 when one of %i losses is not finite', (n) => {
    for (const { name, ops } of backends) {
      const [scale, norm] = [poisoned(1), dense(Float32Array.of(0.5), 1)];
      const losses = randn(n, 1);
      ops.clipScale!(scale, norm, dense(losses, n), 1, 2);
      expect(scale.data[0], name).toBe(0.5);
      for (const wrong of [Number.NaN, Infinity, -Infinity])
        for (const at of new Set([0, n >> 1, n - 1])) {
          const spoilt = losses.with(at, wrong);
          ops.clipScale!(scale, norm, dense(spoilt, n), 1, 2);
          expect(scale.data[0], `${name}, ${wrong} at ${at}`).toBe(0);
        }
    }
  });
});
