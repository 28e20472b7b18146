// The benchmarks of src/bench as the parts run them.
import { addon } from '../../dist/native.js';
import { deviceName, measuredRate } from './card.mjs';
import { device, python } from './part.mjs';

/** A benchmark's circumstances (src/bench/benchmark.ts: Bench) for sizes and settings. */
export function benchOf(dims, settings) {
  const name = deviceName();
  const { precision } = settings;
  return {
    ...{ model: 'random', batch: 1, labels: 1, only: '', checkpointing: 'none', optimizer: 'adamw_torch' },
    ...{ device, deviceName: name, dims, clock: 'wall', rounds: 3, peer: python, peerOptions: {} },
    threads: addon().deviceInfo().threads,
    machine: { roofs: {}, gpu: { name, products: { [precision]: measuredRate(precision) } } },
    notice: (message) => console.log(message),
    progress: () => {},
    ...settings,
  };
}
