// optimizer.pt of transformers to our file and back, against what PyTorch wrote (test/golden/optimizer/make.py).
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tuple } from '../../src/files/pickle.js';
import { SafetensorsFile, writeSafetensors } from '../../src/files/safetensors.js';
import { MemoryTensor, type StoredTensor } from '../../src/files/tensor.js';
import { TorchFile, writeTorchFile } from '../../src/files/torch-file.js';
import { parseModelConfig } from '../../src/model/config.js';
import { namedParameters } from '../../src/model/named-parameters.js';
import { BLOCK, dequantize, dynamicMap, quantize } from '../../src/train/exchange/dynamic-map.js';
import { grouped, trainedParameters } from '../../src/train/exchange/groups.js';
import { exportOptimizer, importOptimizer } from '../../src/train/optimizer-exchange.js';
import { golden, metadataOf, model, model8bit, stateOf, tensorsOf } from './optimizer-files.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-exchange-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe('the order of parameters', () => {
  const groups = JSON.parse(readFileSync(golden('groups.json'), 'utf8')) as Record<string, string[][]>;
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
  const parameters = namedParameters(parseModelConfig({ ...config, encoder_layers: 2, decoder_layers: 2 }));
  const names = (list: readonly { name: string }[][]) => list.map((group) => group.map(({ name }) => name));

  it('is that of transformers', () => {
    expect(names(grouped(trainedParameters(parameters, 'all')))).toEqual(groups.all);
    expect(names(grouped(trainedParameters(parameters, 'decoder')))).toEqual(groups['frozen encoder']);
    expect(names(grouped(parameters))).toEqual(groups['trained positions']);
  });

  it('comes with the shapes of the checkpoint', async () => {
    const weights = await SafetensorsFile.open(join(model, 'model.safetensors'));
    const shapes = Object.fromEntries([...weights.tensors].map(([name, { shape }]) => [name, shape]));
    await weights.close();
    const own = namedParameters(parseModelConfig(config));
    expect(Object.fromEntries(own.map(({ name, shape }) => [name, shape]))).toEqual(shapes);
  });
});

const files = [
  { name: 'adamw_torch', folder: model, step: 2, trained: 'all' },
  { name: 'adafactor', folder: model, step: 2, trained: 'all' },
  { name: 'adafactor-frozen-encoder', folder: model, step: 2, trained: 'decoder' },
  { name: 'adamw_bnb_8bit', folder: model8bit, step: 7, trained: 'all' },
  { name: 'adamw_bnb_8bit-before-0.44', folder: model8bit, step: 7, trained: 'all' },
  { name: 'sgd', folder: model, step: 5, trained: 'all' },
];

describe.each(files)('$name', ({ name, folder: model, step, trained }) => {
  const optimizer = name.replace(/-.*/, '');

  it('comes from torch with every tensor under its name', async () => {
    const result = await importOptimizer(golden(`${name}.pt`), at(`${name}.safetensors`), { model, step: 5 });
    expect(result).toMatchObject({ optimizer, step, trained, dropped: [] });
    expect(await tensorsOf(at(`${name}.safetensors`))).toEqual(
      await tensorsOf(golden(`${name}.safetensors`)),
    );
    expect(await metadataOf(at(`${name}.safetensors`))).toEqual({
      format: 'pt',
      optimizer,
      precision: 'f32',
      trained,
      step: String(step),
      batches: String(step),
      loss_scaler: 'none',
      loss_scale: '1',
      loss_scale_clean_steps: '0',
      loss_scale_hysteresis: '0',
      ...(optimizer === 'adamw_bnb_8bit' ? { eight_bit_embeddings: 'false' } : {}),
    });
  });

  it('goes back to torch as it came, and comes again byte for byte', async () => {
    const [ours, theirs, again] = [`${name}.safetensors`, `${name}.pt`, 'again.safetensors'].map(at) as [
      string,
      string,
      string,
    ];
    await importOptimizer(golden(`${name}.pt`), ours, { model, step: 5 });
    await exportOptimizer(ours, theirs, { model });
    const [was, is] = [await stateOf(golden(`${name}.pt`)), await stateOf(theirs)];
    if (name !== 'adamw_bnb_8bit-before-0.44') {
      expect([...is.state.keys()]).toEqual([...was.state.keys()]);
      for (const [index, entry] of was.state) {
        // Theirs is of the weights before the last update, ours of those that are there now.
        if (entry.has('RMS')) entry.set('RMS', expect.anything());
        expect(is.state.get(index), `${index}`).toEqual(entry);
      }
    }
    expect(is.groups.map((group) => group.get('params'))).toEqual(
      was.groups.map((group) => group.get('params')),
    );
    await importOptimizer(theirs, again, { model, step: 5 });
    expect(readFileSync(again)).toEqual(readFileSync(ours));
  });
});

describe('a file for torch', () => {
  const imported = async (name: string, into = folder): Promise<string> => {
    const path = join(into, `${name}.safetensors`);
    await importOptimizer(golden(`${name}.pt`), path, { model, step: 2 });
    return path;
  };

  it.each(['adamw_torch', 'adafactor', 'sgd'])('has the settings that torch writes: %s', async (name) => {
    await exportOptimizer(await imported(name), at('settings.pt'), {
      model,
      learningRate: 1e-3,
      weightDecay: 0.01,
      adamBeta2: 0.98,
    });
    const [was, is] = [await stateOf(golden(`${name}.pt`)), await stateOf(at('settings.pt'))];
    const comparable = (group: Map<string, unknown>) =>
      Object.fromEntries(
        [...group]
          // fused chooses an implementation, and lr is the schedule's, of which nothing was said.
          .filter(([key]) => key !== 'fused' && key !== 'lr')
          .map(([key, value]) => [
            key,
            value instanceof Tuple
              ? value.items.map(Number)
              : typeof value === 'bigint'
                ? Number(value)
                : value,
          ]),
      );
    expect(is.groups.map(comparable)).toEqual(was.groups.map(comparable));
    expect(is.groups.map((group) => group.get('lr'))).toEqual([1e-3, 1e-3]);
  });

  it('has a step of its own for every parameter, for torch counts in it', async () => {
    await exportOptimizer(await imported('adamw_torch'), at('steps.pt'), { model });
    const file = await TorchFile.open(at('steps.pt'));
    const state = (file.content as Map<string, Map<bigint, Map<string, unknown>>>).get('state')!;
    const steps = new Set([...state.values()].map((entry) => entry.get('step')));
    await file.close();
    expect(steps.size).toBe(49);
  });

  it('has the rates of the run that it lies in, and a schedule beside it', async () => {
    const run = at('run');
    mkdirSync(run);
    const args = {
      learningRate: 1e-4,
      weightDecay: 0.1,
      lrSchedulerType: 'linear',
      warmupSteps: 4,
      warmupRatio: 0,
    };
    writeFileSync(join(run, 'training_args.json'), JSON.stringify(args));
    writeFileSync(join(run, 'trainer_state.json'), JSON.stringify({ max_steps: 10, global_step: 2 }));
    const result = await exportOptimizer(await imported('adamw_torch', run), join(run, 'optimizer.pt'), {
      model,
      scheduler: true,
      adamBeta1: 0.8,
    });
    expect(result.rates).toEqual({
      learning_rate: 1e-4,
      weight_decay: 0.1,
      adam_beta1: 0.8,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
    });
    const { groups } = await stateOf(join(run, 'optimizer.pt'));
    expect(groups.map((group) => [group.get('lr'), group.get('weight_decay')])).toEqual([
      [0.5e-4, 0.1],
      [0.5e-4, 0],
    ]);
    const scheduler = await TorchFile.open(join(run, 'scheduler.pt'));
    expect(Object.fromEntries(scheduler.content as Map<string, unknown>)).toMatchObject({
      base_lrs: [1e-4, 1e-4],
      last_epoch: 2n,
      _step_count: 3n,
      _last_lr: [0.5e-4, 0.5e-4],
    });
    await scheduler.close();
    expect(existsSync(at('scheduler.pt'))).toBe(false);
  });

  it('of adamw_hf is that of transformers 4: whole numbers for steps, and another setting', async () => {
    const path = await imported('adamw_torch');
    const file = await SafetensorsFile.open(path);
    await writeSafetensors(at('hf.safetensors'), file.tensors, { ...file.metadata, optimizer: 'adamw_hf' });
    await file.close();
    await exportOptimizer(at('hf.safetensors'), at('hf.pt'), { model });
    const { state, groups } = await stateOf(at('hf.pt'));
    expect([...state.get(0n)!.keys()]).toEqual(['step', 'exp_avg', 'exp_avg_sq']);
    expect(state.get(0n)!.get('step')).toBe(2n);
    expect([...groups[0]!.keys()]).toEqual([
      'weight_decay',
      'lr',
      'betas',
      'eps',
      'correct_bias',
      'initial_lr',
      'params',
    ]);
    await importOptimizer(at('hf.pt'), at('hf-again.safetensors'), { model });
    expect(readFileSync(at('hf-again.safetensors'))).toEqual(readFileSync(at('hf.safetensors')));
  });

  it('has the root mean square of Adafactor’s parameters', async () => {
    await exportOptimizer(await imported('adafactor'), at('rms.pt'), { model });
    const { state } = await stateOf(at('rms.pt'));
    const weights = await SafetensorsFile.open(join(model, 'model.safetensors'));
    const values = await weights.find('model.encoder.conv1.weight')!.readF32();
    await weights.close();
    const expected = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(state.get(0n)!.get('RMS')).toEqual({ shape: [], data: Float32Array.of(expected) });
  });
});

describe('codes of a convolution in the order of the engine', () => {
  const conv = 'model.encoder.conv1.weight';
  const [out, into, taps] = [8, 171, 3] as const;

  /** Our file of the 8-bit golden one as the engine would write it, and the numbers of conv1's moments in torch's order. */
  async function engineFile(path: string): Promise<Record<string, Float32Array>> {
    await importOptimizer(golden('adamw_bnb_8bit.pt'), path, { model: model8bit });
    const file = await SafetensorsFile.open(path);
    const tensors = new Map<string, StoredTensor>();
    for (const [name, tensor] of file.tensors) {
      tensors.set(name, new MemoryTensor(tensor.type, tensor.shape, await tensor.read()));
    }
    await file.close();
    const numbers: Record<string, Float32Array> = {};
    for (const [moment, isSigned] of [
      [1, true],
      [2, false],
    ] as const) {
      const inTorch = Float32Array.from({ length: out * into * taps }, (_, i) => {
        const value = Math.sin(i * i) * Math.exp(Math.cos(i) * 6);
        return isSigned ? value : Math.abs(value);
      });
      const inMemory = inTorch.map((_, i) => inTorch[torchIndex(i)]!);
      const { codes, absmax } = quantize(inMemory, isSigned);
      tensors.set(`state${moment}.${conv}`, new MemoryTensor('U8', [out, taps, into], codes));
      tensors.set(`absmax${moment}.${conv}`, new MemoryTensor('F32', [absmax.length], absmax));
      tensors.set(`qmap${moment}`, new MemoryTensor('F32', [256], dynamicMap(isSigned)));
      const decoded = dequantize(codes, absmax, dynamicMap(isSigned), BLOCK);
      const back = new Float32Array(decoded.length);
      decoded.forEach((value, i) => {
        back[torchIndex(i)] = value;
      });
      numbers[`state${moment}`] = back;
    }
    await writeSafetensors(path, tensors, await metadataOf(path));
    return numbers;
  }

  /** Of an element of [out, taps, into], its place in [out, into, taps]. */
  function torchIndex(i: number): number {
    const [o, tap, c] = [Math.floor(i / (taps * into)), Math.floor(i / into) % taps, i % into];
    return (o * into + c) * taps + tap;
  }

  it('are coded again for torch, to the nearest code of each number', async () => {
    const numbers = await engineFile(at('engine.safetensors'));
    await exportOptimizer(at('engine.safetensors'), at('engine.pt'), { model: model8bit });
    const { state } = await stateOf(at('engine.pt'));
    const entry = state.get(0n)!.get('__bnb_optimizer_quant_state__') as Map<
      string,
      { shape: number[]; data: Uint8Array }
    >;
    for (const [moment, isSigned] of [
      [1, true],
      [2, false],
    ] as const) {
      const { shape, data } = entry.get(`state${moment}`)!;
      expect(shape).toEqual([out, into, taps]);
      const expected = quantize(numbers[`state${moment}`]!, isSigned);
      expect(Buffer.from(data)).toEqual(Buffer.from(expected.codes));
      expect(entry.get(`absmax${moment}`)!.data).toEqual(expected.absmax);
      expect(entry.get(`qmap${moment}`)!.data).toEqual(dynamicMap(isSigned));
    }
  });

  it('and nothing else changes on the way there and back', async () => {
    await engineFile(at('engine.safetensors'));
    await exportOptimizer(at('engine.safetensors'), at('engine.pt'), { model: model8bit });
    await importOptimizer(at('engine.pt'), at('back.safetensors'), { model: model8bit });
    const [was, is] = [await tensorsOf(at('engine.safetensors')), await tensorsOf(at('back.safetensors'))];
    const changed = Object.keys(was).filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]));
    expect(Object.keys(is).sort()).toEqual(Object.keys(was).sort());
    expect(changed.sort()).toEqual([1, 2].flatMap((m) => [`absmax${m}.${conv}`, `state${m}.${conv}`]).sort());
  });

  it('are refused with another map than the engine’s', async () => {
    await engineFile(at('engine.safetensors'));
    const file = await SafetensorsFile.open(at('engine.safetensors'));
    const tensors = new Map(file.tensors).set('qmap1', file.find('qmap2')!);
    await writeSafetensors(at('other-map.safetensors'), tensors, file.metadata);
    await file.close();
    await expect(
      exportOptimizer(at('other-map.safetensors'), at('x.pt'), { model: model8bit }),
    ).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: expect.stringContaining(
        `state1.${conv} lies as the engine has it, with other blocks or another qmap1`,
      ),
    });
  });
});

describe('an import', () => {
  it('leaves out positions that transformers trained by mistake, and says so', async () => {
    const name = 'adafactor-trained-positions';
    const positions = 'model.encoder.embed_positions.weight';
    const result = await importOptimizer(golden(`${name}.pt`), at('positions.safetensors'), { model });
    expect(result).toMatchObject({ trained: 'all', dropped: [positions] });
    const expected = await tensorsOf(golden(`${name}.safetensors`));
    for (const kind of ['row', 'col']) delete expected[`exp_avg_sq_${kind}.${positions}`];
    expect(await tensorsOf(at('positions.safetensors'))).toEqual(expected);
  });

  it('says with which rates the optimizer was made', async () => {
    const { rates } = await importOptimizer(golden('adamw_torch.pt'), at('rates.safetensors'), { model });
    expect(rates).toEqual({
      learning_rate: 1e-3,
      weight_decay: 0.01,
      adam_beta1: 0.9,
      adam_beta2: 0.98,
      adam_epsilon: 1e-8,
    });
  });

  it('takes the loss scale of a run in f16 from scaler.pt', async () => {
    const run = at('scaled');
    mkdirSync(run);
    cpSync(golden('sgd.pt'), join(run, 'optimizer.pt'));
    writeFileSync(join(run, 'trainer_state.json'), JSON.stringify({ global_step: 9 }));
    const convert = async () => {
      await importOptimizer(join(run, 'optimizer.pt'), join(run, 'o.safetensors'), {
        model,
        precision: 'f16',
      });
      return metadataOf(join(run, 'o.safetensors'));
    };
    expect(await convert()).toMatchObject({
      step: '9',
      precision: 'f16',
      loss_scaler: 'torch',
      loss_scale: '65536',
    });
    const scaler = new Map<string, unknown>([
      ['scale', 1024],
      ['growth_factor', 2],
      ['_growth_tracker', 17n],
    ]);
    await writeTorchFile(join(run, 'scaler.pt'), scaler);
    expect(await convert()).toMatchObject({ loss_scale: '1024', loss_scale_clean_steps: '17' });
    await writeTorchFile(join(run, 'scaler.pt'), scaler.set('scale', -1));
    await expect(convert()).rejects.toMatchObject({
      message: expect.stringMatching(/scaler\.pt: expected a GradScaler/),
    });
  });
});
