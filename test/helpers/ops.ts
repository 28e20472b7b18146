// Operands of the operations: host arrays with a shape and, where rows are spaced, strides.
import type { NativeOperand as Operand } from '../../src/native.js';

export type { Operand };

/** Reproducible noise of the normal distribution, exact in f32. */
export function randn(size: number, seed: number, deviation = 1): Float32Array {
  const next = uniform(seed);
  return Float32Array.from({ length: size }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return deviation * radius * Math.cos(2 * Math.PI * next());
  });
}

/** Reproducible integers in [0, end). */
export function randint(size: number, seed: number, end: number): Int32Array {
  const next = uniform(seed);
  return Int32Array.from({ length: size }, () => Math.floor(next() * end));
}

/** Numbers in [0, 1): mulberry32. */
export function uniform(seed: number): () => number {
  let state = (seed * 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/** A dense operand with a copy of the values, so that a test's inputs stay what they are. */
export function dense(values: Float32Array | Int32Array, ...shape: number[]): Operand {
  if (values.length !== product(shape)) throw new Error(`${values.length} values for the shape ${shape}`);
  return { data: values.slice(), shape };
}

/** A dense output full of NaN: what is not written shows. */
export function poisoned(...shape: number[]): Operand {
  return { data: new Float32Array(product(shape)).fill(Number.NaN), shape };
}

const gap = 7.5;

/**
 * Rows that are not one behind the other, in three dimensions. Between the rows of an input lies NaN, so that reading
 * there shows; an output (no values) is NaN with `gap` between its rows, which `elements` checks.
 */
export function spaced(values: Float32Array | null, ...shape: number[]): Operand {
  const [batch = 1, time = 1, width = 1] = shape;
  const operand = { shape, offset: 3, rowStride: width + 5, batchStride: time * (width + 5) + 11 };
  const data = new Float32Array(3 + batch * operand.batchStride).fill(values ? Number.NaN : gap);
  for (const [i, at] of positions(operand).entries()) data[at] = values ? values[i]! : Number.NaN;
  return { ...operand, data };
}

/** Where the elements of an operand lie in its data, in order. */
function positions({ shape, offset = 0, rowStride, batchStride }: Omit<Operand, 'data'>): number[] {
  const width = shape.at(-1)!;
  const rows = product(shape) / Math.max(1, width);
  const time = shape.length >= 3 ? rows / Math.max(1, shape[0]!) : rows;
  const row = rowStride ?? width;
  const entry = batchStride ?? row * time;
  return Array.from({ length: rows * width }, (_, i) => {
    const r = Math.floor(i / width);
    return offset + Math.floor(r / time) * entry + (r % time) * row + (i % width);
  });
}

/** The elements of an operand in order; throws when an operation wrote between the rows of a `spaced` output. */
export function elements(operand: Operand): Float64Array {
  const inside = positions(operand);
  if (operand.data.length > inside.length) {
    const outside = Float64Array.from(operand.data);
    for (const at of inside) outside[at] = gap;
    const written = outside.findIndex((value) => value !== gap && !Number.isNaN(value));
    if (written >= 0) throw new Error(`element ${written}, between two rows, became ${outside[written]}`);
  }
  return Float64Array.from(inside, (at) => operand.data[at]!);
}
