// The operation linear of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, type Operand, poisoned, randn, spaced } from '../helpers/ops.js';
import { linear, linearBackward, unfold } from '../reference/linear.js';

// m rows, n outputs, k inputs: 1 and primes, each side of every tile and vector width, the path for few rows (up to
// 16), and sums longer than one block.
const shapes: [number, number, number][] = [
  [1, 1, 1],
  [1, 2, 3],
  [2, 1, 5],
  [3, 7, 1],
  [1, 384, 384],
  [2, 33, 17],
  [4, 16, 16],
  [5, 31, 33],
  [6, 32, 8],
  [7, 5, 64],
  [13, 17, 15],
  [14, 32, 31],
  [15, 33, 32],
  [16, 48, 65],
  [17, 15, 16],
  [17, 1, 3],
  [18, 64, 7],
  [28, 96, 100],
  [29, 97, 4],
  [31, 3, 129],
  [64, 64, 64],
  [100, 19, 300],
  [61, 130, 517],
  [257, 65, 40],
  [20, 40, 1100],
];

describe('linear', () => {
  it.each(shapes)('%i rows, %i outputs, %i inputs', (m, n, k) => {
    const inputs = { x: randn(m * k, 1), weight: randn(n * k, 2), bias: randn(n, 3) };
    for (const biased of [true, false]) {
      const budget = budgetOf(
        ({ x, weight, bias }) => ({ y: linear(x, weight, biased ? bias : null, k) }),
        inputs,
        { width: { y: n }, terms: k },
      );
      for (const { name, ops } of backends) {
        const bias = biased ? dense(inputs.bias, n) : null;
        const y = poisoned(m, n);
        ops.linear!(y, dense(inputs.x, m, k), dense(inputs.weight, n, k), bias);
        budget.check(`${name}, ${biased ? 'with' : 'without'} bias`, { y });
      }
    }
  });

  it.each([
    [2, 3, 5, 7],
    [3, 17, 33, 20],
    [2, 40, 16, 64],
  ])('spaced rows: batch %i, time %i, %i outputs, %i inputs', (batch, time, n, k) => {
    const m = batch * time;
    const inputs = { x: randn(m * k, 1), weight: randn(n * k, 2), bias: randn(n, 3) };
    const budget = budgetOf(({ x, weight, bias }) => ({ y: linear(x, weight, bias, k) }), inputs, {
      width: { y: n },
      terms: k,
    });
    for (const { name, ops } of backends) {
      const y = spaced(null, batch, time, n);
      const [x, weight] = [spaced(inputs.x, batch, time, k), dense(inputs.weight, n, k)];
      ops.linear!(y, x, weight, dense(inputs.bias, n));
      budget.check(name, { y });
    }
  });

  it.each([1, 2])('a convolution of stride %i: rows that overlap', (stride) => {
    const [batch, time, width, n] = [2, 24, 20, 33];
    const count = Math.floor((time - 3) / stride) + 1;
    const inputs = { x: randn(batch * time * width, 1), weight: randn(n * 3 * width, 2) };
    const windows = (x: Float32Array): Operand => ({
      data: x,
      shape: [batch, count, 3 * width],
      rowStride: stride * width,
      batchStride: time * width,
    });
    const dy = randn(batch * count * n, 3);
    const forward = budgetOf(
      ({ x, weight }) => ({ y: linear(unfold(x, batch, time, width, stride), weight, null, 3 * width) }),
      inputs,
      { width: { y: n }, terms: 3 * width },
    );
    const backward = budgetOf(
      (i) => {
        const { dweight } = linearBackward(i.dy, unfold(i.x, batch, time, width, stride), i.weight, n);
        return { dweight };
      },
      { ...inputs, dy },
      { terms: batch * count },
    );
    for (const { name, ops } of backends) {
      const [y, weight] = [poisoned(batch, count, n), dense(inputs.weight, n, 3 * width)];
      ops.linear!(y, windows(inputs.x), weight, null);
      forward.check(name, { y });
      const dweight = dense(new Float32Array(n * 3 * width), n, 3 * width);
      ops.linearBackward!(null, dweight, null, dense(dy, batch, count, n), windows(inputs.x), weight, false);
      backward.check(name, { dweight });
    }
  });

  it.each(shapes)('backward: %i rows, %i outputs, %i inputs', (m, n, k) => {
    const inputs = {
      dy: randn(m * n, 1),
      x: randn(m * k, 2),
      weight: randn(n * k, 3),
      dx0: randn(m * k, 4),
      dweight0: randn(n * k, 5),
      dbias0: randn(n, 6),
    };
    const budget = budgetOf(
      (i) => {
        const { dx, dweight, dbias } = linearBackward(i.dy, i.x, i.weight, n);
        return {
          dx,
          added: dx.map((v, j) => v + i.dx0[j]!),
          dweight: dweight.map((v, j) => v + i.dweight0[j]!),
          dbias: dbias.map((v, j) => v + i.dbias0[j]!),
        };
      },
      inputs,
      { width: { dx: k, added: k, dweight: k }, terms: Math.max(m, n) },
    );
    for (const { name, ops } of backends) {
      const read = [dense(inputs.dy, m, n), dense(inputs.x, m, k), dense(inputs.weight, n, k)] as const;
      const [dweight, dbias] = [dense(inputs.dweight0, n, k), dense(inputs.dbias0, n)];
      const [dx, added] = [poisoned(m, k), dense(inputs.dx0, m, k)];
      ops.linearBackward!(dx, dweight, dbias, ...read, false);
      ops.linearBackward!(added, null, null, ...read, true);
      budget.check(name, { dx, added, dweight, dbias });

      const [dweightAlone, dbiasAlone] = [dense(inputs.dweight0, n, k), dense(inputs.dbias0, n)];
      ops.linearBackward!(null, dweightAlone, null, ...read, false);
      ops.linearBackward!(null, null, dbiasAlone, ...read, false);
      expectSame(`${name}: dweight alone`, dweightAlone.data, dweight.data);
      expectSame(`${name}: dbias alone`, dbiasAlone.data, dbias.data);
    }
  });

  it('backward with spaced dy and x', () => {
    const [batch, time, n, k] = [3, 7, 19, 37];
    const m = batch * time;
    const [dy, x, weight] = [randn(m * n, 1), randn(m * k, 2), randn(n * k, 3)];
    for (const { name, ops } of backends) {
      const outputs = () => [
        poisoned(m, k),
        dense(new Float32Array(n * k), n, k),
        dense(new Float32Array(n), n),
      ];
      const [apart, together] = [outputs(), outputs()];
      const weights = dense(weight, n, k);
      ops.linearBackward!(...apart, spaced(dy, batch, time, n), spaced(x, batch, time, k), weights, false);
      ops.linearBackward!(...together, dense(dy, m, n), dense(x, m, k), weights, false);
      for (const [i, output] of apart.entries()) expectSame(name, elements(output), elements(together[i]!));
    }
  });

  it('refuses shapes that do not fit', () => {
    const { ops } = backends[0]!;
    const [x, weight] = [dense(randn(6, 1), 2, 3), dense(randn(8, 1), 2, 4)];
    expect(() => ops.linear!(poisoned(2, 2), x, weight, null)).toThrow(
      'linear: weight [2, 4], expected 2 rows of 3',
    );
  });
});
