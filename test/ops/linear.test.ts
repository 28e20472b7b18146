// The operation linear of native/ops.def against its equation in float64, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends, narrowProducts } from '../helpers/native.js';
import {
  dense,
  elements,
  halves,
  noise,
  type Operand,
  poisoned,
  randn,
  rounded,
  type Storage,
  spaced,
  stored,
} from '../helpers/ops.js';
import { linear, linearBackward, unfold } from '../reference/linear.js';

// m rows, n outputs, k inputs: 1 and primes, each side of every tile and vector width, the path for few rows (up to
// 32), and sums longer than one block.
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
  [32, 33, 129],
  [33, 3, 129],
  [42, 96, 100],
  [43, 97, 4],
  [64, 64, 64],
  [100, 19, 300],
  [61, 130, 517],
  [257, 65, 40],
  [40, 40, 1100],
];

// The same products on 16-bit storage: one step of k, sums over several, a split sum, and few rows.
const storedShapes = halves.flatMap((storage) =>
  [
    [1, 37, 70],
    [3, 100, 1100],
    [5, 31, 33],
    [16, 48, 65],
    [17, 15, 16],
    [43, 97, 130],
    [61, 130, 517],
    [40, 40, 1100],
  ].map(([m, n, k]) => [m!, n!, k!, storage] as [number, number, number, Storage]),
);

/** What a storage makes of results in f32. */
const roundedTo = (storage: Storage, values: ArrayLike<number>) =>
  Float64Array.from(values, (value) => rounded(value, storage));

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

  // Numbers that 16 bits hold exactly: only the output may be rounded, once.
  it.each(storedShapes)('%i rows, %i outputs, %i inputs in %s', (m, n, k, storage) => {
    const inputs = { x: noise(m * k, 1, storage), weight: noise(n * k, 2, storage), bias: randn(n, 3) };
    const budget = budgetOf(
      ({ x, weight, bias }) => {
        const y = linear(x, weight, bias, k);
        return { y, wide: y };
      },
      inputs,
      { width: { y: n, wide: n }, terms: k, storage: { y: storage } },
    );
    for (const { name, ops } of backends) {
      const bias = dense(inputs.bias, n);
      const [x, weight] = [dense(inputs.x, m, k), dense(inputs.weight, n, k)];
      const [y, wide] = [stored(poisoned(m, n), storage), poisoned(m, n)];
      ops.linear!(y, stored(x, storage), stored(weight, storage), bias);
      ops.linear!(wide, stored(x, storage), stored(weight, storage), bias);
      budget.check(name, { y, wide });
      if (!name.startsWith('cpu')) continue;
      expectSame(`${name}: sums rounded once`, elements(y), roundedTo(storage, wide.data));
      if (narrowProducts(name, storage)) continue; // sums are taken in another order
      const f32 = poisoned(m, n);
      ops.linear!(f32, x, weight, bias);
      expectSame(`${name}: sums of factors in 16 bits and in f32`, wide.data, f32.data);
    }
  });

  it.each([
    [2, 3, 5, 7, 'f32'],
    [3, 17, 33, 20, 'f32'],
    [2, 40, 16, 64, 'f32'],
    [2, 3, 5, 7, 'f16'],
    [3, 17, 33, 20, 'bf16'],
    [2, 40, 16, 400, 'f16'],
  ] as const)('spaced rows: batch %i, time %i, %i outputs, %i inputs, %s', (batch, time, n, k, storage) => {
    const m = batch * time;
    const inputs = { x: noise(m * k, 1, storage), weight: noise(n * k, 2, storage), bias: randn(n, 3) };
    const budget = budgetOf(({ x, weight, bias }) => ({ y: linear(x, weight, bias, k) }), inputs, {
      width: { y: n },
      terms: k,
      storage: { y: storage },
    });
    for (const { name, ops } of backends) {
      const y = stored(spaced(null, batch, time, n), storage);
      const [x, weight] = [spaced(inputs.x, batch, time, k), dense(inputs.weight, n, k)];
      ops.linear!(y, stored(x, storage), stored(weight, storage), dense(inputs.bias, n));
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

  it.each(storedShapes)('backward: %i rows, %i outputs, %i inputs in %s', (m, n, k, storage) => {
    const inputs = {
      dy: noise(m * n, 1, storage),
      x: noise(m * k, 2, storage),
      weight: noise(n * k, 3, storage),
      dx0: noise(m * k, 4, storage),
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
      {
        width: { dx: k, added: k, dweight: k },
        terms: Math.max(m, n),
        storage: { dx: storage, added: storage },
      },
    );
    const factors = [dense(inputs.dy, m, n), dense(inputs.x, m, k), dense(inputs.weight, n, k)];
    for (const { name, ops } of backends) {
      const run = (storage: Storage, out: Storage) => {
        const [dweight, dbias] = [dense(inputs.dweight0, n, k), dense(inputs.dbias0, n)];
        const [dx, added] = [stored(poisoned(m, k), out), stored(dense(inputs.dx0, m, k), out)];
        const read = factors.map((factor) => stored(factor, storage));
        ops.linearBackward!(dx, dweight, dbias, ...read, false);
        ops.linearBackward!(added, null, null, ...read, true);
        return { dx, added, dweight, dbias };
      };
      const narrow = run(storage, storage);
      budget.check(name, narrow);
      if (!name.startsWith('cpu')) continue;
      const wide = run(storage, 'f32');
      expectSame(`${name}: dx rounded once`, elements(narrow.dx), roundedTo(storage, wide.dx.data));
      const added = wide.dx.data.map((v, i) => v + inputs.dx0[i]!);
      expectSame(`${name}: added rounded once`, elements(narrow.added), roundedTo(storage, added));
      if (narrowProducts(name, storage)) continue; // sums are taken in another order
      const f32 = run('f32', 'f32');
      for (const key of ['dx', 'added', 'dweight', 'dbias'] as const)
        expectSame(`${name}: ${key} of factors in 16 bits and in f32`, wide[key].data, f32[key].data);
    }
  });

  it.each(['f32', 'f16', 'bf16'] as const)('backward with spaced dy and x in %s', (storage) => {
    const [batch, time, n, k] = [3, 7, 19, 37];
    const m = batch * time;
    const [dy, x] = [noise(m * n, 1, storage), noise(m * k, 2, storage)];
    const weight = stored(dense(noise(n * k, 3, storage), n, k), storage);
    for (const { name, ops } of backends) {
      const run = (dy: Operand, x: Operand) => {
        const outputs = [
          stored(poisoned(m, k), storage),
          dense(new Float32Array(n * k), n, k),
          dense(new Float32Array(n), n),
        ];
        ops.linearBackward!(...outputs, stored(dy, storage), stored(x, storage), weight, false);
        return outputs;
      };
      const apart = run(spaced(dy, batch, time, n), spaced(x, batch, time, k));
      const together = run(dense(dy, m, n), dense(x, m, k));
      for (const [i, output] of apart.entries()) expectSame(name, elements(output), elements(together[i]!));
    }
  });

  it.each(['f32', 'f16', 'bf16'] as const)(
    'backward into spaced dx, written and added to, in %s',
    (storage) => {
      const [batch, time, n, k] = [3, 7, 4, 37];
      const m = batch * time;
      const dy = stored(dense(noise(m * n, 1, storage), m, n), storage);
      const weight = stored(dense(noise(n * k, 3, storage), n, k), storage);
      for (const { name, ops } of backends) {
        const [apart, together] = [spaced(null, batch, time, k), poisoned(m, k)].map((dx) => {
          const out = stored(dx, storage);
          for (const add of [false, true]) ops.linearBackward!(out, null, null, dy, null, weight, add);
          return elements(out);
        });
        expectSame(name, apart!, together!);
      }
    },
  );

  it('refuses shapes that do not fit', () => {
    const { ops } = backends[0]!;
    const [x, weight] = [dense(randn(6, 1), 2, 3), dense(randn(8, 1), 2, 4)];
    expect(() => ops.linear!(poisoned(2, 2), x, weight, null)).toThrow(
      'linear: weight [2, 4], expected 2 rows of 3',
    );
  });

  it('refuses storage that does not fit', () => {
    const { ops } = backends[0]!;
    const [x, weight] = [dense(randn(6, 1), 2, 3), dense(randn(6, 1), 2, 3)];
    expect(() => ops.linear!(poisoned(2, 2), stored(x, 'f16'), weight, null)).toThrow(
      'linear: weight is F32, expected F16',
    );
    expect(() => ops.linear!(stored(poisoned(2, 2), 'bf16'), x, weight, null)).toThrow(
      'linear: y is BF16, expected F32',
    );
  });
});
