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

/** How the elements of an operand are stored. */
export type Storage = 'f32' | 'f16' | 'bf16';
export const storages = ['f32', 'f16', 'bf16'] as const;
export const halves = ['f16', 'bf16'] as const;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The f32 nearest to x among the numbers of the storage: what a test's inputs have to be to be stored exactly. */
export function rounded(x: number, storage: Storage): number {
  return storage === 'f32' ? Math.fround(x) : fromBits(toBits(x, storage), storage);
}

/** Reproducible noise that the storage holds exactly. */
export function noise(size: number, seed: number, storage: Storage, deviation = 1): Float32Array {
  return randn(size, seed, deviation).map((x) => rounded(x, storage));
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** ⌊log2 x⌋ of a normal double: its exponent. */
function exponentOf(x: number): number {
  double[0] = x;
  return ((words[1]! >>> 20) & 0x7ff) - 1023;
}

/** 2ⁿ as a normal double; `**` takes a while. */
function powerOfTwo(n: number): number {
  words[0] = 0;
  words[1] = (n + 1023) << 20;
  return double[0]!;
}

/** The bits of a 16-bit float nearest to x, ties to even. Written apart from native/core/half.h, by arithmetic. */
export function toBits(x: number, storage: 'f16' | 'bf16'): number {
  const fraction = storage === 'f16' ? 10 : 7;
  const bias = storage === 'f16' ? 15 : 127;
  const least = 1 - bias;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const infinity = (2 * bias + 1) << fraction;
  if (Number.isNaN(x)) return infinity | (1 << (fraction - 1));
  const magnitude = Math.abs(x);
  if (magnitude === 0) return sign;
  const exponent = Math.max(least, Math.min(bias + 1, exponentOf(magnitude)));
  const steps = magnitude * powerOfTwo(fraction - exponent);
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const whole = floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0);
  const value = ((exponent - least) << fraction) + whole;
  return sign | Math.min(value, infinity);
}

/** The number that 16 bits stand for. */
export function fromBits(pattern: number, storage: 'f16' | 'bf16'): number {
  if (storage === 'bf16') {
    bits[0] = pattern << 16;
    return float[0]!;
  }
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> 10) & 31;
  const fraction = pattern & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * powerOfTwo(exponent - 25));
}

/** The operand with its data, all of f32, stored otherwise. */
export function stored(operand: Operand, storage: Storage): Operand {
  if (storage === 'f32') return operand;
  return { ...operand, data: Uint16Array.from(operand.data, (x) => toBits(x, storage)), dtype: storage };
}

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
  const { dtype } = operand;
  const data = dtype ? Float64Array.from(operand.data, (x) => fromBits(x, dtype)) : operand.data;
  if (operand.data.length > inside.length) {
    const outside = Float64Array.from(data);
    for (const at of inside) outside[at] = gap;
    const written = outside.findIndex((value) => value !== gap && !Number.isNaN(value));
    if (written >= 0) throw new Error(`element ${written}, between two rows, became ${outside[written]}`);
  }
  return Float64Array.from(inside, (at) => data[at]!);
}
