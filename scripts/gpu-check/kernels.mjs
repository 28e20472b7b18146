// Part `kernels`: products and attention at Whisper's shapes, beside torch's products and its flash and cuDNN attention.
import { peerDevice } from '../../dist/bench/benchmark.js';
import { measureOperation } from '../../dist/bench/operations.js';
import { operationsOf } from '../../dist/bench/ops.js';
import { startPeer } from '../../dist/bench/peer.js';
import { releasedDims } from '../../dist/model/released.js';
import { benchOf } from './benches.mjs';
import { emulated, firstLine, part, python, toyDims } from './part.mjs';

const LABELS = emulated ? 8 : 128;
/** Rows at a time: enough for every processor, and for operands beyond the cache. */
const BATCH = emulated ? 1 : 8;

// What matters most comes first: what time runs out for is left out.
const WORK = emulated
  ? [
      { model: 'toy', precision: 'bf16', only: 'attention' },
      { model: 'toy', precision: 'f16', only: 'linear 8' },
    ]
  : [
      { model: 'large-v3', precision: 'bf16', only: 'attention' },
      { model: 'large-v3', precision: 'bf16', only: 'linear' },
      { model: 'small', precision: 'bf16', only: 'attention' },
      { model: 'small', precision: 'bf16', only: 'linear' },
      { model: 'large-v3', precision: 'bf16', only: 'classifier' },
      { model: 'large-v3', precision: 'bf16', only: 'layernorm' },
      { model: 'large-v3', precision: 'bf16', only: 'gelu 1' },
      { model: 'medium', precision: 'f16', only: 'attention' },
      { model: 'medium', precision: 'f16', only: 'linear' },
    ];

/** Not begun with fewer seconds left. */
const ENOUGH = 4;

/** On the CPU, beside the emulator, PyTorch has but one. */
const SDPA = emulated ? ['math'] : ['flash', 'cudnn'];

await part('kernels', async ({ record, add, skip, fail, left }) => {
  const peers = new Map();
  const peerOf = async (bench) => {
    const { precision, threads } = bench;
    if (python === undefined) return undefined;
    if (!peers.has(precision)) {
      const settings = { precision, threads, device: peerDevice(bench) };
      peers.set(precision, await startPeer(python, 'ops.py', settings));
      record(`peer ${precision}`, peers.get(precision).name);
    }
    return peers.get(precision);
  };
  if (python === undefined) skip('torch', 'no Python with torch and transformers');

  const measure = async (bench, model, operation, peer, sdpa) => {
    const what = `${model} ${bench.precision} ${operation.name}${sdpa ? ` beside ${sdpa}` : ''}`;
    if (left() < ENOUGH) return skip(what, 'out of time');
    const asked = sdpa ? { ...operation, peer: { ...operation.peer, sdpa } } : operation;
    try {
      const found = await measureOperation(bench, asked, peer);
      // Published counts of flash attention take five products for its backward pass, ours four.
      const products = /attention.*backward/.test(operation.name) ? 5 / 4 : 1;
      add('operations', {
        ...{
          model,
          precision: bench.precision,
          ...(sdpa && peer ? { sdpa } : {}),
          ...rates(found, products),
        },
        ...(found.peer ? { torch: rates(found.peer, products), ratio: found.ratio } : {}),
      });
    } catch (error) {
      fail(`${what}: ${firstLine(error)}`);
    }
  };

  for (const { model, precision, only } of WORK) {
    const dims = emulated ? toyDims : releasedDims(model);
    const bench = benchOf(dims, { precision, batch: BATCH, labels: LABELS, rounds: emulated ? 1 : 3 });
    const peer = await peerOf(bench).catch((error) => fail(`the peer: ${firstLine(error)}`));
    const wanted = ({ name }) => name.startsWith(only) && !name.includes('dropout');
    for (const operation of operationsOf(bench).filter(wanted)) {
      const choices = operation.name.startsWith('attention') ? SDPA : [undefined];
      for (const sdpa of peer ? choices : [undefined]) await measure(bench, model, operation, peer, sdpa);
    }
  }
  for (const peer of peers.values()) await peer?.close();
});

/** Name, milliseconds, and TFLOP/s or GB/s. */
function rates({ name, msPerStep, gflops, gigabytesPerSecond, roof }, products) {
  const tflops = gflops && (products * gflops) / 1000;
  return {
    ...{ name, milliseconds: msPerStep.median },
    ...(tflops ? { tflops } : {}),
    ...(tflops && roof ? { ofMeasured: (1000 * tflops) / roof } : {}),
    ...(gigabytesPerSecond ? { gigabytesPerSecond } : {}),
  };
}
