// The operation adafactor of native/ops.def against its equation in float64 and against transformers, on every
// instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectWithin } from '../helpers/compare.js';
import { backends, type Ops } from '../helpers/native.js';
import { dense, randn } from '../helpers/ops.js';
import { type AdafactorStep, adafactor } from '../reference/adafactor.js';

const usual: AdafactorStep = { lr: 1e-2, decay: 0.01, decayRate: -0.8, eps: 1e-30, clipThreshold: 1, t: 1 };
const product = (sizes: number[]) => sizes.reduce((a, b) => a * b, 1);

/** The lengths of row and column. A vector has no row. */
function lengths(shape: number[]): [number, number] {
  const n = product(shape);
  return shape.length === 1 ? [0, n] : [n / shape.at(-1)!, n / shape.at(-2)!];
}

function operands(shape: number[], values: Record<'value' | 'row' | 'column', Float32Array>) {
  const flat = (x: Float32Array) => dense(x, x.length);
  return {
    value: dense(values.value, ...shape),
    row: shape.length === 1 ? null : flat(values.row),
    column: flat(values.column),
  };
}

function update(
  ops: Ops,
  { value, row, column }: ReturnType<typeof operands>,
  grad: Float32Array,
  step: AdafactorStep,
  scale = 1,
): void {
  const g = dense(grad, ...value.shape);
  ops.adafactor!(value, row, column, g, dense(Float32Array.of(scale), 1), { ...step }, null);
}

describe('adafactor', () => {
  it.each([
    [[1]],
    [[257]],
    [[5, 7]],
    [[1, 1]],
    [[3, 4, 5]],
    [[2, 3, 4, 5]],
    [[65, 1]],
    [[1, 300]],
    [[200, 33]],
    [[40, 3, 16]],
    [[3, 129, 3]],
  ])('%j', (shape) => {
    const n = product(shape);
    const [rows, columns] = lengths(shape);
    const squares = (size: number, seed: number) => randn(size, seed).map((x) => x * x + 0.1);
    const inputs = {
      value: randn(n, 1),
      row: squares(rows, 2),
      column: squares(columns, 3),
      grad: randn(n, 4),
      scale: Float32Array.of(0.37),
    };
    for (const step of [
      usual,
      { ...usual, t: 7, lr: 0.1, decay: 0 },
      { ...usual, t: 1000, clipThreshold: 0.3, eps: 0.01 },
    ]) {
      const terms = Math.max(shape.at(-1)!, shape.at(-2) ?? 1);
      const budget = budgetOf((i) => adafactor(i, shape, step), inputs, { terms });
      for (const { name, ops } of backends) {
        const o = operands(shape, inputs);
        update(ops, o, inputs.grad, step, inputs.scale[0]);
        budget.check(name, { value: o.value, column: o.column, ...(o.row && { row: o.row }) });
      }
    }
  });

  // Adafactor(lr=1e-2, weight_decay=0.01, scale_parameter=False, relative_step=False) of transformers 5.18 on torch 2.13,
  // five steps with the gradient 0.1·sin(j + t): the numbers it prints, in f32, where it says them.
  it.each<[string, number[], number, [number, number[]][]]>([
    ['a vector', [3], 0, [[0, [0.10050705075263977, -0.18451349437236786, 0.30966684222221375]]]],
    [
      'a matrix',
      [4, 3],
      10,
      [
        [0, [0.09912486374378204, 0.216093972325325, 0.3171442747116089]],
        [9, [1.0072203874588013, 1.0892976522445679, 1.1874076128005981]],
      ],
    ],
    [
      "a convolution's weight",
      [2, 2, 3],
      20,
      [[0, [0.05020434409379959, 0.11567460000514984, 0.16380438208580017]]],
    ],
  ])('is what transformers makes of %s', (_, shape, divisor, golden) => {
    const n = product(shape);
    const start = divisor ? Array.from({ length: n }, (_, j) => (j + 1) / divisor) : [0.1, -0.2, 0.3];
    for (const { name, ops } of backends) {
      const [rows, columns] = lengths(shape);
      const value = Float32Array.from(start);
      const o = operands(shape, { value, row: new Float32Array(rows), column: new Float32Array(columns) });
      for (let t = 1; t <= 5; t++)
        update(
          ops,
          o,
          Float32Array.from({ length: n }, (_, j) => 0.1 * Math.sin(j + t)),
          { ...usual, t },
        );
      for (const [at, expected] of golden)
        expectWithin(name, o.value.data.slice(at, at + 3), expected, Array(3).fill(3e-7));
    }
  });

  it('leaves a value alone that has never had a gradient', () => {
    for (const { name, ops } of backends) {
      const o = operands([5, 7], {
        value: randn(35, 1),
        row: new Float32Array(5),
        column: new Float32Array(7),
      });
      for (let t = 1; t <= 3; t++) update(ops, o, new Float32Array(35), { ...usual, decay: 0, t });
      expect(o.value.data, name).toEqual(randn(35, 1));
    }
  });

  it('refuses operands that do not fit, and steps before the first', () => {
    const { ops } = backends[0]!;
    const matrix = () => operands([4, 3], { value: randn(12, 1), row: randn(4, 2), column: randn(3, 3) });
    const vector = operands([3], { value: randn(3, 1), row: randn(0, 2), column: randn(3, 3) });
    const grad = randn(12, 4);
    expect(() => update(ops, matrix(), grad, { ...usual, t: 0 })).toThrow('adafactor: t is 0');
    expect(() => update(ops, { ...matrix(), row: matrix().column }, grad, usual)).toThrow(
      'adafactor: row [3]',
    );
    expect(() => update(ops, { ...matrix(), row: null }, grad, usual)).toThrow('adafactor: row is absent');
    expect(() => update(ops, { ...vector, row: vector.column }, grad.slice(0, 3), usual)).toThrow(
      'adafactor: row [3], expected none of a vector',
    );
  });
});
