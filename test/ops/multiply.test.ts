// The operation multiply of native/ops.def against its equation, exact, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, noise, poisoned, randn, rounded, storages, stored } from '../helpers/ops.js';

const factor = 0.3;

describe('multiply', () => {
  it.each([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 16384, 16385])('%i elements', (n) => {
    for (const from of storages) {
      const x = noise(n, 1, from);
      const expected = x.map((v) => Math.fround(v * Math.fround(factor)));
      for (const to of storages) {
        const y32 = expected.map((v) => rounded(v, to));
        for (const { name, ops } of backends) {
          const y = stored(poisoned(n), to);
          ops.multiply!(y, stored(dense(x, n), from), factor);
          expectSame(`${name}, ${from} to ${to}`, elements(y), y32);
        }
      }
      for (const { name, ops } of backends) {
        const inPlace = stored(dense(x, n), from);
        ops.multiply!(inPlace, inPlace, factor);
        const same = expected.map((v) => rounded(v, from));
        expectSame(`${name}, ${from} in place`, elements(inPlace), same);
      }
    }
  });

  it('says which operand does not fit', () => {
    const { ops } = backends[0]!;
    expect(() => ops.multiply!(poisoned(3), dense(randn(4, 1), 4), 2)).toThrow(
      'multiply: y [3], expected 4 elements',
    );
  });
});
