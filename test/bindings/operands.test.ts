// The operands of ops(): dense, spaced, shared, absent; and what is checked before an operation sees them.
import { describe, expect, it } from 'vitest';
import { addon, type NativeOperand } from '../../src/native.js';

const ops = addon().ops('cpu');
const dense = (values: number[], ...shape: number[]) => ({ data: Float32Array.from(values), shape });

describe('operands', () => {
  it('names the back end', () => expect(ops.device).toMatch(/^cpu \(\w+, \d+ threads?\)$/));

  it('copies outputs back and leaves inputs alone', () => {
    const [z, x, y] = [dense([NaN, NaN], 1, 2), dense([1, 2], 1, 2), dense([10, 20], 1, 2)];
    ops.add!(z, x, y);
    expect([...z.data, ...x.data, ...y.data]).toEqual([11, 22, 1, 2, 10, 20]);
  });

  it('shares memory between operands with the same data', () => {
    const x = dense([1, 2], 1, 2);
    ops.add!(x, x, { ...x });
    expect([...x.data]).toEqual([2, 4]);
  });

  it('adds to an accumulator what it holds', () => {
    const [dweight, dy, x] = [dense([100], 1, 1), dense([2, 3], 2, 1), dense([5, 7], 2, 1)];
    ops.linearBackward!(null, dweight, undefined, dy, x, dense([1], 1, 1), false);
    expect(dweight.data[0]).toBe(131);
  });

  it('sees views with an offset and strides', () => {
    const data = Float32Array.from({ length: 20 }, (_, i) => i);
    const y = dense([0, 0, 0, 0], 2, 2, 1);
    const x = { data, shape: [2, 2, 2], offset: 1, rowStride: 3, batchStride: 8 };
    ops.linear!(y, x, dense([1, 10], 1, 2), null);
    expect([...y.data]).toEqual([1 + 20, 4 + 50, 9 + 100, 12 + 130]);
  });

  it('gathers by integers', () => {
    const y = dense([0, 0, 0], 3, 1);
    ops.gather!(y, dense([5, 6], 2, 1), { data: Int32Array.of(1, 0, 1), shape: [3] });
    expect([...y.data]).toEqual([6, 5, 6]);
  });

  it('reads WHISPER_TUNE_ISA at each call', () => {
    const before = process.env.WHISPER_TUNE_ISA;
    try {
      for (const isa of addon().deviceInfo().isas) {
        process.env.WHISPER_TUNE_ISA = isa;
        expect(addon().ops('cpu').device).toContain(isa);
      }
      process.env.WHISPER_TUNE_ISA = 'mmx';
      expect(() => addon().ops('cpu')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    } finally {
      if (before === undefined) delete process.env.WHISPER_TUNE_ISA;
      else process.env.WHISPER_TUNE_ISA = before;
    }
  });

  const x = { data: new Float32Array(6), shape: [2, 3] };
  it.each<[string, string, unknown[]]>([
    ['ERR_SHAPE_MISMATCH', 'add.x: shape [2, 2] has 4 elements, data has 6', [x, { ...x, shape: [2, 2] }, x]],
    [
      'ERR_SHAPE_MISMATCH',
      'add.z: the view of shape [2, 3] ends at element 7, data has 6',
      [{ ...x, offset: 1 }, x, x],
    ],
    ['ERR_SHAPE_MISMATCH', 'ends at element 7', [{ ...x, rowStride: 4 }, x, x]],
    ['ERR_SHAPE_MISMATCH', 'ends at element', [x, x, { ...x, offset: 2 ** 40 }]],
    ['ERR_INVALID_ARGUMENT', 'add.y.offset: -1', [x, x, { ...x, offset: -1 }]],
    ['ERR_INVALID_ARGUMENT', 'add: expected 3 operands, got 2', [x, x]],
    ['ERR_INVALID_ARGUMENT', 'add.z: expected {data, shape} or null, got 5', [5, x, x]],
    [
      'ERR_INVALID_ARGUMENT',
      'add.x.data: expected a Float32Array, Int32Array, Int16Array, Uint8Array or Uint16Array, got an array',
      [x, { data: [1], shape: [1] }, x],
    ],
    ['ERR_INVALID_ARGUMENT', "add.x: unknown 'stride'", [x, { ...x, stride: 3 }, x]],
    [
      'ERR_INVALID_ARGUMENT',
      'add.x.shape: expected 1 to 4 sizes, got 5',
      [x, { ...x, shape: [1, 1, 1, 2, 3] }, x],
    ],
    ['ERR_INVALID_ARGUMENT', 'add.x.shape: a size of -2', [x, { ...x, shape: [-2, -3] }, x]],
    ['ERR_INVALID_ARGUMENT', 'add.x.shape: expected an array, got nothing', [x, { data: x.data }, x]],
  ])('%s: %s', (code, message, operands) => {
    expect(() => ops.add!(...(operands as NativeOperand[]))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
