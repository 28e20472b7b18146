// The operation layernorm of native/ops.def against its equation in float64, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, halves, noise, poisoned, randn, rounded, stored } from '../helpers/ops.js';
import { layernorm, layernormBackward } from '../reference/layernorm.js';

// Rows and widths: 1, primes, every vector width and one beside it, and the widths of Whisper.
const shapes: [number, number][] = [
  ...[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127].map((n): [number, number] => [3, n]),
  [1, 384],
  [17, 100],
  [2, 1281],
  [300, 20],
];

describe('layernorm', () => {
  it.each(shapes)('%i rows of %i', (rows, width) => {
    const inputs = { x: randn(rows * width, 1), weight: randn(width, 2), bias: randn(width, 3) };
    const budget = budgetOf(({ x, weight, bias }) => layernorm(x, weight, bias), inputs, {
      width: { y: width },
      terms: width,
    });
    for (const { name, ops } of backends) {
      const [y, mean, rstd] = [poisoned(rows, width), poisoned(rows), poisoned(rows)];
      const weights = [dense(inputs.weight, width), dense(inputs.bias, width)];
      ops.layernorm!(y, mean, rstd, dense(inputs.x, rows, width), ...weights);
      budget.check(name, { y, mean, rstd });
    }
  });

  const storedShapes = shapes
    .filter(([, width]) => width % 4 !== 0 || width === 384)
    .flatMap(([rows, width]) => halves.map((storage) => [rows, width, storage] as const));

  it.each(storedShapes)('%i rows of %i in %s', (rows, width, storage) => {
    const inputs = { x: randn(rows * width, 1), weight: randn(width, 2), bias: randn(width, 3) };
    const budget = budgetOf(({ x, weight, bias }) => layernorm(x, weight, bias), inputs, {
      width: { y: width },
      terms: width,
      storage: { y: storage },
    });
    for (const { name, ops } of backends) {
      const y = stored(poisoned(rows, width), storage);
      const [wide, mean, rstd] = [poisoned(rows, width), poisoned(rows), poisoned(rows)];
      const read = [dense(inputs.x, rows, width), dense(inputs.weight, width), dense(inputs.bias, width)];
      ops.layernorm!(y, mean, rstd, ...read);
      budget.check(name, { y, mean, rstd });
      ops.layernorm!(wide, mean, rstd, ...read);
      expectSame(
        `${name}: rounded once`,
        elements(y),
        wide.data.map((v) => rounded(v, storage)),
      );
    }
  });

  // dy may be of any float dtype, the residual stream it comes to is f32: the same numbers give the same bits.
  it.each(storedShapes)('backward, %i rows of %i, dy in %s', (rows, width, storage) => {
    const dy = dense(noise(rows * width, 4, storage), rows, width);
    const x = randn(rows * width, 1);
    const { mean, rstd } = layernorm(Float64Array.from(x), new Float64Array(width), new Float64Array(width));
    for (const { name, ops } of backends) {
      const run = (gradient: typeof dy) => {
        const outputs = [
          dense(randn(rows * width, 5), rows, width),
          dense(randn(width, 6), width),
          dense(randn(width, 7), width),
        ];
        ops.layernormBackward!(
          ...outputs,
          gradient,
          dense(x, rows, width),
          dense(Float32Array.from(mean), rows),
          dense(Float32Array.from(rstd), rows),
          dense(randn(width, 2), width),
        );
        return outputs.flatMap(({ data }) => Array.from(data));
      };
      expectSame(name, run(stored(dy, storage)), run(dy));
    }
  });

  it('keeps the variance of rows far from zero', () => {
    const [rows, width] = [4, 384];
    const inputs = {
      x: randn(rows * width, 1).map((v) => 1000 + v),
      weight: randn(width, 2),
      bias: randn(width, 3),
    };
    const budget = budgetOf(({ x, weight, bias }) => layernorm(x, weight, bias), inputs, {
      width: { y: width },
      terms: width,
    });
    for (const { name, ops } of backends) {
      const [y, mean, rstd] = [poisoned(rows, width), poisoned(rows), poisoned(rows)];
      ops.layernorm!(
        y,
        mean,
        rstd,
        dense(inputs.x, rows, width),
        dense(inputs.weight, width),
        dense(inputs.bias, width),
      );
      budget.check(name, { y, mean, rstd });
    }
  });

  it.each(shapes)('backward, %i rows of %i', (rows, width) => {
    const [x, weight] = [randn(rows * width, 1), randn(width, 2)];
    const { mean, rstd } = layernorm(
      Float64Array.from(x),
      Float64Array.from(weight),
      new Float64Array(width),
    );
    const inputs = {
      dy: randn(rows * width, 4),
      x,
      mean: Float32Array.from(mean),
      rstd: Float32Array.from(rstd),
      weight,
      dx0: randn(rows * width, 5),
      dweight0: randn(width, 6),
      dbias0: randn(width, 7),
    };
    const budget = budgetOf(
      (i) => {
        const d = layernormBackward(i.dy, i.x, i.mean, i.rstd, i.weight);
        return {
          dx: d.dx.map((v, j) => v + i.dx0[j]!),
          dweight: d.dweight.map((v, j) => v + i.dweight0[j]!),
          dbias: d.dbias.map((v, j) => v + i.dbias0[j]!),
        };
      },
      inputs,
      { width: { dx: width }, terms: Math.max(rows, width) },
    );
    for (const { name, ops } of backends) {
      const read = [
        dense(inputs.dy, rows, width),
        dense(x, rows, width),
        dense(inputs.mean, rows),
        dense(inputs.rstd, rows),
        dense(weight, width),
      ];
      const dx = dense(inputs.dx0, rows, width);
      const [dweight, dbias] = [dense(inputs.dweight0, width), dense(inputs.dbias0, width)];
      ops.layernormBackward!(dx, dweight, dbias, ...read);
      budget.check(name, { dx, dweight, dbias });

      const dxAlone = dense(inputs.dx0, rows, width);
      ops.layernormBackward!(dxAlone, null, null, ...read);
      expectSame(`${name}: dx without dweight`, dxAlone.data, dx.data);
      const dbiasAlone = dense(inputs.dbias0, width);
      ops.layernormBackward!(dense(inputs.dx0, rows, width), null, dbiasAlone, ...read);
      expectSame(`${name}: dbias without dweight`, dbiasAlone.data, dbias.data);
    }
  });

  it('names the operand whose shape is wrong', () => {
    const { ops } = backends[0]!;
    const [y, mean, rstd] = [poisoned(2, 4), poisoned(2), poisoned(2)];
    const x = dense(randn(8, 1), 2, 4);
    expect(() => ops.layernorm!(y, mean, rstd, x, dense(randn(5, 1), 5), dense(randn(4, 1), 4))).toThrow(
      'layernorm: weight [5], expected 4 elements',
    );
    expect(() => ops.layernorm!(y, mean, rstd, x, dense(randn(4, 1), 4), null)).toThrow(
      'layernorm: bias is absent',
    );
  });
});
