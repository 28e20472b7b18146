// A training step: log-mel, forward, backward, clipping and AdamW, of random data.
import { addon } from '../native.js';
import {
  type Bench,
  type Benchmark,
  beside,
  interleave,
  type Measured,
  peerDevice,
  type Result,
  rateOf,
  withPeer,
  withRandomModel,
} from './benchmark.js';
import { stepFlops } from './flops.js';
import { type Spread, timed } from './measure.js';
import type { Peer } from './peer.js';
import { trainingBatch, windowSeconds } from './random.js';

export const step: Benchmark = {
  name: 'step',
  summary: 'a training step: log-mel, forward, backward, clipping, AdamW',
  defaults: {
    ...{ model: 'tiny', device: 'cpu', precision: 'f32', batch: 4, labels: 448 },
    ...{ checkpointing: 'none', optimizer: 'adamw_torch' },
  },
  peer: 'step.py',
  measure: measureStep,
};

export async function measureStep(bench: Bench): Promise<Result> {
  const { dims, batch, labels, precision, checkpointing, optimizer } = bench;
  const resident = process.memoryUsage().rss;
  return withRandomModel(bench, true, async (model) => {
    const lossScaler = precision === 'f16' ? 'torch' : 'none';
    await model.prepareTraining({ lossScaler, checkpointing, optimizer });
    const data = trainingBatch(dims, batch, labels);
    const options = {
      scales: Float32Array.of(1 / (batch * labels)),
      encoderRate: 1e-5,
      decoderRate: 1e-5,
    };
    const turn = async () => [await timed(bench.clock, () => model.step([data], options))];
    const settings = { dims, batch, labels, precision, checkpointing };
    return withPeer(bench, step.peer, settings, async (peer) => {
      const [ours, theirs] = await interleave(
        bench,
        'training step',
        [turn],
        peer ? [() => peer.turn()] : [],
      );
      const rates = (msPerStep: Spread): Omit<Measured, 'name'> => ({
        msPerStep,
        samplesPerSecond: (1000 * batch) / msPerStep.median,
        realTimeFactor: (1000 * batch * windowSeconds(dims)) / msPerStep.median,
      });
      return beside(
        {
          name: `whisper-tune ${addon().version}`,
          ...rates(ours!),
          ...rateOf(batch * stepFlops(dims, labels), ours!, bench),
          peakBytes: (await model.memory()).peak,
          residentBytes: 1024 * process.resourceUsage().maxRSS - resident,
        },
        peer && { name: peer.name, ...rates(theirs!), ...(await peerMemory(bench, peer)) },
      );
    });
  });
}

/** Of tensors on the GPU or, beside the CPU, of the process. */
async function peerMemory(bench: Bench, peer: Peer): Promise<Partial<Measured>> {
  const bytes = await peer.bytes();
  return peerDevice(bench) === 'cpu' ? { residentBytes: bytes } : { peakBytes: bytes };
}
