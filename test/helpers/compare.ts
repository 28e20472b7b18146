// How far an operation may be from its float64 reference: one rule for all of them.
import { expect } from 'vitest';
import { elements, type Operand, type Storage, uniform } from './ops.js';

type Arrays<Name extends string = string> = Record<Name, Float64Array>;

/** Half the distance from 1 to the next f32: the relative error of one rounding. */
export const rounding = 2 ** -24;

/** Some times the smallest normal f32. */
const tiny = 2 ** -120;

export interface BudgetOptions<Name extends string> {
  /** Length of the rows of each output. The elements of a row share its scale; an output not named is one row. */
  width?: Partial<Record<Name, number>>;
  /** Terms of the longest sum behind an element. */
  terms?: number;
  /** How inputs and outputs are stored, f32 by default: one name for all, or by the names of inputs and outputs. */
  storage?: Storage | Record<string, Storage>;
}

/** Half the distance from 1 to the next number of the storage, and from 0 to the smallest above it. */
const roundings: Record<Storage, number> = { f32: rounding, f16: 2 ** -11, bf16: 2 ** -8 };
const smallest: Record<Storage, number> = { f32: 0, f16: 2 ** -25, bf16: 0 };

/** The reference's outputs and how far an operation may be from each element. */
export interface Budget<Name extends string> {
  exact: Arrays<Name>;
  allowed: Arrays<Name>;
  /** Compares an operation's outputs; `where` names the back end. */
  check(where: string, actual: Partial<Record<Name, Operand>>): void;
}

/**
 * Runs a reference and works out its tolerance. Two things cost accuracy however well an operation is written:
 *
 * - Its inputs are rounded: the reference is run again with every input moved by one rounding up or down, which shows
 *   how far errors of that size carry. An element may be off by twice the most that this moved any element of its row,
 *   and by more behind a sum of n terms, whose partial sums are rounded as well: 2 + √n/8 times for sums in lanes.
 * - Its arithmetic is rounded: some operations in a row of the size of the result, and in a sum of n terms of either
 *   sign errors that grow as √n: (8 + √n/2) roundings, 4 ulp and more, of the row's largest element.
 *
 * - With 16-bit storage both are larger: inputs are moved by a rounding of their storage, and an output is rounded once.
 *
 * What is left of numbers that are too small for f32 is allowed as well: denormals count as zero.
 */
export function budgetOf<Input extends string, Name extends string>(
  reference: (inputs: Arrays<Input>) => Arrays<Name>,
  inputs: Record<Input, Float32Array>,
  { width = {}, terms = 1, storage = 'f32' }: BudgetOptions<Name> = {},
): Budget<Name> {
  const names = Object.keys(inputs) as Input[];
  const storageOf = (name: string): Storage =>
    typeof storage === 'string' ? storage : (storage[name] ?? 'f32');
  const run = (change: (value: number, step: number) => number) =>
    reference(
      Object.fromEntries(
        names.map((name) => {
          const step = roundings[storageOf(name)];
          return [name, Float64Array.from(inputs[name], (value) => change(value, step))];
        }),
      ) as Arrays<Input>,
    );
  const exact = run((value) => value);
  const moved = [1, 2, 3, 4, 5, 6].map((seed) => {
    const next = uniform(seed);
    return run((value, step) => value * (1 + (next() < 0.5 ? -step : step)));
  });
  const allowed = {} as Arrays<Name>;
  for (const name of Object.keys(exact) as Name[]) {
    const values = exact[name];
    const row = width[name] ?? values.length;
    allowed[name] = new Float64Array(values.length);
    for (let begin = 0; begin < values.length; begin += row) {
      let scale = 0;
      let loss = 0;
      for (let i = begin; i < begin + row; i++) {
        scale = Math.max(scale, Math.abs(values[i]!));
        for (const other of moved) loss = Math.max(loss, Math.abs(other[name][i]! - values[i]!));
      }
      const out = storageOf(name);
      const limit = (2 + Math.sqrt(terms) / 8) * loss + (8 + Math.sqrt(terms) / 2) * rounding * scale;
      const stored = out === 'f32' ? 0 : 2 * roundings[out] * scale + smallest[out];
      allowed[name].fill(limit + stored + tiny, begin, begin + row);
    }
  }
  return {
    exact,
    allowed,
    check(where, actual) {
      for (const name of Object.keys(actual) as Name[]) {
        const operand = actual[name];
        if (operand) expectWithin(`${where}: ${name}`, elements(operand), exact[name], allowed[name]);
      }
    },
  };
}

/** Every element within what is allowed; infinities must be the same and NaN only where it is expected. */
export function expectWithin(
  what: string,
  actual: ArrayLike<number>,
  exact: ArrayLike<number>,
  allowed: ArrayLike<number>,
): void {
  expect(actual.length, `${what}: elements`).toBe(exact.length);
  for (let i = 0; i < exact.length; i++) {
    if (Object.is(actual[i], exact[i]) || Math.abs(actual[i]! - exact[i]!) <= allowed[i]!) continue;
    expect.fail(
      `${what}[${i}] is ${actual[i]}, expected ${exact[i]}: off by ${Math.abs(actual[i]! - exact[i]!)}, allowed ${allowed[i]}`,
    );
  }
}

/** The same bits, element by element (0 and -0 differ, NaN equals itself). */
export function expectSame(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length, `${what}: elements`).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i]))
      expect.fail(`${what}[${i}] is ${actual[i]}, expected ${expected[i]}`);
  }
}

/** The gradient of a scalar function of `x` by central differences, in float64. */
export function numericalGradient(f: () => number, x: Float64Array, step = 1e-5): Float64Array {
  return x.map((value, i) => {
    x[i] = value + step;
    const up = f();
    x[i] = value - step;
    const down = f();
    x[i] = value;
    return (up - down) / (2 * step);
  });
}
