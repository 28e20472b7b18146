// Random inputs. Never zeros: how fast arithmetic is depends on the bits that it is given.
import { addon, type NativeBatch, type NativeDims, type NativeOperand, type Precision } from '../native.js';

// A prime, so that no row of a matrix repeats the one above.
const PERIOD = 65521;
const table = Float32Array.from({ length: PERIOD }, () => 2 * Math.random() - 1);

/** Numbers from -scale to scale, which repeat after 65521. */
export function uniform(size: number, scale = 1): Float32Array {
  const numbers = new Float32Array(size);
  repeat(
    numbers,
    table.map((x) => scale * x),
  );
  return numbers;
}

export function integers(size: number, below: number): Int32Array {
  return Int32Array.from({ length: size }, () => Math.floor(Math.random() * below));
}

/** Samples of the model's window: two frames of 160 to each of the encoder's positions. */
export function windowSamples({ source }: NativeDims): number {
  return 160 * 2 * source;
}

/** Seconds of audio that the model hears at once. */
export function windowSeconds(dims: NativeDims): number {
  return windowSamples(dims) / 16000;
}

/** Clips that fill the model's window. */
export function clips(dims: NativeDims, count: number): Float32Array[] {
  return Array.from({ length: count }, () => {
    const loudness = 0.05 + 0.1 * Math.random();
    return uniform(windowSamples(dims), loudness);
  });
}

/** A micro-batch whose labels all count. */
export function trainingBatch(dims: NativeDims, rows: number, labels: number): NativeBatch {
  return { samples: clips(dims, rows), labels: integers(rows * labels, dims.vocab), time: labels };
}

/** A dense operand of numbers from -1 to 1, stored as products in this precision take it. */
export function operand(shape: readonly number[], precision: Precision = 'f32'): NativeOperand {
  const size = shape.reduce((a, b) => a * b, 1);
  if (precision !== 'f16' && precision !== 'bf16') return { data: uniform(size), shape: [...shape] };
  const data = new Uint16Array(size);
  repeat(data, narrowTable(precision));
  return { data, dtype: precision, shape: [...shape] };
}

/** The table in 16 bits. */
function narrowTable(dtype: 'f16' | 'bf16'): Uint16Array {
  const data = new Uint16Array(PERIOD);
  addon().ops('cpu').cast!({ data, dtype, shape: [PERIOD] }, { data: table, shape: [PERIOD] });
  return data;
}

/** Fills the array with the period, over and over. */
function repeat<T extends Float32Array | Uint16Array>(into: T, period: T): void {
  for (let at = 0; at < into.length; at += PERIOD)
    into.set(period.subarray(0, into.length - at) as never, at);
}
