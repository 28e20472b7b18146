// Tensors of files: their element types, and bytes that are read when they are asked for.

/** Element types by their names in safetensors, and the bytes of each. */
export const ELEMENT_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type ElementType = keyof typeof ELEMENT_BYTES;

/** How many elements a shape has; of `[]` it is 1. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** A tensor: type and shape at hand, its elements wherever they are, little-endian and in row-major order. */
export abstract class StoredTensor {
  readonly type: ElementType;
  readonly shape: readonly number[];

  constructor(type: ElementType, shape: readonly number[]) {
    this.type = type;
    this.shape = shape;
  }

  get elements(): number {
    return elementsOf(this.shape);
  }

  get bytes(): number {
    return this.elements * ELEMENT_BYTES[this.type];
  }

  /** All bytes, piece by piece; a piece need not end where an element does. */
  abstract pieces(): AsyncIterable<Uint8Array>;

  /** All bytes at once, in memory of their own. */
  async read(): Promise<Uint8Array> {
    const all = new Uint8Array(this.bytes);
    let at = 0;
    for await (const piece of this.pieces()) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  /** All elements of a tensor of type F32. */
  async readF32(): Promise<Float32Array> {
    if (this.type !== 'F32') throw new TypeError(`expected F32, got ${this.type}`);
    return new Float32Array((await this.read()).buffer);
  }
}

/** A tensor that is in memory. */
export class MemoryTensor extends StoredTensor {
  readonly #data: Uint8Array;

  constructor(type: ElementType, shape: readonly number[], data: Uint8Array | Float32Array) {
    super(type, shape);
    this.#data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (this.#data.length !== this.bytes) {
      throw new RangeError(
        `a ${type} tensor of shape [${shape}] has ${this.bytes} bytes, not ${this.#data.length}`,
      );
    }
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    yield this.#data;
  }
}
