// The whole model against transformers in float64 (test/golden/model/make.py): hidden states, losses, every gradient,
// five AdamW steps, greedy decoding; and what must be equal to the bit.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addon, type NativeModel, type NativeTensor } from '../../src/native.js';
import { batch, dims, prompted, seed } from '../golden/model/clips.mjs';
import { modelDevice } from '../helpers/native.js';

interface Picked {
  shape: number[];
  norm: number;
  at: number[];
}
interface Golden {
  hidden: Record<string, Picked>;
  logits: Picked;
  loss: number;
  row_losses: number[];
  grads: Record<string, Picked>;
  prompted: { loss: number; grads: Record<string, Picked> };
  steps: { loss: number; grad_norm: number }[];
  weights: Record<string, Picked>;
  generate: {
    prompt: number[];
    suppress: number[];
    begin_suppress: number[];
    max_length: number;
    rows: { tokens: number[]; logprobs: number[] }[];
  };
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../golden/model/golden.json', import.meta.url), 'utf8'),
);
const tokens = batch.labels.filter((label) => label >= 0).length;
const adamw = {
  scales: Float32Array.of(1 / tokens),
  encoderRate: 1e-3,
  decoderRate: 1e-3,
  weightDecay: 0.01,
  maxGradNorm: 1,
};

async function open(): Promise<NativeModel> {
  const model = await addon().openModel(modelDevice, dims, 'f32');
  await model.initialise('fan_in', seed);
  return model;
}

/** Error of the picked elements and of the norm, relative to the root mean square of the expected tensor. */
function error(actual: NativeTensor, expected: Picked): number {
  expect(actual.data.length).toBe(expected.shape.reduce((a, b) => a * b, 1));
  const n = actual.data.length;
  const scale = expected.norm / Math.sqrt(n) + 1e-30;
  const norm = Math.sqrt(actual.data.reduce((sum, x) => sum + x * x, 0));
  let worst = Math.abs(norm - expected.norm) / (expected.norm + 1e-30);
  expected.at.forEach((value, i) => {
    const at = Math.floor((i * n) / expected.at.length);
    worst = Math.max(worst, Math.abs(actual.data[at]! - value) / Math.max(scale, Math.abs(value)));
  });
  return worst;
}

describe('a small random Whisper against transformers in float64', () => {
  let model: NativeModel;
  beforeAll(async () => {
    model = await open();
    await model.prepareTraining({});
  });
  afterAll(() => model.dispose());

  it('has every hidden state and the logits', async () => {
    const observed = await model.observe(batch);
    // transformers keeps the last layer's output only after the layer norm.
    const last = ['encoder.layers.1', 'decoder.layers.1'];
    expect(Object.keys(observed).sort()).toEqual([...Object.keys(golden.hidden), ...last].sort());
    for (const [name, expected] of Object.entries(golden.hidden)) {
      expect(error(observed[name]!, expected), name).toBeLessThan(2e-4);
    }
    expect(error(await model.logits(batch), golden.logits), 'logits').toBeLessThan(2e-4);
  });

  it('has the loss of every row', async () => {
    const { sums, tokens: counts } = await model.loss(batch);
    golden.row_losses.forEach((expected, row) => {
      expect(Math.abs(sums[row]! - expected) / expected, `row ${row}`).toBeLessThan(2e-6);
    });
    expect([...counts]).toEqual([4, 7, 9]);
    const mean = sums.reduce((a, b) => a + b, 0) / tokens;
    expect(Math.abs(mean - golden.loss) / golden.loss).toBeLessThan(2e-6);
  });

  it('has every gradient, with and without checkpointing, to the same bit', async () => {
    const gradients: Record<string, Float32Array>[] = [];
    for (const checkpointing of ['none', 'all'] as const) {
      await model.prepareTraining({ checkpointing });
      await model.accumulate(batch, 1 / tokens);
      const all: Record<string, Float32Array> = {};
      for (const [name, expected] of Object.entries(golden.grads)) {
        const grad = await model.read(name, 'grad');
        expect(grad.shape).toEqual(expected.shape);
        expect(error(grad, expected), name).toBeLessThan(5e-4);
        all[name] = grad.data;
      }
      gradients.push(all);
    }
    expect(gradients[1]).toEqual(gradients[0]);
  });

  it('reads a prompt that it does not learn, where its inputs are given', async () => {
    const labels = prompted.labels.filter((label) => label >= 0).length;
    const { sums } = await model.loss(prompted);
    const { loss, grads } = golden.prompted;
    expect(Math.abs(sums.reduce((a, b) => a + b, 0) / labels - loss) / loss).toBeLessThan(2e-6);
    await model.prepareTraining({});
    await model.accumulate(prompted, 1 / labels);
    for (const [name, expected] of Object.entries(grads)) {
      expect(error(await model.read(name, 'grad'), expected), name).toBeLessThan(5e-4);
    }
  });

  it('follows five steps of AdamW and then decodes the same tokens', async () => {
    await model.prepareTraining({});
    for (const [step, expected] of golden.steps.entries()) {
      const { losses, gradNorm, finite } = await model.step([batch], adamw);
      const loss = losses[0]!.sums.reduce((a, b) => a + b, 0) / tokens;
      expect(finite).toBe(true);
      expect(Math.abs(loss - expected.loss) / expected.loss, `loss of step ${step}`).toBeLessThan(2e-5);
      expect(Math.abs(gradNorm - expected.grad_norm) / expected.grad_norm, `norm ${step}`).toBeLessThan(2e-4);
    }
    for (const [name, expected] of Object.entries(golden.weights)) {
      // Where a gradient is almost zero Adam's first steps are ± the learning rate by its sign alone.
      const value = await model.read(name, 'value');
      const n = value.data.length;
      const off = expected.at.filter(
        (x, i) => Math.abs(value.data[Math.floor((i * n) / expected.at.length)]! - x) > 1e-4,
      );
      expect(off.length / expected.at.length, name).toBeLessThanOrEqual(0.05);
    }
    const { prompt, suppress, begin_suppress, max_length, rows } = golden.generate;
    const generated = await model.generate(batch.samples, {
      prompt: Int32Array.from(prompt),
      suppress: Int32Array.from(suppress),
      beginSuppress: Int32Array.from(begin_suppress),
      maxLength: max_length,
      end: dims.padding,
    });
    rows.forEach((row, r) => {
      expect([...generated[r]!.tokens], `row ${r}`).toEqual(row.tokens);
      row.logprobs.forEach((p, i) => {
        expect(Math.abs(generated[r]!.logprobs[i]! - p)).toBeLessThan(2e-3);
      });
    });
  });
});

describe('equal bits', () => {
  const value = async (model: NativeModel) => (await model.read('model.encoder.conv1.weight', 'value')).data;
  const train = async (model: NativeModel, steps: number) => {
    const losses: number[] = [];
    for (let i = 0; i < steps; i++) losses.push((await model.step([batch], adamw)).losses[0]!.sums[0]!);
    return losses;
  };

  it('of labels shifted right and of the same given as inputs', async () => {
    const given = { ...batch, inputs: prompted.inputs };
    const model = await open();
    expect(await model.loss(given)).toEqual(await model.loss(batch));
    expect(await model.logits(given)).toEqual(await model.logits(batch));
    const options = { prompt: Int32Array.of(dims.start, 292), maxLength: 8, end: dims.padding };
    expect(await model.evaluate(given, options)).toEqual(await model.evaluate(batch, options));
    const steps = [];
    for (const micro of [batch, given]) {
      await model.initialise('fan_in', seed);
      await model.prepareTraining({});
      steps.push([await model.step([micro], adamw), await value(model)]);
    }
    expect(steps[1]).toEqual(steps[0]);
    await model.dispose();
  });

  it('in repeated runs', async () => {
    const runs = [];
    for (let run = 0; run < 2; run++) {
      const model = await open();
      await model.prepareTraining({});
      runs.push([await train(model, 3), await value(model)]);
      await model.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
  });

  it('of frozen parts, which do not move while the other part does', async () => {
    for (const frozen of ['encoder', 'decoder'] as const) {
      const model = await open();
      const names = {
        encoder: 'model.encoder.layers.0.fc1.weight',
        decoder: 'model.decoder.layers.0.fc1.weight',
      };
      const before = {
        encoder: await model.read(names.encoder, 'value'),
        decoder: await model.read(names.decoder, 'value'),
      };
      await model.prepareTraining(frozen === 'encoder' ? { freezeEncoder: true } : { freezeDecoder: true });
      await train(model, 1);
      for (const part of ['encoder', 'decoder'] as const) {
        const after = await model.read(names[part], 'value');
        if (part === frozen) expect(after).toEqual(before[part]);
        else expect(after).not.toEqual(before[part]);
      }
      await model.dispose();
    }
  });
});
