// Every flag of the event's script and of transformers since then, as the train command takes it.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acceptedOptions, tellAccepted } from '../../src/cli/accepted.js';
import { parseFlags } from '../../src/cli/flags.js';
import { describeGroups } from '../../src/cli/help.js';
import { settle, trainGroups, trainOptions } from '../../src/cli/train-options.js';
import { camelCase } from '../../src/train/option.js';

// run_speech_recognition_seq2seq_streaming.py of huggingface/community-events, 13 and 18 arguments.
const MODEL =
  'model_name_or_path config_name tokenizer_name feature_extractor_name cache_dir use_fast_tokenizer model_revision ' +
  'use_auth_token freeze_feature_encoder freeze_encoder forced_decoder_ids suppress_tokens model_index_name';
const DATA =
  'dataset_name dataset_config_name text_column max_train_samples max_eval_samples audio_column_name text_column_name ' +
  'max_duration_in_seconds min_duration_in_seconds train_split_name eval_split_name do_lower_case do_remove_punctuation ' +
  'do_normalize_eval language task shuffle_buffer_size streaming';
// Seq2SeqTrainingArguments of transformers 4.26.0.dev0 (December 2022): 110 fields, of which _n_gpu is no argument.
const ERA =
  'output_dir overwrite_output_dir do_train do_eval do_predict evaluation_strategy prediction_loss_only ' +
  'per_device_train_batch_size per_device_eval_batch_size per_gpu_train_batch_size per_gpu_eval_batch_size ' +
  'gradient_accumulation_steps eval_accumulation_steps eval_delay learning_rate weight_decay adam_beta1 adam_beta2 ' +
  'adam_epsilon max_grad_norm num_train_epochs max_steps lr_scheduler_type warmup_ratio warmup_steps log_level ' +
  'log_level_replica log_on_each_node logging_dir logging_strategy logging_first_step logging_steps ' +
  'logging_nan_inf_filter save_strategy save_steps save_total_limit save_on_each_node no_cuda use_mps_device seed ' +
  'data_seed jit_mode_eval use_ipex bf16 fp16 fp16_opt_level half_precision_backend bf16_full_eval fp16_full_eval tf32 ' +
  'local_rank xpu_backend tpu_num_cores tpu_metrics_debug debug dataloader_drop_last eval_steps dataloader_num_workers ' +
  'past_index run_name disable_tqdm remove_unused_columns label_names load_best_model_at_end metric_for_best_model ' +
  'greater_is_better ignore_data_skip sharded_ddp fsdp fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap deepspeed ' +
  'label_smoothing_factor optim optim_args adafactor group_by_length length_column_name report_to ' +
  'ddp_find_unused_parameters ddp_bucket_cap_mb dataloader_pin_memory skip_memory_metrics use_legacy_prediction_loop ' +
  'push_to_hub resume_from_checkpoint hub_model_id hub_strategy hub_token hub_private_repo gradient_checkpointing ' +
  'include_inputs_for_metrics fp16_backend push_to_hub_model_id push_to_hub_organization push_to_hub_token ' +
  'mp_parameters auto_find_batch_size full_determinism torchdynamo ray_scope ddp_timeout torch_compile ' +
  'torch_compile_backend torch_compile_mode sortish_sampler predict_with_generate generation_max_length ' +
  'generation_num_beams';
// What came later, up to transformers 5.17, and what its own script of today adds.
const LATER =
  'eval_strategy save_only_model save_safetensors use_cpu eval_on_start batch_eval_metrics eval_do_concat_batches ' +
  'dataloader_prefetch_factor dataloader_persistent_workers gradient_checkpointing_kwargs neftune_noise_alpha ' +
  'optim_target_modules lr_scheduler_kwargs torch_empty_cache_steps include_num_input_tokens_seen ' +
  'average_tokens_across_devices use_liger_kernel generation_config hub_revision train_sampling_strategy ' +
  'liger_kernel_config use_cache project trackio_space_id trackio_bucket_id trackio_static_space_id ' +
  'eval_use_gather_object include_for_metrics enable_jit_checkpoint hub_always_push ' +
  'restore_callback_states_from_checkpoint accelerator_config parallelism_config dataloader_multiprocessing_context ' +
  'dataloader_in_order ddp_broadcast_buffers ddp_static_graph ddp_backend fsdp_config token trust_remote_code ' +
  'apply_spec_augment preprocessing_num_workers overwrite_cache preprocessing_only early_stopping_patience ' +
  'early_stopping_threshold';

const names = (text: string) => text.split(' ');
const definition = (flag: string) =>
  Object.entries(trainOptions).find(([name, { aliases }]) => name === flag || aliases?.includes(flag));

/** A value that the flag's option takes. */
function sample(flag: string): { written: string; read: unknown } {
  const [, option] = definition(flag)!;
  const { kind, choices, form, least = 0, above = 0, most = 1 } = option;
  if (choices) return { written: choices[0]!, read: choices[0] };
  if (form) return { written: form.placeholder.split('|')[0]!, read: form.placeholder.split('|')[0] };
  const number = Math.min(most, Math.max(least, above + 1));
  switch (kind) {
    case 'boolean':
      return { written: 'True', read: true };
    case 'integer':
      return { written: `${Math.ceil(number)}`, read: Math.ceil(number) };
    case 'number':
      return { written: `${number}`, read: number };
    case 'strings':
      return { written: 'a,b', read: ['a', 'b'] };
    case 'integers':
      return { written: '1,2', read: [1, 2] };
    case 'json':
      return flag === 'forced_decoder_ids'
        ? { written: '[[1, 2]]', read: [[1, 2]] }
        : { written: '{"a": 1}', read: { a: 1 } };
    default:
      return { written: 'word', read: 'word' };
  }
}

const needed = ['--model_name_or_path=m', '--output_dir=o'];

describe('the flags of the event', () => {
  it('are 13, 18 and 109', () => {
    expect([MODEL, DATA, ERA].map((list) => new Set(names(list)).size)).toEqual([13, 18, 109]);
  });

  it.each(names([MODEL, DATA, ERA, LATER].join(' ')))('--%s is taken', (flag) => {
    expect(definition(flag), `--${flag}`).toBeDefined();
    const { written, read } = sample(flag);
    const { options, given } = parseFlags([...needed, `--${flag}=${written}`], trainOptions);
    const [name] = definition(flag)!;
    expect((options as Record<string, unknown>)[camelCase(name)]).toEqual(read);
    expect(given).toContain(name);
  });

  it('have one place each in the help', () => {
    const help = describeGroups(trainOptions, trainGroups);
    for (const name of Object.keys(trainOptions)) {
      expect(help.match(new RegExp(`^ {2}--${name}\\b`, 'gm')), name).toHaveLength(1);
    }
    expect(help).not.toContain('\nMore:');
  });

  it('may stand in a JSON file, lists and structures as they are', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'flags-')), 'run.json');
    const content = {
      ...{ model_name_or_path: 'm', output_dir: 'o', report_to: ['tensorboard'], suppress_tokens: [1] },
      ...{ forced_decoder_ids: [[1, 50262]], lr_scheduler_kwargs: { num_cycles: 2 }, fsdp: '' },
    };
    writeFileSync(path, JSON.stringify(content));
    expect(parseFlags([path], trainOptions).options).toMatchObject({
      reportTo: ['tensorboard'],
      suppressTokens: [1],
      forcedDecoderIds: [[1, 50262]],
      lrSchedulerKwargs: { num_cycles: 2 },
    });
  });
});

describe('flags without effect', () => {
  const lines: string[] = [];
  const terminal = { out: () => {}, err: (text: string) => lines.push(text) };
  const tell = (...argv: string[]) => {
    lines.length = 0;
    const { options, given } = parseFlags([...needed, ...argv], trainOptions);
    tellAccepted(given, options, terminal);
    return lines;
  };

  it('are named once, in one line', () => {
    expect(
      tell('--tf32=True', '--dataloader_pin_memory', '--freeze_feature_encoder=False', '--seed=1'),
    ).toEqual(['accepted, without effect here: freeze_feature_encoder, dataloader_pin_memory, tf32\n']);
    expect(tell('--seed=1')).toEqual([]);
  });

  it.each([
    ['--fsdp=full_shard', '--fsdp full_shard: one process trains and shards nothing: leave it out'],
    ['--group_by_length', '--group_by_length true: rows are not put together by length: leave it out'],
    ['--generation_num_beams=5', '--generation_num_beams 5: beam search is not there: leave it out'],
    ['--neftune_noise_alpha=5', '--neftune_noise_alpha 5: it is not there: leave it out'],
    ['--local_rank=1', '--local_rank 1: one process trains: leave it out'],
    ['--past_index=0', '--past_index 0: leave it out'],
    ['--label_names=a,b', '--label_names a,b: only labels is there'],
  ])('are refused where the result would be another: %s', (flag, message) => {
    expect(() => tell(flag)).toThrow(message);
  });

  it.each([
    '--fsdp=',
    '--group_by_length=False',
    '--generation_num_beams=1',
    '--local_rank=-1',
    '--local_rank=0',
  ])('are taken where it would not: %s', (flag) => expect(tell(flag)).toHaveLength(1));

  it('are not options that do something', () => {
    expect(Object.keys(acceptedOptions).filter((name) => /^(max_steps|seed|optim|fp16)$/.test(name))).toEqual(
      [],
    );
  });
});

describe('what the flags come to', () => {
  const come = async (...argv: string[]) => {
    const lines: string[] = [];
    const parsed = parseFlags([...needed, '--do_train', ...argv], trainOptions);
    const options = await settle({
      ...parsed,
      terminal: { out: () => {}, err: (text) => lines.push(text) },
      signal: new AbortController().signal,
    });
    return { options, lines };
  };

  it('is corrected training by default', async () => {
    const { options, lines } = await come();
    expect(options).toMatchObject({ compat: 'fixed', meanOfMeans: false, carryGradients: false });
    expect(options).toMatchObject({
      trainEncoderPositions: false,
      alternateSplits: false,
      saveTotalLimit: 2,
    });
    expect(options.optim).toBeUndefined();
    expect(lines.join('')).toContain('keeping the last 2 checkpoints');
    const best = ['--load_best_model_at_end', '--eval_strategy=steps', '--eval_steps=500'];
    expect((await come(...best)).options.saveTotalLimit).toBe(3);
  });

  it('is that of December 2022 in the era, but for what is given', async () => {
    const { options } = await come('--compat=era', '--no_predict_language', '--on_long_label=drop');
    expect(options).toMatchObject({
      optim: 'adamw_hf',
      trainEncoderPositions: true,
      meanOfMeans: true,
      carryGradients: true,
      alternateSplits: true,
      evalOnStart: false,
      longAudio: 'truncate',
      predictLanguage: false,
      onLongLabel: 'drop',
    });
    expect(options.saveTotalLimit).toBeUndefined();
    const other = await come('--compat=era', '--adafactor');
    expect(other.options.optim).toBeUndefined();
  });

  it('asks for an evaluation at the end where there are some on the way', async () => {
    expect((await come('--eval_strategy=epoch')).options.doEval).toBe(true);
    expect((await come()).options.doEval).toBe(false);
  });

  it('takes no parts of other models', async () => {
    expect((await come('--tokenizer_name=m')).options.tokenizerName).toBe('m');
    await expect(come('--tokenizer_name=other')).rejects.toThrow(
      '--tokenizer_name must be --model_name_or_path, m, got other',
    );
  });
});
