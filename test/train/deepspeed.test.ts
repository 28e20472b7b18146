// ds_config.json: what it stands for, what it must agree with, and what it is told to have no effect.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFlags } from '../../src/cli/flags.js';
import { trainOptions } from '../../src/cli/train-options.js';
import { applyDeepspeed, readDeepspeed } from '../../src/train/deepspeed.js';

/** As the fine-tuning event had it (huggingface/community-events, whisper-fine-tuning-event/ds_config.json). */
const EVENT = {
  fp16: {
    enabled: 'auto',
    loss_scale: 0,
    loss_scale_window: 1000,
    initial_scale_power: 16,
    hysteresis: 2,
    min_loss_scale: 1,
  },
  optimizer: {
    type: 'AdamW',
    params: { lr: 'auto', betas: 'auto', eps: 'auto', weight_decay: 'auto' },
  },
  scheduler: {
    type: 'WarmupDecayLR',
    params: {
      last_batch_iteration: -1,
      total_num_steps: 'auto',
      warmup_min_lr: 'auto',
      warmup_max_lr: 'auto',
      warmup_num_steps: 'auto',
    },
  },
  zero_optimization: {
    stage: 2,
    offload_optimizer: { device: 'cpu', pin_memory: true },
    allgather_partitions: true,
    allgather_bucket_size: 2e8,
    overlap_comm: true,
    reduce_scatter: true,
    reduce_bucket_size: 2e8,
    contiguous_gradients: true,
  },
  gradient_accumulation_steps: 'auto',
  gradient_clipping: 'auto',
  train_batch_size: 'auto',
  train_micro_batch_size_per_gpu: 'auto',
};

const folder = mkdtempSync(join(tmpdir(), 'deepspeed-'));
const path = join(folder, 'ds_config.json');

async function apply(config: object, ...argv: string[]) {
  writeFileSync(path, JSON.stringify(config));
  const needed = ['--model_name_or_path=m', '--output_dir=o'];
  const { options, given } = parseFlags([...needed, ...argv], trainOptions);
  return applyDeepspeed(await readDeepspeed(path), options, given);
}

describe('ds_config.json', () => {
  it('of the event takes its numbers from the flags', async () => {
    const flags = ['--fp16', '--learning_rate=1e-5', '--warmup_steps=500', '--max_steps=5000'];
    const { options, notices } = await apply(EVENT, ...flags);
    expect(options).toMatchObject({
      fp16: true,
      learningRate: 1e-5,
      warmupSteps: 500,
      maxSteps: 5000,
      optim: 'adamw_torch',
      lrSchedulerType: 'WarmupDecayLR',
      lrSchedulerKwargs: { warmup_min_lr: 0, warmup_type: 'log' },
      lossScaler: 'deepspeed',
      initialLossScale: 65536,
      lossScaleWindow: 1000,
      lossScaleHysteresis: 2,
      minLossScale: 1,
    });
    expect(notices).toEqual([
      `${path}: ZeRO stage 2 and offloading of the optimizer: not active yet on one process, which trains without`,
    ]);
  });

  it('leaves the loss scale alone without f16', async () => {
    const { options } = await apply(EVENT);
    expect(options.lossScaler).toBeUndefined();
    expect((await apply({ bf16: { enabled: true } })).options).toMatchObject({ bf16: true, fp16: false });
  });

  it('says numbers itself', async () => {
    const { options, notices } = await apply({
      fp16: { enabled: true, loss_scale: 1024, min_loss_scale: 4096 },
      gradient_accumulation_steps: 4,
      train_micro_batch_size_per_gpu: 16,
      train_batch_size: 64,
      gradient_clipping: 0.5,
      optimizer: { type: 'AdamW', params: { lr: 3e-5, betas: [0.8, 0.99], eps: 1e-7, weight_decay: 0 } },
      scheduler: {
        type: 'WarmupLR',
        // Only WarmupDecayLR ends.
        params: { warmup_type: 'linear', warmup_min_lr: 1e-6, warmup_num_steps: 9, total_num_steps: 77 },
      },
      zero_optimization: { offload_optimizer: { device: 'none' } },
    });
    expect(options).toMatchObject({
      fp16: true,
      initialLossScale: 1024,
      minLossScale: 1024,
      lossScaleWindow: 2 ** 30,
      lossScaleHysteresis: 2 ** 30,
      gradientAccumulationSteps: 4,
      perDeviceTrainBatchSize: 16,
      maxGradNorm: 0.5,
      learningRate: 3e-5,
      adamBeta1: 0.8,
      adamBeta2: 0.99,
      adamEpsilon: 1e-7,
      warmupSteps: 9,
      lrSchedulerKwargs: { warmup_min_lr: 1e-6, warmup_type: 'linear' },
    });
    expect(options.maxSteps).not.toBe(77);
    expect(notices).toEqual([]);
  });

  it.each([
    [
      { gradient_accumulation_steps: 4 },
      ['--gradient_accumulation_steps=2'],
      'gradient_accumulation_steps is 4, and --gradient_accumulation_steps is 2: make them equal, or write "auto"',
    ],
    [
      { optimizer: { type: 'AdamW', params: { lr: 1e-4 } } },
      ['--learning_rate=1e-5'],
      'optimizer.params.lr is 0.0001, and --learning_rate is 0.00001',
    ],
    [{ fp16: { enabled: false } }, ['--fp16'], 'fp16.enabled is false, and --fp16 is true'],
    [{ optimizer: { type: 'AdamW' } }, ['--optim=sgd'], 'optimizer.type is adamw_torch, and --optim is sgd'],
    [
      { train_batch_size: 64 },
      ['--per_device_train_batch_size=16'],
      'train_batch_size is 64, and --per_device_train_batch_size 16 times --gradient_accumulation_steps 1 on one process is 16',
    ],
    [{ zero_optimization: { stage: 4 } }, [], 'zero_optimization.stage'],
    [{ optimizer: { type: 'OneBitAdam' } }, [], 'optimizer.type'],
    [{ fp16: { loss_scale_window: 0 } }, [], 'fp16.loss_scale_window'],
  ])('%j with %j is refused', async (config, flags, message) => {
    await expect(apply(config, ...flags)).rejects.toThrow(message);
  });

  it('names keys that it does not know, and what it does otherwise', async () => {
    const { notices } = await apply(
      { flops_profiler: {}, optimizer: { type: 'AdamW', params: { amsgrad: true } }, fp16: { fast: 1 } },
      '--weight_decay=0.1',
    );
    expect(notices).toEqual([
      `${path}: weight decay leaves out biases and layer norms, which DeepSpeed’s does not`,
      `${path}: passed over, as not known here: fp16.fast, optimizer.params.amsgrad, flops_profiler`,
    ]);
  });
});
