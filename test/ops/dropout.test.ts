// The operation dropout of native/ops.def against its random numbers, which are written down apart in integers, on every
// instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, noise, poisoned, randn, rounded, storages, stored } from '../helpers/ops.js';
import { dropoutFactors, philox } from '../reference/philox.js';

const dropout = { rate: 0.3, key: 0x1234_5678_9abc, stream: 0x8_7654_3210 };

/** y in f32: the factor is rounded, then the product. */
const expected = (x: Float32Array, factors: Float64Array) =>
  x.map((v, i) => (factors[i] ? Math.fround(v * Math.fround(factors[i]!)) : 0));

describe('Philox', () => {
  // Random123, tests/kat_vectors: philox4x32 with 10 rounds.
  it.each([
    [0n, 0n, 0n, [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [2n ** 64n - 1n, 2n ** 64n - 1n, 2n ** 64n - 1n, [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      0x85a308d3_243f6a88n,
      0x03707344_13198a2en,
      0x299f31d0_a4093822n,
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('counter %x, stream %x, key %x', (counter, stream, key, numbers) => {
    expect(philox(counter, stream, key)).toEqual(numbers);
  });

  // A rate just below a number keeps its element, one just above drops it: what the back end draws is that number, to the
  // 24 bits that a rate has.
  it('gives the back end the same numbers', () => {
    const numbers = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
    const x = new Float32Array(4).fill(1);
    for (const { name, ops } of backends)
      for (const [i, number] of numbers.entries()) {
        const below = Math.fround((number - 256) / 2 ** 32);
        const above = Math.fround((number + 256) / 2 ** 32);
        const [kept, dropped] = [poisoned(4), poisoned(4)];
        ops.dropout!(kept, dense(x, 4), { rate: below, key: 0, stream: 0 });
        ops.dropout!(dropped, dense(x, 4), { rate: above, key: 0, stream: 0 });
        expect([kept.data[i]! > 0, dropped.data[i]], `${name}: number ${i}`).toEqual([true, 0]);
      }
  });
});

describe('dropout', () => {
  it.each([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127, 1023, 1025, 16385])('%i elements', (n) => {
    const factors = dropoutFactors(dropout, n);
    for (const from of storages) {
      const x = noise(n, 1, from);
      const wide = expected(x, factors);
      for (const to of storages) {
        const y32 = wide.map((v) => rounded(v, to));
        for (const { name, ops } of backends) {
          const y = stored(poisoned(n), to);
          ops.dropout!(y, stored(dense(x, n), from), dropout);
          expectSame(`${name}, ${from} to ${to}`, elements(y), y32);
        }
      }
      for (const { name, ops } of backends) {
        const x16 = stored(dense(x, n), from);
        ops.dropout!(x16, x16, dropout);
        const rest = wide.map((v) => rounded(v, from));
        expectSame(`${name}, ${from} in place`, elements(x16), rest);
      }
    }
  });

  // Chunks of work, and the key and the stream in all their bits: 64 of them, of which a number of JavaScript holds 53.
  it('draws far from the beginning, with long keys and streams', () => {
    const n = 70_001;
    const x = randn(n, 2);
    for (const [key, stream] of [
      [2 ** 52 + 12345, 7],
      [1, 2 ** 52 + 2 ** 33 + 3],
    ] as const) {
      const y = expected(x, dropoutFactors({ rate: 0.1, key, stream }, n));
      for (const { name, ops } of backends) {
        const actual = poisoned(n);
        ops.dropout!(actual, dense(x, n), { rate: 0.1, key, stream });
        expectSame(`${name}, key ${key}`, actual.data, y);
      }
    }
  });

  it.each([0.1, 0.5, 0.9])('drops a share of %f', (rate) => {
    const n = 1 << 18;
    for (const { name, ops } of backends) {
      const y = poisoned(n);
      ops.dropout!(y, dense(new Float32Array(n).fill(1), n), { ...dropout, rate });
      const kept = Array.from(y.data).filter((v) => v !== 0);
      // Five standard deviations of a binomial share.
      expect(Math.abs(1 - kept.length / n - rate), name).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / n));
      expect(new Set(kept), name).toEqual(new Set([Math.fround(1 / Math.fround(1 - Math.fround(rate)))]));
    }
  });

  it('is its own gradient: forward and backward keep the same elements', () => {
    const n = 5000;
    const [x, dy] = [randn(n, 1), noise(n, 2, 'f16')];
    for (const { name, ops } of backends) {
      const [y, dx] = [poisoned(n), stored(poisoned(n), 'f16')];
      ops.dropout!(y, dense(x, n), dropout);
      ops.dropout!(dx, stored(dense(dy, n), 'f16'), dropout);
      const kept = (values: ArrayLike<number>) => Array.from(values, (v) => Number(v !== 0));
      expectSame(name, kept(elements(dx)), kept(y.data));
    }
  });

  it('keeps everything at rate 0, and drops infinity and NaN like any number', () => {
    const x = Float32Array.from({ length: 64 }, (_, i) => [Infinity, Number.NaN, -0, 1][i % 4]!);
    const factors = dropoutFactors(dropout, x.length);
    for (const { name, ops } of backends) {
      const [all, some] = [poisoned(x.length), poisoned(x.length)];
      ops.dropout!(all, dense(x, x.length), { rate: 0, key: 5, stream: 6 });
      expectSame(name, all.data, x);
      ops.dropout!(some, dense(x, x.length), dropout);
      expectSame(`${name}, some`, some.data, expected(x, factors));
    }
  });

  it.each([-0.1, 1])('refuses a rate of %f', (rate) => {
    expect(() => backends[0]!.ops.dropout!(poisoned(4), dense(randn(4, 1), 4), { ...dropout, rate })).toThrow(
      /dropout: rate is .*, expected at least 0 and below 1/,
    );
  });
});
