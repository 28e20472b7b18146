// The encoder's forward pass over full windows, without the log-mel before it.
import { addon } from '../native.js';
import {
  type Benchmark,
  beside,
  interleave,
  type Measured,
  rateOf,
  withPeer,
  withRandomModel,
} from './benchmark.js';
import { encoderFlops } from './flops.js';
import type { Spread } from './measure.js';
import { clips, windowSeconds } from './random.js';

export const encode: Benchmark = {
  name: 'encode',
  summary: 'the encoder’s forward pass',
  defaults: { model: 'tiny', device: 'cpu', precision: 'f32', batch: 1 },
  peer: 'encode.py',
  async measure(bench) {
    const { dims, batch, precision } = bench;
    return withRandomModel(bench, false, async (model) => {
      const samples = clips(dims, batch);
      const turn = async () => [await model.timeEncoder(samples)];
      return withPeer(bench, this.peer, { dims, batch, precision }, async (peer) => {
        const [ours, theirs] = await interleave(bench, 'encoder', [turn], peer ? [() => peer.turn()] : []);
        const rates = (msPerStep: Spread): Omit<Measured, 'name'> => ({
          msPerStep,
          samplesPerSecond: (1000 * batch) / msPerStep.median,
          realTimeFactor: (1000 * batch * windowSeconds(dims)) / msPerStep.median,
        });
        return beside(
          {
            name: `whisper-tune ${addon().version}`,
            ...rates(ours!),
            ...rateOf(batch * encoderFlops(dims), ours!, bench),
            peakBytes: (await model.memory()).peak,
          },
          peer && { name: peer.name, ...rates(theirs!) },
        );
      });
    });
  },
};
