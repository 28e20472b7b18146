// Low-rank adapters: against PEFT in float64 (test/golden/lora/make.py), against finite differences, and what must be equal
// to the bit, with every precision, optimizer and checkpointing policy.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loraOf, readAdapter } from '../../src/model/adapter.js';
import { linearModules, nativeLora, resolveLora } from '../../src/model/lora.js';
import { addon, type NativeLora, type NativeModel, type Precision } from '../../src/native.js';
import { batch, dims, seed } from '../golden/model/clips.mjs';
import { modelDevice } from '../helpers/native.js';
import * as small from '../optim/small.js';

interface Picked {
  shape: number[];
  norm: number;
  at: number[];
}
interface Golden {
  loss: number;
  grads: Record<string, Picked>;
  steps: { loss: number; grad_norm: number }[];
}
const golden: Golden = JSON.parse(
  readFileSync(new URL('../golden/lora/golden.json', import.meta.url), 'utf8'),
);
const adapter = fileURLToPath(new URL('../golden/lora/adapter', import.meta.url));

let opened: NativeModel[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-'));
});
afterEach(async () => {
  await Promise.all(opened.map((model) => model.dispose()));
  opened = [];
  rmSync(folder, { recursive: true });
});

async function opens(lora: NativeLora, precision: Precision = 'f32', sizes = dims): Promise<NativeModel> {
  const model = await addon().openModel(modelDevice, sizes, precision, true, lora);
  opened.push(model);
  return model;
}

const tokens = batch.labels.filter((label) => label >= 0).length;
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

describe('an adapter of PEFT', () => {
  const open = async () => {
    const lora = await loraOf(await readAdapter(adapter), dims);
    const model = await opens(nativeLora(lora));
    await model.initialise('fan_in', seed);
    await model.loadAdapters(join(adapter, 'adapter_model.safetensors'));
    return { model, lora };
  };

  it('has its loss, its gradients and five steps of AdamW', async () => {
    const { model, lora } = await open();
    expect(lora).toMatchObject({ rank: 2, alpha: 3, dropout: 0 });
    expect([...lora.modules]).toEqual(linearModules(dims));
    const { sums } = await model.loss(batch);
    expect(Math.abs(sum(sums) / tokens - golden.loss) / golden.loss).toBeLessThan(2e-6);
    await model.prepareTraining({});
    await model.accumulate(batch, 1 / tokens);
    for (const [name, expected] of Object.entries(golden.grads)) {
      const { data, shape } = await model.read(name, 'grad');
      expect(shape, name).toEqual(expected.shape);
      const scale = expected.norm / Math.sqrt(data.length) + 1e-30;
      expect(Math.abs(Math.hypot(...data) / expected.norm - 1), name).toBeLessThan(5e-4);
      expected.at.forEach((value, i) => {
        const error = data[Math.floor((i * data.length) / expected.at.length)]! - value;
        expect(Math.abs(error) / Math.max(scale, Math.abs(value)), name).toBeLessThan(1e-3);
      });
    }
    await expect(model.read('model.decoder.layers.0.fc1.weight', 'grad')).rejects.toThrow('has no gradient');
    const rates = { encoderRate: 1e-3, decoderRate: 1e-3, weightDecay: 0.01, maxGradNorm: 1 };
    for (const [step, expected] of golden.steps.entries()) {
      const { losses, gradNorm } = await model.step([batch], {
        scales: Float32Array.of(1 / tokens),
        ...rates,
      });
      const loss = sum(losses[0]!.sums) / tokens;
      expect(Math.abs(loss - expected.loss) / expected.loss, `loss of step ${step}`).toBeLessThan(2e-5);
      expect(Math.abs(gradNorm / expected.grad_norm - 1), `norm of step ${step}`).toBeLessThan(5e-4);
    }
  });

  it('says and writes the same in the weights as beside them', async () => {
    const { model } = await open();
    const options = { prompt: Int32Array.of(dims.start, 292), maxLength: 12, end: dims.padding };
    const beside = [await model.generate(batch.samples, options), await model.loss(batch)] as const;
    await model.save(join(folder, 'merged.safetensors'), {});
    await model.saveAdapters(join(folder, 'adapter.safetensors'));
    await model.mergeAdapters();
    const within = [await model.generate(batch.samples, options), await model.loss(batch)] as const;
    expect(within[0].map((row) => row.tokens)).toEqual(beside[0].map((row) => row.tokens));
    within[1].sums.forEach((loss, row) => {
      expect(Math.abs(loss / beside[1].sums[row]! - 1)).toBeLessThan(1e-5);
    });
    const plain = await addon().openModel(modelDevice, dims, 'f32');
    opened.push(plain);
    await plain.load([join(folder, 'merged.safetensors')]);
    expect(await plain.loss(batch)).toEqual(within[1]);
    await expect(model.prepareTraining({})).rejects.toThrow('are merged into the weights');
    const again = await open();
    await again.model.loadAdapters(join(folder, 'adapter.safetensors'));
    expect(await again.model.loss(batch)).toEqual(beside[1]);
  });
});

const everywhere: NativeLora = { rank: 3, scale: 0.7, modules: linearModules(small.dims) };
const scales = Float32Array.of(1 / 25, 1 / 25);
const rates = { scales, encoderRate: 1e-2, decoderRate: 1e-2 };

/** A small model whose adapters are not zero any more. */
async function trained(lora: NativeLora, precision: Precision = 'f32', options = {}): Promise<NativeModel> {
  const model = await opens(lora, precision, small.dims);
  await model.initialise('fan_in', 5);
  await model.initialiseAdapters(6);
  await model.prepareTraining(options);
  for (let i = 0; i < 3; i++) await model.step(small.batches, rates);
  return model;
}
const isAdapter = (name: string) => /\.lora_[AB]\.weight$/.test(name);

describe('adapters', () => {
  it('begin as torch’s layers do, and change nothing', async () => {
    const model = await opens(everywhere, 'f32', small.dims);
    await model.initialise('fan_in', 5);
    await model.initialiseAdapters(6);
    const plain = await small.inTraining({});
    const [adapted, original] = [await model.loss(small.batches[0]!), await plain.loss(small.batches[0]!)];
    expect(adapted.tokens).toEqual(original.tokens);
    // A GPU may add up a product that GELU is fused with in another order than one that an adapter is added to.
    if (modelDevice === 'cpu') expect(adapted.sums).toEqual(original.sums);
    else
      expect(Math.max(...adapted.sums.map((x, i) => Math.abs(x / original.sums[i]! - 1)))).toBeLessThan(1e-6);
    const a = (await model.read('model.encoder.layers.0.fc2.lora_A.weight', 'value')).data;
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(Math.fround(1 / Math.sqrt(100)));
    // A uniform distribution's standard deviation is its bound by √3.
    expect(Math.sqrt(sum(a.map((x) => x * x)) / a.length) * Math.sqrt(300)).toBeCloseTo(1, 0);
  });

  it('learn by the slope of the loss, with dropout', async () => {
    const slope = await slopeAlong(
      { ...everywhere, scale: 3, dropout: 0.5 },
      { dropout: 0.1, activationDropout: 0.1 },
    );
    expect(Math.abs(slope - 1)).toBeLessThan(0.003);
  });

  it.each(small.precisions)('leave everything else as it is, in %s', async (precision) => {
    const model = await opens(everywhere, precision, small.dims);
    await model.initialise('fan_in', 5);
    await model.initialiseAdapters(6);
    const before = await small.bits(model);
    await model.prepareTraining({});
    for (let i = 0; i < 2; i++) await model.step(small.batches, rates);
    const now = await small.bits(model);
    for (const [name, bits] of Object.entries(now)) {
      if (isAdapter(name)) expect(bits, name).not.toBe(before[name]);
      else expect(bits, name).toBe(before[name]);
    }
  });

  it.each(small.optimizers)('go on to the same bits from a file of %s', async (optimizer) => {
    for (const precision of ['f32', 'bf16'] as const) {
      const wide = { ...everywhere, rank: 64 };
      const model = await trained(wide, precision, { optimizer });
      const [optim, adapters] = [join(folder, 'o.safetensors'), join(folder, 'a.safetensors')];
      await model.saveOptimizer(optim);
      await model.saveAdapters(adapters);
      const expected = await model.step(small.batches, rates);
      const again = await opens(wide, precision, small.dims);
      await again.initialise('fan_in', 5);
      await again.loadAdapters(adapters);
      await again.prepareTraining({ optimizer });
      await again.loadOptimizer(optim);
      expect(await again.step(small.batches, rates)).toEqual(expected);
      expect(await small.bits(again)).toEqual(await small.bits(model));
    }
  });

  it('are the same with every checkpointing policy', async () => {
    const lora = { ...everywhere, dropout: 0.2 };
    const runs = [];
    for (const checkpointing of ['none', 'encoder', 'all', 'every', 'selective'] as const) {
      const model = await trained(lora, 'f32', { checkpointing, ...small.chance });
      runs.push(await small.bits(model));
    }
    for (const run of runs) expect(run).toEqual(runs[0]);
  });

  it('are trained in the part that is not frozen, and in no other', async () => {
    const model = await trained(everywhere, 'f32', { freezeEncoder: true });
    await expect(model.read('model.encoder.layers.0.fc1.lora_A.weight', 'grad')).rejects.toThrow(
      'no gradient',
    );
    const modules = everywhere.modules.filter((name) => name.includes('.encoder.'));
    const encoder = await opens({ ...everywhere, modules }, 'f32', small.dims);
    await expect(encoder.prepareTraining({ freezeEncoder: true })).rejects.toThrow(
      'nothing to train: the part with the adapters is frozen',
    );
  });

  it.each(small.precisions)('take the memory that the plan says, in %s', async (precision) => {
    for (const lora of [undefined, { ...everywhere, dropout: 0.1 }]) {
      const model = await addon().openModel('cpu', small.dims, precision, true, lora);
      opened.push(model);
      await model.initialise('fan_in', 5);
      await model.prepareTraining({});
      const [micro] = small.batches;
      await model.step([micro!], { ...rates, scales: Float32Array.of(1) });
      const what = { batch: micro!.samples.length, labels: micro!.time, training: true, precision };
      const plan = await addon().plan(small.dims, { ...what, ...(lora && { lora }) });
      const { peak } = await model.memory();
      expect(Math.abs(peak - plan.peak) / plan.peak).toBeLessThan(0.02);
      if (lora) expect(plan.trainable).toBeLessThan(plan.parameters / 5);
      if (lora && precision !== 'f32') expect(plan.masters).toBeLessThan(plan.weights / 2);
    }
  });

  it('refuse layers that are not there, and an adapter of another model', async () => {
    await expect(opens({ rank: 2, scale: 1, modules: ['model.decoder.layers.9.fc1'] })).rejects.toThrow(
      'the model has no linear layer named model.decoder.layers.9.fc1',
    );
    const model = await opens({ rank: 2, scale: 1, modules: ['model.decoder.layers.0.fc1'] });
    await expect(model.loadAdapters(join(adapter, 'adapter_model.safetensors'))).rejects.toThrow(
      /tensor model\..* belongs to no adapter of this model/,
    );
    const other = { ...dims, width: 32, decoderFfn: 64 };
    const lora = nativeLora(await loraOf(await readAdapter(adapter), other));
    const narrow = await opens(lora, 'f32', other);
    await expect(narrow.loadAdapters(join(adapter, 'adapter_model.safetensors'))).rejects.toMatchObject({
      code: 'ERR_SHAPE_MISMATCH',
    });
    await expect(loraOf(await readAdapter(adapter), { ...dims, encoderLayers: 1 })).rejects.toThrow(
      /adapts model\.encoder\.layers\.1\.\S+, which this model does not have/,
    );
  });
});

/**
 * The difference that a small step of SGD makes to the loss, beside what the gradient's norm promises: 1 where the
 * gradient is the slope. Dropout draws the same for both losses, which are of the first micro-batch of a run.
 */
async function slopeAlong(lora: NativeLora, options: object): Promise<number> {
  const losses: number[] = [];
  let norm = 0;
  const rate = 1e-5;
  for (const step of [0, rate]) {
    const model = await opens(lora, 'f32', small.dims);
    await model.initialise('fan_in', 5);
    await model.initialiseAdapters(6);
    await model.prepareTraining({ ...options, optimizer: 'sgd', seed: 9 });
    const micro = { scales: Float32Array.of(1), encoderRate: 0.01, decoderRate: 0.01, maxGradNorm: 0 };
    for (let i = 0; i < 3; i++) await model.step([small.batches[0]!], micro);
    const state = join(folder, 'before.safetensors');
    await model.saveOptimizer(state);
    const taken = await model.step([small.batches[0]!], { ...micro, encoderRate: step, decoderRate: step });
    norm = taken.gradNorm;
    await model.loadOptimizer(state);
    const probe = await model.step([small.batches[0]!], { ...micro, encoderRate: 0, decoderRate: 0 });
    losses.push(sum(probe.losses[0]!.sums));
  }
  return (losses[0]! - losses[1]!) / (rate * norm * norm);
}

describe('the options of adapters', () => {
  const modules = (targetModules: string | string[]) => [
    ...resolveLora({ rank: 2, targetModules }, dims).modules,
  ];

  it('choose layers as PEFT does', () => {
    expect(modules(['q_proj'])).toHaveLength(6);
    expect(modules('q_proj')).toHaveLength(6);
    expect(modules(['layers.1.fc1', 'encoder_attn.v_proj'])).toEqual([
      'model.encoder.layers.1.fc1',
      'model.decoder.layers.0.encoder_attn.v_proj',
      'model.decoder.layers.1.encoder_attn.v_proj',
      'model.decoder.layers.1.fc1',
    ]);
    expect(modules('.*decoder.*(q_proj|fc2)')).toHaveLength(6);
    expect(modules('all-linear')).toEqual(linearModules(dims));
    expect(resolveLora({ rank: 8 }, dims)).toMatchObject({ alpha: 16, targetModules: ['q_proj', 'v_proj'] });
  });

  it.each([
    [{ rank: 0 }, 'lora.rank must be a whole number from 1 to 64 (d_model), got 0'],
    [{ rank: 1.5 }, 'lora.rank must be'],
    [{ rank: 2, alpha: 0 }, 'lora.alpha must be a number above 0, got 0'],
    [{ rank: 2, dropout: 1 }, 'lora.dropout must be a number of at least 0 and below 1, got 1'],
    [{ rank: 2, targetModules: ['query'] }, 'lora.targetModules must be ends of names of linear layers'],
    [{ rank: 2, targetModules: ['q_proj', 'conv1'] }, 'got "conv1"'],
    [{ rank: 2, targetModules: '.*(q_proj' }, 'got ".*(q_proj"'],
    [{ rank: 2, targetModules: [] }, 'got []'],
  ])('refuse %j', (options, message) => {
    expect(() => resolveLora(options, dims)).toThrow(message);
  });
});
