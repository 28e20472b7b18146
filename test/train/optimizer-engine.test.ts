// The engine's optimizers by way of torch: saved, exported, imported and loaded, a run goes on as if nothing had been.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SafetensorsFile } from '../../src/files/safetensors.js';
import { Whisper } from '../../src/model/whisper.js';
import type { NativeBatch, NativeTrainingOptions } from '../../src/native.js';
import { BLOCK, dequantize, dynamicMap } from '../../src/train/exchange/dynamic-map.js';
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
  { optimizer: 'adamw_hf' },
  { optimizer: 'adamw_bnb_8bit', freezeEncoder: true, eightBitEmbeddings: true },
  { optimizer: 'adafactor' },
  { optimizer: 'sgd' },
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

it('takes codes of a convolution through torch’s order, within two roundings', async () => {
  const name = 'model.encoder.conv1.weight';
  const numbers = async (path: string, moment: 1 | 2): Promise<Float32Array> => {
    const file = await SafetensorsFile.open(path);
    const codes = file.find(`state${moment}.${name}`)!;
    expect(codes).toMatchObject({ type: 'U8', shape: [32, 3, 80] });
    const absmax = await file.find(`absmax${moment}.${name}`)!.readF32();
    const decoded = dequantize(await codes.read(), absmax, dynamicMap(moment === 1), BLOCK);
    await file.close();
    return decoded;
  };
  const options: NativeTrainingOptions = { optimizer: 'adamw_bnb_8bit' };
  const model = await Whisper.fromPretrained(at('model'));
  await steps(model, options, 2);
  await model.native.saveOptimizer(at('saved.safetensors'));
  await exportOptimizer(at('saved.safetensors'), at('optimizer.pt'), { model: at('model') });
  await importOptimizer(at('optimizer.pt'), at('imported.safetensors'), { model: at('model') });
  await steps(model, options, 0, at('imported.safetensors'));
  await model.native.saveOptimizer(at('loaded.safetensors'));
  for (const moment of [1, 2] as const) {
    const was = await numbers(at('saved.safetensors'), moment);
    const is = await numbers(at('loaded.safetensors'), moment);
    const largest = was.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const furthest = was.reduce((most, value, i) => Math.max(most, Math.abs(value - is[i]!)), 0);
    expect(largest).toBeGreaterThan(0);
    // Half the widest gap of the map, 0.0141 or 0.0071 of the largest of a block, twice.
    expect(furthest / largest).toBeLessThan(moment === 1 ? 0.0141 : 0.0071);
  }
  await model.dispose();
});
