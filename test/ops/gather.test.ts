// The operation gather of native/ops.def against its equation, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import {
  dense,
  elements,
  halves,
  noise,
  type Operand,
  poisoned,
  randint,
  randn,
  spaced,
  stored,
} from '../helpers/ops.js';

describe('gather', () => {
  it.each([
    [[1], 1],
    [[7], 4],
    [[5, 1], 3],
    [[4, 17], 9],
    [[3, 5, 7], 5],
    [[6, 2, 65], 2],
    [[3, 2, 4, 5], 4],
  ])('entries of %j, %i of them', (shape, n) => {
    const entry = shape.slice(1).reduce((a, b) => a * b, 1);
    const x = randn(shape[0]! * entry, 1);
    const index = randint(n, 2, shape[0]!);
    const expected = Float32Array.from({ length: n * entry }, (_, i) => {
      return x[index[Math.floor(i / entry)]! * entry + (i % entry)]!;
    });
    for (const { name, ops } of backends) {
      const places = shape.length === 3 ? [dense(x, ...shape), spaced(x, ...shape)] : [dense(x, ...shape)];
      for (const from of places) {
        const y = poisoned(n, ...shape.slice(1));
        ops.gather!(y, from, dense(index, n));
        expectSame(name, elements(y), expected);
      }
    }
  });

  it('takes rows of a matrix whose rows are spaced, and integers', () => {
    const data = Int32Array.from({ length: 20 }, (_, i) => i);
    const x: Operand = { data, shape: [4, 3], rowStride: 5, offset: 1 };
    for (const { name, ops } of backends) {
      const y: Operand = { data: new Int32Array(6), shape: [2, 3] };
      ops.gather!(y, x, dense(Int32Array.from([3, 1]), 2));
      expect(Array.from(y.data), name).toEqual([16, 17, 18, 6, 7, 8]);
    }
  });

  it.each(halves)('takes entries in %s', (storage) => {
    const [n, m, time, width] = [4, 3, 5, 7];
    const x = noise(m * time * width, 1, storage);
    const index = randint(n, 2, m);
    const expected = Float32Array.from({ length: n * time * width }, (_, i) => {
      return x[index[Math.floor(i / (time * width))]! * time * width + (i % (time * width))]!;
    });
    for (const { name, ops } of backends) {
      for (const from of [dense(x, m, time, width), spaced(x, m, time, width)]) {
        const y = stored(poisoned(n, time, width), storage);
        ops.gather!(y, stored(from, storage), dense(index, n));
        expectSame(name, elements(y), expected);
      }
    }
  });

  it('names an index outside', () => {
    const { ops } = backends[0]!;
    const x = dense(randn(6, 1), 2, 3);
    expect(() => ops.gather!(poisoned(2, 3), x, dense(Int32Array.from([0, 2]), 2))).toThrow(
      'gather: index[1] is 2, x has 2 entries',
    );
    expect(() => ops.gather!(poisoned(2, 2), x, dense(Int32Array.from([0, 1]), 2))).toThrow(
      'gather: y [2, 2]',
    );
  });
});
