// The event's run.sh for Spanish, flag for flag, against a local Hub: trains, is stopped, goes on, and pushes.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tarFile } from '../data/archives.js';
import { type Hub, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';
import { wav } from '../helpers/wav.mjs';
import { editJson, makeModel, temporaryFolder, tone, WORDS } from './fixtures.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

// huggingface/community-events, whisper-fine-tuning-event/README.md: what stands in run.sh, all 37 of it.
const RUN = [
  '--model_name_or_path=openai/whisper-small',
  '--dataset_name=mozilla-foundation/common_voice_11_0',
  '--dataset_config_name=es',
  '--language=spanish',
  '--train_split_name=train+validation',
  '--eval_split_name=test',
  '--model_index_name=Whisper Small Spanish',
  '--max_steps=5000',
  '--output_dir=./',
  '--per_device_train_batch_size=64',
  '--per_device_eval_batch_size=32',
  '--logging_steps=25',
  '--learning_rate=1e-5',
  '--warmup_steps=500',
  '--evaluation_strategy=steps',
  '--eval_steps=1000',
  '--save_strategy=steps',
  '--save_steps=1000',
  '--generation_max_length=225',
  '--length_column_name=input_length',
  '--max_duration_in_seconds=30',
  '--text_column_name=sentence',
  '--freeze_feature_encoder=False',
  '--report_to=tensorboard',
  '--metric_for_best_model=wer',
  '--greater_is_better=False',
  '--load_best_model_at_end',
  '--gradient_checkpointing',
  '--fp16',
  '--overwrite_output_dir',
  '--do_train',
  '--do_eval',
  '--predict_with_generate',
  '--do_normalize_eval',
  '--streaming',
  '--use_auth_token',
  '--push_to_hub',
];

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder.path, ...path);
let hub: Hub;

beforeAll(async () => {
  hub = await startHub();
  const model = await makeModel(at('model'));
  editJson(join(model, 'config.json'), { max_target_positions: 448, max_length: 448 });
  const files = Object.fromEntries(
    readdirSync(model)
      .filter((name) => name !== 'model.safetensors')
      .map((name) => [name, readFileSync(join(model, name))]),
  );
  hub.add({ type: 'model', id: 'openai/whisper-small', files });
  const clips = Array.from({ length: 6 }, (_, i) => ({ path: `clip_${i}.wav`, word: WORDS[i % 4]! }));
  const shard = await tarFile(
    clips.map(({ path }, i) => [`x/${path}`, Buffer.from(wav(tone(1 + (i % 4), 0.4 + 0.02 * i)))]),
  );
  const table = ['path\tsentence', ...clips.map(({ path, word }) => `${path}\t${word}`)].join('\n');
  hub.add({
    type: 'dataset',
    id: 'mozilla-foundation/common_voice_11_0',
    files: Object.fromEntries(
      ['train', 'dev', 'test'].flatMap((split) => [
        [`audio/es/${split}/es_${split}_0.tar`, shard],
        [`transcript/es/${split}.tsv`, table],
      ]),
    ),
  });
});
afterAll(async () => {
  await hub.close();
  folder.remove();
});

/** Runs the command in a folder of its own; `until` fires on what it says, and SIGTERM ends it then. */
async function train(name: string, more: string[], until?: RegExp): Promise<{ code: number; said: string }> {
  mkdirSync(at(name), { recursive: true });
  const environment = { ...process.env, ...hub.environment(at('home'), WRITE_TOKEN) };
  const child = spawn(process.execPath, [main, 'train', ...RUN, ...more], {
    cwd: at(name),
    env: environment,
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
    // Once: the second signal would end it at once.
    if (!child.killed && until?.test(said)) child.kill('SIGTERM');
  });
  const code = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  return { code, said };
}
// Weights are drawn: those of the tiny model have no room for the positions that 225 tokens need.
const drawn = '--init_from_scratch=fan_in';

describe('the event’s run.sh', () => {
  it('has 37 flags', () => expect(RUN).toHaveLength(37));

  it('trains until it is stopped, and goes on', async () => {
    const first = await train('stopped', [drawn], /update 25\/5000/);
    expect(first.said).toContain('accepted, without effect here: freeze_feature_encoder, length_column_name');
    expect(first.said).toMatch(/SIGTERM: stopping/);
    expect(first.code).toBe(1);
    const checkpoint = readdirSync(at('stopped')).find((name) => name.startsWith('checkpoint-'));
    expect(checkpoint).toBeDefined();
    const again = await train('stopped', [drawn, '--resume_from_checkpoint=true'], /update 50\/5000/);
    expect(again.said).toContain(`resumed from`);
    expect(again.said).not.toContain('update 25/5000');
  });

  it('trains to the end, evaluates, saves and pushes', async () => {
    const { code, said } = await train('whole', [drawn, '--max_steps=4', '--eval_steps=2', '--save_steps=2']);
    expect(said).not.toMatch(/^error/m);
    expect(code).toBe(0);
    for (const name of ['all_results.json', 'README.md', 'runs', 'model.safetensors', 'trainer_state.json']) {
      expect(existsSync(at('whole', name)), name).toBe(true);
    }
    expect(JSON.parse(readFileSync(at('whole', 'all_results.json'), 'utf8'))).toHaveProperty('eval_wer');
    expect(readFileSync(at('whole', 'README.md'), 'utf8')).toContain('Whisper Small Spanish');
    const pushed = [...hub.repositories.keys()].filter((id) => id.startsWith('models/tester/'));
    expect(pushed).toContain('models/tester/whole');
  });
});
