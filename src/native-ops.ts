// Types of the addon's single operations, for tests and benchmarks.

/**
 * A tensor of an operation: dense, or a view of `data` from `offset` on with `rowStride` elements from a row to the next
 * and `batchStride` from a batch entry to the next. Operands with the same `data` share their memory, as `z = x` or the
 * parts of packed rows do. Operands that the operation writes are copied back.
 */
export interface NativeOperand {
  /** f32, i32, i16, u8, or the bits of 16-bit floats, whose `dtype` is then given. */
  data: Float32Array | Int32Array | Int16Array | Uint8Array | Uint16Array;
  dtype?: 'f16' | 'bf16';
  shape: number[];
  offset?: number;
  rowStride?: number;
  batchStride?: number;
}

/** Operands and scalars in the order of native/ops.def; null or undefined where one is absent. */
export type NativeOperands = (NativeOperand | number | boolean | Record<string, number> | null | undefined)[];

/** By name. */
export type NativeOps = {
  readonly [op: string]: (...operands: NativeOperands) => void;
} & { readonly device: string };

/** By name. */
export type NativeOpTimes = {
  readonly [op: string]: (...operands: NativeOperands) => Float64Array;
} & { readonly device: string };
