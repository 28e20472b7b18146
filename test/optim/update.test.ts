// One update of every optimizer: what moves, at which rate, and what decays.
import { describe, expect, it } from 'vitest';
import type { NativeStepOptions } from '../../src/native.js';
import { expectWithin } from '../helpers/compare.js';
import { all, digest, inTraining, optimizers, partOf, precisions, step } from './small.js';

/** Weights before and after a step. */
async function moved(training: object, options: Partial<NativeStepOptions>) {
  const model = await inTraining(training);
  const before = await all(model);
  expect((await step(model, options)).finite).toBe(true);
  return { before, after: await all(model) };
}

describe.each(optimizers)('an update of %s', (optimizer) => {
  it.each([
    [{}, ['encoder', 'decoder']],
    [{ freezeEncoder: true }, ['decoder']],
    [{ freezeDecoder: true }, ['encoder']],
  ])('with %j moves all of %j and nothing else', async (frozen, trained) => {
    const { before, after } = await moved({ optimizer, ...frozen }, { encoderRate: 0.01, decoderRate: 0.01 });
    for (const name of Object.keys(before)) {
      if (trained.includes(partOf(name))) expect(digest(after[name]!), name).not.toBe(digest(before[name]!));
      else expect(digest(after[name]!), name).toBe(digest(before[name]!));
    }
  });

  it('moves each part at its own rate', async () => {
    const weightDecay = 0.1;
    const rates = { encoderRate: 1e-3, decoderRate: 2e-3 };
    const { before, after } = await moved({ optimizer }, { ...rates, weightDecay });
    const still = await moved({ optimizer }, { encoderRate: 0, decoderRate: 0, weightDecay });
    for (const [name, value] of Object.entries(still.before))
      expect(digest(still.after[name]!), name).toBe(digest(value));
    const slow = await moved({ optimizer }, { encoderRate: 1e-3, decoderRate: 1e-3, weightDecay });
    const fast = await moved({ optimizer }, { encoderRate: 2e-3, decoderRate: 2e-3, weightDecay });
    for (const name of Object.keys(before)) {
      const expected = { encoder: slow.after, decoder: fast.after, fixed: before }[partOf(name)]!;
      expect(digest(after[name]!), name).toBe(digest(expected[name]!));
    }
  });

  // What decay makes of w beside the update without it: w·(1 - rate·decay), of the value before or after the update.
  it('decays matrices, convolutions and tables, but no bias and no layer norm', async () => {
    const rate = 0.01;
    const weightDecay = 0.5;
    const model = await inTraining({ optimizer });
    const rank = new Map((await model.parameters()).map(({ name, shape }) => [name, shape.length]));
    const rates = { encoderRate: rate, decoderRate: rate };
    const plain = await moved({ optimizer }, rates);
    const decayed = await moved({ optimizer }, { ...rates, weightDecay });
    for (const [name, before] of Object.entries(plain.before)) {
      const without = plain.after[name]!;
      if (rank.get(name) === 1 || partOf(name) === 'fixed') {
        expect(digest(decayed.after[name]!), name).toBe(digest(without));
        continue;
      }
      const allowed = Array.from(before, (w, i) => {
        const between = rate * weightDecay * Math.abs(without[i]! - w);
        return between + 2 ** -22 * (Math.abs(w) + Math.abs(without[i]!));
      });
      const expected = without.map((w, i) => w - rate * weightDecay * before[i]!);
      expectWithin(name, decayed.after[name]!, expected, allowed);
    }
  });

  it.each(precisions)('in %s makes the loss fall', async (precision) => {
    const model = await inTraining({ optimizer }, precision);
    const rate = optimizer === 'sgd' ? 0.05 : 2e-3;
    const losses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const { finite, losses: parts } = await step(model, { encoderRate: rate, decoderRate: rate });
      expect(finite).toBe(true);
      losses.push(parts.flatMap(({ sums }) => [...sums]).reduce((a, b) => a + b));
    }
    expect(losses.at(-1)! / losses[0]!).toBeLessThan(0.9);
  });
});
