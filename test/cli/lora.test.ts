// Adapters on the command line: trained, resumed to the same bits, evaluated, merged, and trained on.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTensors } from '../helpers/safetensors.js';
import { makeDataset, makeModel, run, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
const json = (...path: string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));
const hash = (...path: string[]) =>
  createHash('sha256')
    .update(readFileSync(at(...path)))
    .digest('hex');

beforeAll(async () => {
  await makeModel(at('model'));
  makeDataset(at('data'));
});

const train = (output: string, ...more: string[]) =>
  run(
    'train',
    `--model_name_or_path=${at('model')}`,
    `--dataset_name=${at('data')}`,
    `--output_dir=${at(output)}`,
    '--language=en',
    '--do_train',
    '--per_device_train_batch_size=4',
    '--learning_rate=1e-2',
    '--max_steps=6',
    '--save_steps=3',
    '--seed=3',
    ...more,
  );
const lora = [
  '--lora_rank=4',
  '--lora_alpha=6',
  '--lora_dropout=0.1',
  '--lora_target_modules=q_proj,v_proj,fc1',
];

const evaluate = async (...more: string[]) => {
  const data = ['--dataset', at('data'), '--language=en', '--loss', '--bootstrap=0', '--json'];
  const { code, out, err } = await run('evaluate', ...data, ...more);
  expect(err).not.toContain('error');
  expect(code).toBe(0);
  return JSON.parse(out) as { loss: number };
};

describe('training adapters', () => {
  it('writes the merged model, the adapter beside it, and checkpoints of the adapter alone', async () => {
    const { code, err } = await train('first', ...lora);
    expect(err).not.toContain('error');
    expect(code).toBe(0);
    expect(json('first', 'adapter', 'adapter_config.json')).toMatchObject({
      peft_type: 'LORA',
      base_model_name_or_path: at('model'),
      r: 4,
      lora_alpha: 6,
      lora_dropout: 0.1,
      target_modules: ['q_proj', 'v_proj', 'fc1'],
    });
    expect(readdirSync(at('first', 'adapter')).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
    expect(existsSync(at('first', 'checkpoint-3', 'model.safetensors'))).toBe(false);
    const names = Object.keys(readTensors(at('first', 'adapter', 'adapter_model.safetensors')).tensors);
    expect(names).toContain('base_model.model.model.encoder.layers.0.self_attn.q_proj.lora_A.weight');
    expect(hash('first', 'checkpoint-6', 'adapter_model.safetensors')).toBe(
      hash('first', 'adapter', 'adapter_model.safetensors'),
    );
    const base = readTensors(at('model', 'model.safetensors')).tensors;
    const merged = readTensors(at('first', 'model.safetensors')).tensors;
    expect(Object.keys(merged)).toEqual(Object.keys(base));
    const changed = Object.keys(merged).filter(
      (name) => !Buffer.from(merged[name]!.bytes).equals(Buffer.from(base[name]!.bytes)),
    );
    for (const name of changed) expect(name).toMatch(/(q_proj|v_proj|fc1)\.weight$/);
    expect(changed).toHaveLength(8);
  });

  it('resumes to the same bits, and not with other adapters', async () => {
    const files = ['adapter_model.safetensors', 'optimizer.safetensors'];
    const whole = files.map((name) => hash('first', 'checkpoint-6', name));
    rmSync(at('first', 'checkpoint-6'), { recursive: true });
    const other = await train('first', ...lora.with(0, '--lora_rank=8'));
    expect(other.code).toBe(2);
    expect(other.err).toContain('lora_rank was 4 and is 8');
    const none = await train('first');
    expect(none.err).toContain('lora_rank was 4 and is 0');
    const { code } = await train('first', ...lora);
    expect(code).toBe(0);
    expect(files.map((name) => hash('first', 'checkpoint-6', name))).toEqual(whole);
  });

  it('is read as a checkpoint, as an adapter of its model, and merged', async () => {
    const losses = [
      await evaluate('--model_id', at('first')),
      await evaluate('--model_id', at('first', 'checkpoint-6')),
      await evaluate('--model_id', at('model'), '--adapter', at('first', 'adapter')),
    ].map(({ loss }) => loss);
    expect(losses[1]).toBeCloseTo(losses[0]!, 5);
    expect(losses[2]).toBe(losses[1]);
    const { code } = await run('merge', at('first', 'adapter'), at('merged'));
    expect(code).toBe(0);
    expect(hash('merged', 'model.safetensors')).toBe(hash('first', 'model.safetensors'));
    expect(existsSync(at('merged', 'adapter'))).toBe(false);
    const whole = await run('merge', at('merged'), at('again'));
    expect(whole.code).toBe(2);
    expect(whole.err).toContain('is no adapter: it is a whole model');
  });

  it('keeps the exact weights in 16 bits, and can write the adapter alone', async () => {
    const { code, err } = await train('half', ...lora, '--bf16', '--max_steps=2', '--save_adapter_only');
    expect(err).not.toContain('error');
    expect(code).toBe(0);
    expect(existsSync(at('half', 'model.safetensors'))).toBe(false);
    expect((await run('merge', at('half'), at('half-merged'))).code).toBe(0);
    const exact = readTensors(at('model', 'model.safetensors')).tensors;
    const written = readTensors(at('half-merged', 'model.safetensors')).tensors;
    const name = 'model.decoder.layers.0.self_attn.k_proj.weight';
    expect(written[name]).toEqual(exact[name]);
    const whole = await train('whole', ...lora, '--bf16', '--max_steps=2');
    expect(whole.code).toBe(0);
    expect(hash('whole', 'model.safetensors')).toBe(hash('half-merged', 'model.safetensors'));
  });

  it('goes on from an adapter in a new run', async () => {
    const { code, err } = await train('on', `--adapter=${at('first', 'adapter')}`, '--max_steps=1');
    expect(err).not.toContain('error');
    expect(code).toBe(0);
    expect(json('on', 'adapter', 'adapter_config.json').lora_alpha).toBe(6);
  });

  it.each([
    [['--lora_rank=0'], '--lora_rank must be a whole number of at least 1, got'],
    [['--lora_rank=99'], 'rank must be a whole number from 1 to 32 (d_model), got 99'],
    [['--lora_alpha=8'], '--lora_alpha needs --lora_rank'],
    [['--lora_rank=2', '--lora_target_modules=q_proj,query'], 'got "query"'],
    [['--lora_rank=2', '--freeze_encoder'], 'freeze_encoder and adapters in the encoder exclude each other'],
    [['--lora_rank=2', '--adapter=x'], 'exclude each other'],
    [['--adapter=nowhere'], 'it has no adapter_config.json'],
    [['--save_adapter_only'], 'save_adapter_only needs an adapter'],
    [['--lora_rank=2', '--init_from_scratch=hf'], 'they cannot be had with random ones'],
    [['--lora_rank=2', '--add_language=xx'], 'new tokens cannot be trained by adapters'],
  ])('refuses %j', async (flags, message) => {
    const { code, err } = await train('refused', ...flags);
    expect(err).toContain(message);
    expect(code).toBeGreaterThan(0);
    expect(existsSync(at('refused', 'checkpoint-1'))).toBe(false);
  });
});

describe('plan', () => {
  it('knows adapters', async () => {
    const plan = async (...more: string[]) => JSON.parse((await run('plan', 'small', '--json', ...more)).out);
    const whole = await plan('--bf16');
    const adapted = await plan('--bf16', '--lora_rank=32');
    expect(adapted.trainable).toBe(3538944);
    expect(adapted.peak).toBeLessThan(whole.peak / 2);
    expect(adapted.parameters - whole.parameters).toBe(adapted.trainable);
  });
});
