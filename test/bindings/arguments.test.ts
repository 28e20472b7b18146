// What the addon says to wrong arguments: an error with a code and a message that names the argument.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WhisperError } from '../../src/errors.js';
import { addon, type NativeModel } from '../../src/native.js';
import { batch, dims, open } from './helpers.js';

/** The error that the call throws or rejects with. */
async function failure(call: () => unknown): Promise<WhisperError> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(WhisperError);
    return error as WhisperError;
  }
  throw new Error('nothing was thrown');
}

// Arguments of types that TypeScript would not let pass.
// biome-ignore lint/suspicious/noExplicitAny: that is the point
type Any = any;

describe('arguments', () => {
  let model: NativeModel;
  let folder: string;
  beforeAll(async () => {
    model = await open();
    await model.prepareTraining({});
    folder = mkdtempSync(join(tmpdir(), 'whisper-tune-'));
  });
  afterAll(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true });
  });
  const step = (batches: Any, options: Any) => model.step(batches, options);
  const options = { scales: Float32Array.of(1), encoderRate: 1e-4, decoderRate: 1e-4 };

  it.each<[string, string, () => unknown]>([
    [
      'an unknown size',
      "dims: unknown option 'depth'; known are mels, source, target, width, encoderLayers, encoderHeads, encoderFfn, " +
        'decoderLayers, decoderHeads, decoderFfn, vocab, padding, start',
      () => addon().openModel('cpu', { ...dims, depth: 3 } as Any, 'f32'),
    ],
    [
      'a missing size',
      'dims.width: expected an integer, got nothing',
      () => addon().openModel('cpu', { ...dims, width: undefined } as Any, 'f32'),
    ],
    [
      'half a size',
      'dims.width: expected an integer, got 32.5',
      () => addon().openModel('cpu', { ...dims, width: 32.5 }, 'f32'),
    ],
    [
      'a size beyond 32 bits',
      'dims.vocab: expected an integer, got 4294967296',
      () => addon().openModel('cpu', { ...dims, vocab: 2 ** 32 }, 'f32'),
    ],
    ['no object', 'dims: expected an object, got an array', () => addon().openModel('cpu', [] as Any, 'f32')],
    [
      'another precision',
      "precision: expected 'f32' or 'f32-fast' or 'f16' or 'bf16', got 'f64'",
      () => addon().openModel('cpu', dims, 'f64' as Any),
    ],
    [
      'another device',
      'device: expected auto, cpu, cuda or cuda:N, got "tpu"',
      () => addon().openModel('tpu', dims, 'f32'),
    ],
    ['no device', 'device: expected a string, got 7', () => addon().ops(7 as Any)],
    ['no batches', 'batches: expected an array, got an object', () => step(batch, options)],
    [
      'labels of another type',
      'batches[1].labels: expected an Int32Array, got a Float32Array',
      () => step([batch, { ...batch, labels: Float32Array.of(1) }], options),
    ],
    [
      'samples of another type',
      'batches[0].samples[0]: expected a Float32Array, got a Float64Array',
      () => step([{ ...batch, samples: [new Float64Array(9)] }], options),
    ],
    [
      'a decoder input that is no token, and its row',
      'batch: input 50 of row 1 is outside the vocabulary of 50',
      () =>
        model.loss({
          samples: [batch.samples[0]!, batch.samples[0]!],
          labels: new Int32Array(4),
          inputs: Int32Array.of(41, 3, 41, 50),
          time: 2,
        }),
    ],
    ['an unknown option', "options: unknown option 'lr'", () => step([batch], { ...options, lr: 1 })],
    [
      'a learning rate of NaN',
      'options.encoderRate: expected a finite number, got NaN',
      () => step([batch], { ...options, encoderRate: Number.NaN, decoderRate: Number.NaN }),
    ],
    [
      'an option of another type',
      "options.beta1: expected a finite number, got '0.9'",
      () => step([batch], { ...options, beta1: '0.9' }),
    ],
    [
      'no scales',
      'options.scales: expected a Float32Array, got nothing',
      () => step([batch], { encoderRate: 1, decoderRate: 1 }),
    ],
    ['too few scales', '1 scales for 2 batches', () => step([batch, batch], options)],
    [
      'a cancel that is none',
      'cancel: expected a Cancel, got an object',
      () => model.step([batch], options, { cancel() {} }),
    ],
    ['a negative seed', 'seed: expected an integer of at least 0, got -1', () => model.initialise('hf', -1)],
    ['files that are none', 'files[1]: expected a string, got null', () => model.load(['a', null] as Any)],
    [
      'metadata of another type',
      'metadata.format: expected a string, got 1',
      () => model.save('x', { format: 1 } as Any),
    ],
    ['an unknown parameter', 'conv9', () => model.read('conv9', 'value')],
    [
      'another part of it',
      "what: expected 'value' or 'grad', got 'moment'",
      () => model.read('conv9', 'moment' as Any),
    ],
    [
      'a switch of another type',
      'options.freezeEncoder: expected true or false, got 1',
      () => model.prepareTraining({ freezeEncoder: 1 } as Any),
    ],
    [
      'an unknown checkpointing policy',
      "options.checkpointing: expected 'none' or 'encoder' or 'all' or 'every' or 'selective', got 'some'",
      () => model.prepareTraining({ checkpointing: 'some' } as Any),
    ],
    [
      'an unknown optimizer',
      "options.optimizer: expected 'adamw_torch' or 'adamw_hf' or 'adamw_bnb_8bit' or 'adafactor' or 'sgd', got 'lion'",
      () => model.prepareTraining({ optimizer: 'lion' } as Any),
    ],
    ['no mels', 'mels: expected at least 1, got 0', () => addon().logMel(new Float32Array(400), 0)],
    ['no channels', 'at least one channel', () => addon().resample([], 8000, 16000)],
    ['no channels at once', 'at least one channel', async () => addon().resampleSync([], 8000, 16000)],
    [
      'a channel that is none',
      'channels[1]: expected a Float32Array, got an Int32Array',
      async () => addon().resampleSync([new Float32Array(1), new Int32Array(1)] as Any, 8000, 16000),
    ],
  ])('names %s', async (_, message, call) => {
    const error = await failure(call);
    expect(error.code).toBe('ERR_INVALID_ARGUMENT');
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('\n');
  });

  it('counts decoder inputs', async () => {
    const error = await failure(() => model.loss({ ...batch, inputs: Int32Array.of(41) }));
    expect(error.code).toBe('ERR_SHAPE_MISMATCH');
    expect(error.message).toBe('batch: 1 inputs for 1 rows of 4');
  });

  it('takes undefined for an option left out', async () => {
    const { finite } = await step([{ ...batch, maskSpans: undefined }], { ...options, beta1: undefined });
    expect(finite).toBe(true);
  });

  it.each<[string, () => unknown]>([
    ['ERR_SHAPE_MISMATCH', () => addon().resample([new Float32Array(3), new Float32Array(4)], 8000, 16000)],
    [
      'ERR_SHAPE_MISMATCH',
      async () => addon().resampleSync([new Float32Array(3), new Float32Array(4)], 8000, 16000),
    ],
    [
      'ERR_OUT_OF_MEMORY',
      () =>
        addon().openModel(
          'cpu',
          { ...dims, width: 2 ** 16, encoderFfn: 2 ** 20, encoderLayers: 1024 },
          'f32',
        ),
    ],
    ['ERR_DEVICE_UNAVAILABLE', () => addon().openModel('cuda:63', dims, 'f32')],
    ['ERR_CONFIG', () => addon().openModel('cpu', { ...dims, encoderHeads: 5 }, 'f32')],
    ['ERR_FILE', () => model.load([join(folder, 'absent.safetensors')])],
    ['ERR_FILE', () => model.save(join(folder, 'no', 'folder'), {})],
    [
      'ERR_CORRUPT_FILE',
      () => {
        writeFileSync(join(folder, 'bad.safetensors'), 'not a safetensors file');
        return model.load([join(folder, 'bad.safetensors')]);
      },
    ],
  ])('has the code %s', async (code, call) => {
    const error = await failure(call);
    expect(error.code, error.message).toBe(code);
  });

  it('lets the errors of getters through', async () => {
    const odd = {
      ...options,
      get beta2(): number {
        throw new RangeError('mine');
      },
    };
    expect(() => model.step([batch], odd)).toThrow(new RangeError('mine'));
  });
});
