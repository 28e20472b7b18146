// What a GPU reaches by the engine's own operations: the rate of a large product, and of copying memory.
import { addon, type Precision } from '../native.js';
import { spreadOf } from './measure.js';
import { operand } from './random.js';

/** Rows, columns and depth of the product; of the emulator's, which makes some 10⁹ multiply-adds a second. */
const SIDE = 8192;
const EMULATED_SIDE = 128;

/** Elements of a copy: 512 MiB read and as many written in f32, many times what a cache holds. */
const COPIED = 2 ** 27;
const EMULATED_COPIED = 2 ** 16;

const isEmulated = (deviceName: string) => deviceName.startsWith('cuda-emulator');

/** GFLOP/s of a square product of random factors. */
export function productRate(device: string, deviceName: string, precision: Precision): number {
  const side = isEmulated(deviceName) ? EMULATED_SIDE : SIDE;
  const square = () => operand([side, side], precision);
  const times = addon().opTimes(device, 5, 4, precision === 'f32-fast');
  const took = times.linear!(square(), square(), square(), null);
  return (2 * side ** 3) / spreadOf([...took]).median / 1e6;
}

/** GB/s that a copy within the GPU's memory reads and writes together. */
export function copyRate(device: string, deviceName: string): number {
  const elements = isEmulated(deviceName) ? EMULATED_COPIED : COPIED;
  const took = addon().opTimes(device, 5, 4, false).cast!(operand([elements]), operand([elements]));
  return (2 * 4 * elements) / spreadOf([...took]).median / 1e6;
}
