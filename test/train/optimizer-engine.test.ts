// The engine's optimizers by way of torch: saved, exported, imported and loaded, a run goes on as if nothing had been.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Whisper } from '../../src/model/whisper.js';
import type { NativeBatch, NativeTrainingOptions } from '../../src/native.js';
import { exportOptimizer, importOptimizer } from '../../src/train/optimizer-exchange.js';
import { makeModel, temporaryFolder, tone } from '../cli/fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (name: string) => join(folder.path, name);

beforeAll(async () => {
  await makeModel(at('model'));
});

const batch: NativeBatch = {
  samples: [tone(1), tone(2, 0.3)],
  labels: Int32Array.of(5, 6, 7, 8, 9, -100),
  time: 3,
};

/** A model being trained: some steps from the weights of a folder. */
async function steps(
  model: Whisper,
  options: NativeTrainingOptions,
  count: number,
  optimizer?: string,
): Promise<void> {
  await model.native.prepareTraining(options);
  if (optimizer !== undefined) await model.native.loadOptimizer(optimizer);
  for (let i = 0; i < count; i++) {
    const { finite } = await model.native.step([batch], {
      scales: Float32Array.of(0.2),
      encoderRate: 1e-3,
      decoderRate: 1e-3,
      weightDecay: 0.01,
    });
    expect(finite).toBe(true);
  }
}

describe.each<NativeTrainingOptions>([
  { optimizer: 'adamw_torch' },
  { optimizer: 'adamw_torch', freezeEncoder: true },
])('%j', (options) => {
  it('goes on with the same bits', async () => {
    const model = await Whisper.fromPretrained(at('model'));
    await steps(model, options, 2);
    await model.native.saveOptimizer(at('saved.safetensors'));
    await model.native.save(at('weights.safetensors'), {});

    await exportOptimizer(at('saved.safetensors'), at('optimizer.pt'), { model: at('model') });
    const { step } = await importOptimizer(at('optimizer.pt'), at('imported.safetensors'), {
      model: at('model'),
      step: 2,
    });
    expect(step).toBe(2);

    const weightsAfter = async (optimizer: string): Promise<Buffer> => {
      await model.native.load([at('weights.safetensors')]);
      await steps(model, options, 1, optimizer);
      await model.native.save(at('after.safetensors'), {});
      return readFileSync(at('after.safetensors'));
    };
    const direct = await weightsAfter(at('saved.safetensors'));
    expect((await weightsAfter(at('imported.safetensors'))).equals(direct)).toBe(true);
    expect(readFileSync(at('weights.safetensors')).equals(direct)).toBe(false);
    await model.dispose();
  });
});
