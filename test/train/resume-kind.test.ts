// A checkpoint of another kind of run: refused with what differs and what can be done. One of an earlier version: taken.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Precision } from '../../src/native.js';
import type { TrainerOptions } from '../../src/train/trainer.js';
import { json, of, outputDir, run } from './runs.js';

type Kind = Partial<TrainerOptions> & { precision?: Precision };

const saving = { saveStrategy: 'steps', saveSteps: 4, maxSteps: 4 } as const;
const resumed = { ...saving, maxSteps: 6 } as const;

describe('a checkpoint', () => {
  it.each<[Kind, Kind, string, string]>([
    [{ optim: 'adamw_hf' }, { optim: 'sgd' }, 'optim was adamw_hf and is sgd', 'optim=adamw_hf'],
    [{}, { adafactor: true }, 'optim was adamw_torch and is adafactor', 'optim=adamw_torch'],
    [{ precision: 'f16' }, {}, 'precision was f16 and is f32', 'precision=f16'],
    [
      { precision: 'bf16', freezeEncoder: true },
      {},
      'precision was bf16 and is f32, freeze_encoder was true and is false',
      'precision=bf16 and freeze_encoder=true',
    ],
    [
      { freezeDecoder: true },
      { freezeEncoder: true },
      'freeze_encoder was false and is true, freeze_decoder was true and is false',
      'freeze_encoder=false and freeze_decoder=true',
    ],
    [
      { precision: 'f16', lossScaler: 'deepspeed' },
      { precision: 'f16' },
      'loss_scaler was deepspeed and is torch',
      'loss_scaler=deepspeed',
    ],
    [
      { optim: 'adamw_8bit', optim8bitEmbeddings: true },
      { optim: 'adamw_bnb_8bit' },
      'optim_8bit_embeddings was true and is false',
      'optim_8bit_embeddings=true',
    ],
  ])('of %j is none for %j', async (was, is, differences, again) => {
    await run({ ...saving, ...was });
    const folder = join(outputDir, 'checkpoint-4');
    await expect(run({ ...resumed, ...is })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message:
        `cannot resume from ${folder}: ${differences}; give ${again} to go on with it, or start a new run from its ` +
        `weights with model_name_or_path=${folder} and another output_dir`,
    });
  });

  it.each<[Kind, Kind]>([
    [{ optim: 'adamw_8bit' }, { optim: 'adamw_bnb_8bit' }],
    [{ optim: 'adamw_torch_fused' }, {}],
    [{ checkpointingPolicy: 'every:2' }, { gradientCheckpointing: true }],
    [{}, { memoryBudget: '8GB', autoFindBatchSize: true }],
  ])('of %j is one for %j too, and nothing but the new length is told', async (was, is) => {
    await run({ ...saving, ...was });
    const { events } = await run({ ...resumed, ...is });
    expect(of(events, 'start')[0]).toMatchObject({ step: 4 });
    expect(of(events, 'notice').map(({ message }) => message)).toEqual([
      "options differ from the checkpoint's: the number of updates (was 4, is 6)",
    ]);
  });

  it('of a version that kept neither kind nor skipped steps goes on', async () => {
    const whole = await run({ ...saving, maxSteps: 6 });
    const path = join(outputDir, 'checkpoint-4', 'whisper_tune_state.json');
    const state = JSON.parse(readFileSync(path, 'utf8'));
    for (const key of ['kind', 'skipped', 'skipped_in_row', 'losses', 'micro_batches', 'rows_at_once']) {
      expect(state).toHaveProperty(key);
      delete state[key];
    }
    for (const name of Object.keys(state.options)) {
      if (/optim|Loss|check|autoF|autoB|adafactor/.test(name)) delete state.options[name];
    }
    const { lossSum, losses } = state.unlogged;
    state.unlogged = { lossSum, steps: losses };
    writeFileSync(path, JSON.stringify(state));
    const again = await run({ ...resumed, resumeFromCheckpoint: join(outputDir, 'checkpoint-4') });
    expect(again.native.weights).toEqual(whole.native.weights);
    expect(again.trainer.metrics().train_loss).toBe(whole.trainer.metrics().train_loss);
    expect(of(again.events, 'notice')).toEqual([]);
    await expect(
      run({ ...resumed, optim: 'sgd', resumeFromCheckpoint: join(outputDir, 'checkpoint-4') }),
    ).rejects.toThrow('optim was adamw_torch and is sgd');
  });

  it('of a version that could not freeze the decoder goes on where it is not frozen', async () => {
    await run(saving);
    const path = join(outputDir, 'checkpoint-4', 'whisper_tune_state.json');
    const state = JSON.parse(readFileSync(path, 'utf8'));
    delete state.kind.freeze_decoder;
    delete state.options.freezeDecoder;
    writeFileSync(path, JSON.stringify(state));
    await expect(run({ ...resumed, freezeDecoder: true })).rejects.toThrow(
      'freeze_decoder was false and is true',
    );
    const { events } = await run({ ...resumed, resumeFromCheckpoint: join(outputDir, 'checkpoint-4') });
    expect(of(events, 'start')[0]).toMatchObject({ step: 4 });
    expect(of(events, 'notice').map(({ message }) => message)).toEqual([
      "options differ from the checkpoint's: the number of updates (was 4, is 6)",
    ]);
  });

  it('says which precision and optimizer it is of', async () => {
    const { events } = await run({ ...saving, precision: 'f16', optim: 'adamw_8bit' });
    expect(of(events, 'start')[0]).toMatchObject({ precision: 'f16', optim: 'adamw_bnb_8bit' });
    expect(json('checkpoint-4', 'whisper_tune_state.json').kind).toEqual({
      precision: 'f16',
      optim: 'adamw_bnb_8bit',
      optim_8bit_embeddings: false,
      train_encoder_positions: false,
      freeze_encoder: false,
      freeze_decoder: false,
      loss_scaler: 'torch',
      lora_rank: 0,
      lora_alpha: 0,
      lora_dropout: 0,
      lora_target_modules: 'none',
    });
  });
});
