// Optimizers' files that are not converted: of others, damaged in thought, and damaged at random.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RandomStream } from '../../src/data/random.js';
import { WhisperError } from '../../src/errors.js';
import { Tuple } from '../../src/files/pickle.js';
import { SafetensorsFile, writeSafetensors } from '../../src/files/safetensors.js';
import { MemoryTensor, type StoredTensor } from '../../src/files/tensor.js';
import { TorchFile, writeTorchFile } from '../../src/files/torch-file.js';
import { exportOptimizer, importOptimizer } from '../../src/train/optimizer-exchange.js';
import { golden, model, model8bit, tensorsOf } from './optimizer-files.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-refused-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe('what is refused', () => {
  type Content = Map<string, unknown> & {
    state: Map<bigint, Map<string, unknown>>;
    groups: Map<string, unknown>[];
  };

  /** A golden file with something changed. */
  async function changed(name: string, change: (content: Content) => unknown): Promise<string> {
    const file = await TorchFile.open(golden(name));
    const content = file.content as Content;
    content.state = content.get('state') as Content['state'];
    content.groups = content.get('param_groups') as Content['groups'];
    const path = at('changed.pt');
    await writeTorchFile(path, change(content) ?? content);
    await file.close();
    return path;
  }
  const tensor = (shape: number[], type: 'F32' | 'F16' = 'F32') => {
    const elements = shape.reduce((product, length) => product * length, 1);
    return new MemoryTensor(type, shape, new Uint8Array(elements * (type === 'F32' ? 4 : 2)));
  };
  const set =
    (key: string, value: unknown) =>
    ({ groups }: Content) =>
      void groups[0]!.set(key, value);
  const setState =
    (key: string, value: unknown) =>
    ({ state }: Content) =>
      void state.get(3n)!.set(key, value);
  const k_proj = 'model.encoder.layers.0.self_attn.v_proj.weight';

  it.each<[string, string, (content: Content) => unknown, string, RegExp]>([
    ['no state_dict', 'sgd.pt', () => [1n], 'ERR_CORRUPT_FILE', /expected the state_dict of an optimizer/],
    [
      'no groups',
      'sgd.pt',
      (c) => void c.set('param_groups', []),
      'ERR_CORRUPT_FILE',
      /expected a list of groups/,
    ],
    [
      'groups without parameters',
      'sgd.pt',
      set('params', null),
      'ERR_CORRUPT_FILE',
      /params: expected a list/,
    ],
    [
      'a parameter in two places',
      'sgd.pt',
      ({ groups }) => void (groups[0]!.get('params') as bigint[]).fill(1n),
      'ERR_CORRUPT_FILE',
      /listed twice/,
    ],
    [
      'one group',
      'sgd.pt',
      ({ groups }) => void groups.pop(),
      'ERR_SHAPE_MISMATCH',
      /groups of 20 parameters; those of the model are 20 and 29, fewer with a frozen part/,
    ],
    [
      'another optimizer',
      'sgd.pt',
      ({ groups }) => void groups[0]!.delete('momentum'),
      'ERR_INVALID_ARGUMENT',
      /settings .*dampening.* are of an optimizer other than adamw_torch, /,
    ],
    [
      'momentum',
      'sgd.pt',
      set('momentum', 0.9),
      'ERR_INVALID_ARGUMENT',
      /momentum of the optimizer is 0\.9; sgd of whisper-tune has 0$/,
    ],
    [
      'AMSGrad',
      'adamw_torch.pt',
      set('amsgrad', true),
      'ERR_INVALID_ARGUMENT',
      /amsgrad of the optimizer is true/,
    ],
    [
      'Adam',
      'adamw_torch.pt',
      set('decoupled_weight_decay', false),
      'ERR_INVALID_ARGUMENT',
      /decoupled_weight_decay/,
    ],
    [
      'Adafactor with its own rate',
      'adafactor.pt',
      set('relative_step', true),
      'ERR_INVALID_ARGUMENT',
      /relative_step/,
    ],
    [
      'Adafactor with other constants',
      'adafactor.pt',
      set('eps', Tuple.of(1e-30, 1e-2)),
      'ERR_INVALID_ARGUMENT',
      /eps of the optimizer is \(1e-30, 0\.01\)/,
    ],
    [
      'a setting that is a tree',
      'adafactor.pt',
      set('eps', Tuple.of(Tuple.of(1n))),
      'ERR_INVALID_ARGUMENT',
      /eps of the optimizer is \(something else\)/,
    ],
    [
      'state of nothing',
      'adamw_torch.pt',
      ({ state }) => void state.set(100n, new Map()),
      'ERR_CORRUPT_FILE',
      /state 100 is of no parameter/,
    ],
    [
      'a parameter without state',
      'adamw_torch.pt',
      ({ state }) => void state.delete(3n),
      'ERR_CORRUPT_FILE',
      new RegExp(`${k_proj} has no state`),
    ],
    [
      'state that is none',
      'adamw_torch.pt',
      ({ state }) => void state.set(3n, 1n as never),
      'ERR_CORRUPT_FILE',
      /is no dict/,
    ],
    [
      'a moment that is not there',
      'adamw_torch.pt',
      ({ state }) => void state.get(3n)!.delete('exp_avg'),
      'ERR_CORRUPT_FILE',
      new RegExp(`${k_proj} has no tensor exp_avg`),
    ],
    [
      'a moment of another shape',
      'adamw_torch.pt',
      setState('exp_avg', tensor([8, 9])),
      'ERR_SHAPE_MISMATCH',
      new RegExp(`exp_avg of ${k_proj} has shape \\[8, 9\\], expected \\[8, 8\\]`),
    ],
    [
      'a moment of another type',
      'adamw_torch.pt',
      setState('exp_avg', tensor([8, 8], 'F16')),
      'ERR_CORRUPT_FILE',
      /is F16, expected F32/,
    ],
    [
      'a moment more',
      'adamw_torch.pt',
      setState('max_exp_avg_sq', tensor([8, 8])),
      'ERR_INVALID_ARGUMENT',
      new RegExp(`${k_proj} has a max_exp_avg_sq, which adamw_torch has not here`),
    ],
    [
      'no step',
      'adamw_torch.pt',
      setState('step', null),
      'ERR_CORRUPT_FILE',
      /has no step that is a whole number/,
    ],
    [
      'half a step',
      'adamw_torch.pt',
      setState('step', 1.5),
      'ERR_CORRUPT_FILE',
      /has no step that is a whole number/,
    ],
    [
      'different steps',
      'adamw_torch.pt',
      setState('step', 1n),
      'ERR_INVALID_ARGUMENT',
      /v_proj\.weight has had 1 updates, .*conv1\.weight 2: the engine counts for all/,
    ],
    [
      'codes without magnitudes',
      'adamw_bnb_8bit.pt',
      ({ state }) => void quant(state).delete('absmax1'),
      'ERR_CORRUPT_FILE',
      /conv1\.weight has no tensor absmax1/,
    ],
    [
      'codes of other blocks',
      'adamw_bnb_8bit.pt',
      ({ state }) => void quant(state).set('absmax1', tensor([5])),
      'ERR_SHAPE_MISMATCH',
      /absmax1 of .*conv1\.weight has shape \[5\], expected \[17\] for blocks of 256 elements, or \[3\] for blocks of 2048/,
    ],
    [
      'a map of its own',
      'adamw_bnb_8bit.pt',
      ({ state }) => void quant(state).set('qmap1', tensor([256])),
      'ERR_CORRUPT_FILE',
      /qmap1 of .*fc1\.weight is another than that of other parameters/,
    ],
  ])('%s', async (_, name, change, code, message) => {
    const path = await changed(name, change);
    const into = name.includes('8bit') ? model8bit : model;
    await expect(
      importOptimizer(path, at('refused.safetensors'), { model: into, step: 1 }),
    ).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(existsSync(at('refused.safetensors'))).toBe(false);
  });
  const quant = (state: Content['state']) =>
    state.get(0n)!.get('__bnb_optimizer_quant_state__') as Map<string, unknown>;

  it('the optimizer of another model', async () => {
    const convert = importOptimizer(golden('adamw_torch.pt'), at('x.safetensors'), { model: model8bit });
    await expect(convert).rejects.toMatchObject({
      code: 'ERR_SHAPE_MISMATCH',
      message: expect.stringMatching(
        /exp_avg of model\.encoder\.conv1\.weight has shape \[8, 4, 3\], expected \[8, 171, 3\]$/,
      ),
    });
  });

  it('SGD without a step', async () => {
    await expect(importOptimizer(golden('sgd.pt'), at('x.safetensors'), { model })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/sgd\.pt does not say how many updates were made/),
    });
  });

  it.each<[string, (tensors: Map<string, StoredTensor>, notes: Record<string, string>) => void, RegExp]>([
    [
      'no metadata',
      (_, notes) => void delete notes.optimizer,
      /metadata optimizer: expected one of adamw_torch, .*, got nothing$/,
    ],
    ['an unknown optimizer', (_, notes) => void Object.assign(notes, { optimizer: 'lion' }), /got "lion"$/],
    [
      'no step',
      (_, notes) => void Object.assign(notes, { step: 'two' }),
      /metadata step: expected a whole number, got two$/,
    ],
    [
      'another part',
      (_, notes) => void Object.assign(notes, { trained: 'decoder' }),
      /tensor \S+ belongs to no trained parameter of the model$/,
    ],
    [
      'a tensor less',
      (tensors) => void tensors.delete(`exp_avg.${k_proj}`),
      /tensor exp_avg\.\S+ is missing$/,
    ],
    [
      'a tensor more',
      (tensors) => void tensors.set('exp_avg.x', tensor([1])),
      /tensor exp_avg\.x belongs to no trained parameter/,
    ],
    [
      'another shape',
      (tensors) => void tensors.set(`exp_avg.${k_proj}`, tensor([64])),
      /has shape \[64\], expected \[8, 8\]$/,
    ],
    [
      'another type',
      (tensors) => void tensors.set(`exp_avg.${k_proj}`, tensor([8, 8], 'F16')),
      /is F16, expected F32$/,
    ],
  ])('for torch: %s', async (_, change, message) => {
    await importOptimizer(golden('adamw_torch.pt'), at('good.safetensors'), { model });
    const file = await SafetensorsFile.open(at('good.safetensors'));
    const [tensors, notes] = [new Map(file.tensors), { ...file.metadata }];
    change(tensors, notes);
    await writeSafetensors(at('bad.safetensors'), tensors, notes);
    await file.close();
    await expect(exportOptimizer(at('bad.safetensors'), at('bad.pt'), { model })).rejects.toMatchObject({
      message: expect.stringMatching(message),
    });
    expect(existsSync(at('bad.pt'))).toBe(false);
  });
});

describe('a thousand damaged files', () => {
  const random = new RandomStream(31, 0);

  /** Bytes changed to anything or to extremes, removed or inserted; or an end cut off. */
  function damage(file: Uint8Array): Uint8Array {
    const bytes = [...file];
    if (random.below(4) === 0) return file.subarray(0, random.below(file.length));
    const extremes = [0, 255, 128, 127, 0x2e, 0x28, 0x71, 0x52];
    for (let changes = 1 + random.below(8); changes > 0; changes--) {
      const byte = random.below(2) === 0 ? random.below(256) : extremes[random.below(extremes.length)]!;
      const [removed, inserted] = [
        [1, [byte]],
        [1, []],
        [0, [byte]],
      ][random.below(3)] as [number, number[]];
      bytes.splice(random.below(bytes.length), removed, ...inserted);
    }
    return Uint8Array.from(bytes);
  }

  /** What becomes of a file: what it was converted to, or the error. */
  async function outcome(path: string, step = 2): Promise<unknown> {
    try {
      await importOptimizer(path, at('fuzz.safetensors'), { model, step });
      return await tensorsOf(at('fuzz.safetensors'));
    } catch (error) {
      return error;
    }
  }

  it('are converted to the same, where the damage is in what nobody reads, or refused as corrupt', async () => {
    const original = readFileSync(golden('adafactor-frozen-encoder.pt'));
    writeFileSync(at('fuzz.pt'), original);
    const expected = await outcome(at('fuzz.pt'));
    expect(expected).not.toBeInstanceOf(Error);
    let refused = 0;
    for (let i = 0; i < 500; i++) {
      writeFileSync(at('fuzz.pt'), damage(original));
      const result = await outcome(at('fuzz.pt'));
      if (result instanceof Error) {
        expect(result).toMatchObject({ name: 'WhisperError', code: 'ERR_CORRUPT_FILE' });
        expect(result.message).toMatch(/^\S+fuzz\.pt: .+$/);
        refused += 1;
      } else expect(result).toEqual(expected);
    }
    expect(refused).toBeGreaterThan(400);
  });

  it('are refused in one line, where the archive is sound and its pickle is not', async () => {
    const file = readFileSync(golden('adafactor-frozen-encoder.pt'));
    // The first entry: its bytes end where a descriptor begins, and its checksum stands in the directory too.
    const begin = file.indexOf(Buffer.of(0x80, 2));
    const end = file.indexOf('PK\x07\x08', 'latin1');
    const checksum = file.indexOf('PK\x01\x02', 'latin1') + 16;
    const original = Uint8Array.from(file.subarray(begin, end));
    const outcomes: Record<string, number> = {};
    for (let i = 0; i < 500; i++) {
      const pickle = Buffer.alloc(original.length);
      pickle.set(damage(original).subarray(0, original.length));
      pickle.copy(file, begin);
      file.writeUInt32LE(crc32(pickle), checksum);
      writeFileSync(at('fuzz.pt'), file);
      const result = await outcome(at('fuzz.pt'));
      if (result instanceof Error) {
        expect(result).toBeInstanceOf(WhisperError);
        expect(result.message).toMatch(/fuzz\.pt: .+/);
      }
      const word = result instanceof WhisperError ? result.code : 'converted';
      outcomes[word] = (outcomes[word] ?? 0) + 1;
    }
    // What is left are changed numbers: a learning rate, a step that all have in common.
    expect(outcomes.ERR_CORRUPT_FILE).toBeGreaterThan(400);
    expect(outcomes.converted ?? 0).toBeLessThan(50);
  });
});
