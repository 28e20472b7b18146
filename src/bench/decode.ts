// Batched greedy decoding of a fixed number of tokens: log-mel, encoder, prompt, and the token loop with its cache.
import { WhisperError } from '../errors.js';
import { addon, type NativeModel } from '../native.js';
import {
  type Bench,
  type Benchmark,
  beside,
  interleave,
  type Measured,
  withPeer,
  withRandomModel,
} from './benchmark.js';
import { type Spread, type Turn, timed } from './measure.js';
import { clips, windowSeconds } from './random.js';

/** As many tokens as the prompt of a transcription has: start, language, task, no timestamps. */
const PROMPT = 4;

export const decode: Benchmark = {
  name: 'decode',
  summary: 'batched greedy decoding of a fixed number of tokens, encoder included',
  defaults: { model: 'tiny', device: 'cpu', precision: 'f32', batch: 8, labels: 128 },
  peer: 'decode.py',
  async measure(bench) {
    const { dims, batch, labels, precision } = bench;
    const most = dims.target - PROMPT;
    if (labels < 2 || labels > most) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `--labels must be from 2 to ${most} (max_target_positions without the prompt's ${PROMPT}), got ${labels}`,
      );
    }
    return withRandomModel(bench, false, async (model) => {
      const decoded = turnsOf(model, bench);
      const settings = { dims, batch, precision, prompt: PROMPT };
      return withPeer(bench, this.peer, settings, async (peer) => {
        const theirs = peer ? [() => peer.turn(`${labels}`), () => peer.turn('1')] : [];
        const [whole, first, peerWhole, peerFirst] = await interleave(
          bench,
          'decoding',
          [decoded(labels), decoded(1)],
          theirs,
        );
        // All that comes before the second token is the same in both.
        const rates = (msPerStep: Spread, { median: begun }: Spread): Omit<Measured, 'name'> => ({
          msPerStep,
          tokensPerSecond: (1000 * batch * labels) / msPerStep.median,
          msPerToken: (msPerStep.median - begun) / (labels - 1),
          realTimeFactor: (1000 * batch * windowSeconds(dims)) / msPerStep.median,
        });
        return beside(
          {
            name: `whisper-tune ${addon().version}`,
            ...rates(whole!, first!),
            peakBytes: (await model.memory()).peak,
          },
          peer && { name: peer.name, ...rates(peerWhole!, peerFirst!) },
        );
      });
    });
  },
};

/** Turns that decode so many tokens: the end token never comes. */
function turnsOf(model: NativeModel, { dims, batch, clock }: Bench): (tokens: number) => Turn {
  const samples = clips(dims, batch);
  const end = dims.vocab - 1;
  const prompt = Int32Array.from({ length: PROMPT }, (_, i) => (i === 0 ? dims.start : i));
  const suppress = Int32Array.of(end);
  return (tokens) => async () => {
    const options = { prompt, maxLength: PROMPT + tokens, end, suppress };
    return [await timed(clock, () => model.generate(samples, options))];
  };
}
