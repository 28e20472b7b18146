// 8-bit moments in bitsandbytes' files and in ours: state1 and state2 of a parameter are codes with a largest magnitude per
// block, or numbers where the tensor is small or an embedding.
import { WhisperError } from '../../errors.js';
import { MemoryTensor, type StoredTensor } from '../../files/tensor.js';
import { BLOCK, dequantize, dynamicMap, OLD_BLOCK, quantize } from './dynamic-map.js';

/** Moment by moment: its codes or numbers, the largest magnitudes, the map. */
export const MOMENTS = [
  { state: 'state1', absmax: 'absmax1', map: 'qmap1', isSigned: true },
  { state: 'state2', absmax: 'absmax2', map: 'qmap2', isSigned: false },
] as const;

/** The shape in which the engine keeps a convolution's codes; undefined for other weights. */
export function tapsShape(shape: readonly number[]): readonly number[] | undefined {
  const [out, into, taps] = shape;
  return taps === undefined ? undefined : [out!, taps, into!];
}

/**
 * Elements of a block, which how many there are tells.
 *
 * @param where names the file and the tensor
 * @throws WhisperError `ERR_SHAPE_MISMATCH`
 */
export function blockOf(absmax: StoredTensor, elements: number, where: string): number {
  const [blocks] = absmax.shape;
  const found = [BLOCK, OLD_BLOCK].find((block) => Math.ceil(elements / block) === blocks);
  if (found === undefined || absmax.shape.length !== 1) {
    throw new WhisperError(
      'ERR_SHAPE_MISMATCH',
      `${where} has shape [${absmax.shape.join(', ')}], expected [${Math.ceil(elements / BLOCK)}] for blocks of ` +
        `${BLOCK} elements, or [${Math.ceil(elements / OLD_BLOCK)}] for blocks of ${OLD_BLOCK}`,
    );
  }
  return found;
}

/**
 * A convolution's codes, from the order of the engine's memory, `[out, 3, in]`, to torch's, `[out, in, 3]`: decoded,
 * permuted, and coded again, because the blocks are other ones.
 *
 * @param shape in torch
 */
export async function inTorchOrder(
  codes: StoredTensor,
  absmax: StoredTensor,
  isSigned: boolean,
  shape: readonly number[],
): Promise<{ codes: StoredTensor; absmax: StoredTensor }> {
  const [out, into, taps] = shape as [number, number, number];
  const memory = dequantize(await codes.read(), await absmax.readF32(), dynamicMap(isSigned), BLOCK);
  const torch = new Float32Array(memory.length);
  for (let o = 0; o < out; o++) {
    for (let tap = 0; tap < taps; tap++) {
      for (let i = 0; i < into; i++)
        torch[(o * into + i) * taps + tap] = memory[(o * taps + tap) * into + i]!;
    }
  }
  const coded = quantize(torch, isSigned);
  return {
    codes: new MemoryTensor('U8', shape, coded.codes),
    absmax: new MemoryTensor('F32', [coded.absmax.length], coded.absmax),
  };
}
