// The operation add of native/ops.def against its equation in float64, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, halves, noise, poisoned, randn, stored } from '../helpers/ops.js';

const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 16384, 16385, 50001];

describe('add', () => {
  it.each(sizes)('%i elements, apart and in place', (n) => {
    const [x, y] = [randn(n, 1), randn(n, 2)];
    const expected = x.map((v, i) => v + y[i]!);
    for (const { name, ops } of backends) {
      const z = poisoned(n);
      ops.add!(z, dense(x, n), dense(y, n));
      expectSame(name, z.data, expected);
      const inX = dense(x, n);
      ops.add!(inX, inX, dense(y, n));
      expectSame(`${name}: z is x`, inX.data, expected);
      const inY = dense(y, n);
      ops.add!(inY, dense(x, n), inY);
      expectSame(`${name}: z is y`, inY.data, expected);
    }
  });

  it.each(sizes.flatMap((n) => halves.map((storage) => [n, storage] as const)))(
    '%i elements, y in %s',
    (n, storage) => {
      const [x, y] = [randn(n, 1), noise(n, 2, storage)];
      const expected = x.map((v, i) => v + y[i]!);
      for (const { name, ops } of backends) {
        const z = poisoned(n);
        ops.add!(z, dense(x, n), stored(dense(y, n), storage));
        expectSame(name, z.data, expected);
        const inX = dense(x, n);
        ops.add!(inX, inX, stored(dense(y, n), storage));
        expectSame(`${name}: z is x`, inX.data, expected);
      }
    },
  );

  it('says which operand does not fit', () => {
    const { ops } = backends[0]!;
    expect(() => ops.add!(poisoned(4), dense(randn(4, 1), 4), dense(randn(5, 1), 5))).toThrow(
      'add: y [5], expected 4 elements',
    );
    expect(() => ops.add!(poisoned(4), stored(dense(randn(4, 1), 4), 'f16'), dense(randn(4, 1), 4))).toThrow(
      'add: x is F16, expected F32',
    );
  });
});

describe('addPositions', () => {
  it.each([
    [1, 1, 1, 1],
    [2, 3, 5, 3],
    [3, 7, 17, 9],
    [2, 65, 384, 65],
  ])('batch %i, time %i, width %i, table of %i', (batch, time, width, rows) => {
    const [x, table] = [randn(batch * time * width, 1), randn(rows * width, 2)];
    const expected = x.map((v, i) => v + table[i % (time * width)]!);
    for (const { name, ops } of backends) {
      const z = poisoned(batch, time, width);
      ops.addPositions!(z, dense(x, batch, time, width), dense(table, rows, width));
      expectSame(name, z.data, expected);
      const inPlace = dense(x, batch, time, width);
      ops.addPositions!(inPlace, inPlace, dense(table, rows, width));
      expectSame(`${name}: in place`, inPlace.data, expected);
    }
  });
});
