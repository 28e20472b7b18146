// A run that is saved and taken up again is the run that was never stopped, to the bit; another run's file is refused.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NativeTrainingOptions, Precision } from '../../src/native.js';
import { readTensors, writeTensors } from '../helpers/safetensors.js';
import { bits, chance, folder, inTraining, optimizers, precisions, steps } from './small.js';

const files = () => ({ weights: join(folder, 'model'), state: join(folder, 'optimizer') });

describe.each(precisions)('in %s', (precision) => {
  it.each(optimizers)('%s goes on with the same bits', async (optimizer) => {
    const options: NativeTrainingOptions = { optimizer, ...chance };
    // Doubles the loss scale after the fourth step and in the middle of a count.
    if (precision === 'f16')
      Object.assign(options, { lossScaler: 'torch', initialLossScale: 256, lossScaleWindow: 4 });
    const given = { weightDecay: 0.1, labelSmoothing: 0.1 };
    const whole = await inTraining(options, precision);
    const results = await steps(whole, 6, given);
    expect(results.every(({ finite }) => finite)).toBe(true);

    const { weights, state } = files();
    const first = await inTraining(options, precision);
    expect(await steps(first, 3, given)).toEqual(results.slice(0, 3));
    await first.save(weights, {});
    await first.saveOptimizer(state);
    const second = await inTraining(options, precision);
    await second.load([weights]);
    await second.loadOptimizer(state);
    expect(await steps(second, 3, given)).toEqual(results.slice(3));
    expect(await bits(second)).toEqual(await bits(whole));
  });
});

describe('a file of another run', () => {
  const rest =
    "or start a new run from the checkpoint's weights with --model_name_or_path and another --output_dir";
  it.each<[string, [NativeTrainingOptions, Precision], [NativeTrainingOptions, Precision]]>([
    [
      'optimizer was adafactor and is adamw_torch now: resume with --optim adafactor',
      [{ optimizer: 'adafactor' }, 'f32'],
      [{}, 'f32'],
    ],
    [
      'optimizer was sgd and is adamw_bnb_8bit now: resume with --optim sgd',
      [{ optimizer: 'sgd' }, 'f32'],
      [{ optimizer: 'adamw_bnb_8bit' }, 'f16'],
    ],
    ['precision was f16 and is f32 now: resume with --precision f16', [{}, 'f16'], [{}, 'f32']],
    [
      'trained was decoder and is all now: resume with --freeze_encoder',
      [{ freezeEncoder: true }, 'f32'],
      [{}, 'f32'],
    ],
    [
      'trained was encoder and is all now: resume with --freeze_decoder',
      [{ freezeDecoder: true }, 'f32'],
      [{}, 'f32'],
    ],
    [
      'loss_scaler was deepspeed and is torch now: resume with --loss_scaler deepspeed',
      [{ lossScaler: 'deepspeed' }, 'f16'],
      [{ lossScaler: 'torch' }, 'f16'],
    ],
    [
      'eight_bit_embeddings was true and is false now: resume with --optim_8bit_embeddings',
      [{ optimizer: 'adamw_bnb_8bit', eightBitEmbeddings: true }, 'f32'],
      [{ optimizer: 'adamw_bnb_8bit' }, 'f32'],
    ],
  ])('is refused: %s', async (message, saved, now) => {
    const { state } = files();
    await (await inTraining(...saved)).saveOptimizer(state);
    const model = await inTraining(...now);
    await expect(model.loadOptimizer(state)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: `${state}: ${message}, ${rest}`,
    });
  });

  it('is refused when a tensor has another shape or is missing, by name', async () => {
    const { state } = files();
    const model = await inTraining({});
    await model.saveOptimizer(state);
    const file = readTensors(state);
    const name = 'exp_avg.model.decoder.embed_tokens.weight';
    file.tensors[name]!.shape.reverse();
    writeTensors(state, file);
    await expect(model.loadOptimizer(state)).rejects.toMatchObject({
      code: 'ERR_SHAPE_MISMATCH',
      message: `${state}: tensor ${name} has shape [64, 73], expected [73, 64]`,
    });
    delete file.tensors[name];
    writeTensors(state, file);
    await expect(model.loadOptimizer(state)).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: `${state}: tensor ${name} is missing`,
    });
  });

  it('is refused when it is a file of weights', async () => {
    const { weights } = files();
    const model = await inTraining({});
    await model.save(weights, { format: 'pt' });
    await expect(model.loadOptimizer(weights)).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: `${weights}: the metadata have no 'optimizer'; is it an optimizer's file?`,
    });
  });
});
