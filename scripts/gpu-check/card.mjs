// The card's rates: as the vendor names them, and as the part `environment` found them.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { productRate } from '../../dist/bench/device.js';
import { addon } from '../../dist/native.js';
import { device, out } from './part.mjs';

// Dense products of 16-bit factors with sums in f32, TFLOP/s, by NVIDIA's data sheets.
const NOMINAL = [
  [/H200|H100 80GB HBM3|H100 SXM/, 989.4],
  [/H100 PCIe/, 756],
  [/A100/, 312],
];

/** GFLOP/s of the data sheet; undefined for a card that is not in the table. */
export function nominalRate(deviceName) {
  const found = NOMINAL.find(([pattern]) => pattern.test(deviceName));
  return found && 1000 * found[1];
}

export const deviceName = () => addon().ops(device).device;

/** What `environment` has found in this run; undefined where it was not asked for. */
export function environment() {
  const path = join(out, 'environment.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

const rates = new Map();

/** GFLOP/s of a large product: the better of the engine's and of torch's. */
export function measuredRate(precision) {
  if (!rates.has(precision)) {
    const found = environment()?.products;
    const ours = found?.ours?.[precision] ?? productRate(device, deviceName(), precision);
    rates.set(precision, Math.max(ours, found?.torch?.[precision] ?? 0));
  }
  return rates.get(precision);
}
