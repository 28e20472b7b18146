// What is computed again on the way back is what was computed on the way there: no policy changes a bit of a gradient.
import { expect, it } from 'vitest';
import type { NativeTrainingOptions } from '../../src/native.js';
import { bits, chance, inTraining, precisions, steps } from './small.js';

const policies: NativeTrainingOptions[] = [
  { checkpointing: 'encoder' },
  { checkpointing: 'all' },
  { checkpointing: 'every', checkpointEvery: 2 },
  { checkpointing: 'selective' },
];

/** The gradients of the second step, from which the weights no longer move. */
async function gradients(options: NativeTrainingOptions, precision: (typeof precisions)[number]) {
  const model = await inTraining(options, precision);
  const [first] = await steps(model, 1);
  const [second] = await steps(model, 1, { encoderRate: 0, decoderRate: 0 });
  return { results: [first, second], gradients: await bits(model, 'grad') };
}

const without = { encoderLayerdrop: 0, decoderLayerdrop: 0, dropout: 0 };

it.each(
  precisions.flatMap((precision) =>
    [
      { name: 'nothing at random', random: without },
      { name: 'dropout and LayerDrop', random: chance },
    ].map(({ name, random }) => [precision, name, random] as const),
  ),
)('in %s, with %s', async (precision, _, random) => {
  const expected = await gradients({ ...random, checkpointing: 'none' }, precision);
  expect(expected.results.every((result) => result!.finite)).toBe(true);
  for (const policy of policies)
    expect(await gradients({ ...random, ...policy }, precision), JSON.stringify(policy)).toEqual(expected);
});

it('draws anew for every micro-batch, and the same for the same seed', async () => {
  const norms = async (seed: number) =>
    (await steps(await inTraining({ ...chance, seed }), 3, { encoderRate: 0, decoderRate: 0 })).map(
      ({ gradNorm }) => gradNorm,
    );
  const some = await norms(1);
  expect(new Set(some).size).toBe(3);
  expect(await norms(1)).toEqual(some);
  expect(await norms(2)).not.toEqual(some);
});
