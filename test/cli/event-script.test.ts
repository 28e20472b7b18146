// The event's run.sh for Spanish, flag for flag, against a local Hub: trains, is stopped, goes on, and pushes.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tarFile } from '../data/archives.js';
import { type Hub, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';
import { wav } from '../helpers/wav.mjs';
import { makeModel, temporaryFolder, tone, WORDS } from './fixtures.js';

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

const MODEL = 'openai/whisper-small';
const DATASET = 'mozilla-foundation/common_voice_11_0';

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder.path, ...path);
let hub: Hub;

beforeAll(async () => {
  hub = await startHub();
  // As many positions as every Whisper has, so that texts of 225 tokens fit.
  const model = await makeModel(at('model'), 1, { max_target_positions: 448, max_length: 448 });
  const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
  hub.add({ type: 'model', id: MODEL, files });
  const clips = Array.from({ length: 6 }, (_, i) => ({ path: `clip_${i}.wav`, word: WORDS[i % 4]! }));
  const shard = await tarFile(
    clips.map(({ path }, i) => [`x/${path}`, Buffer.from(wav(tone(1 + (i % 4), 0.4 + 0.02 * i)))]),
  );
  // What is learned has marks and a capital that what is compared with has not: only normalised it is the same.
  const table = (spelled: (word: string) => string) =>
    ['path\tsentence', ...clips.map(({ path, word }) => `${path}\t${spelled(word)}`)].join('\n');
  const learned = table((word) => `${word[0]!.toUpperCase()}${word.slice(1)}!`);
  hub.add({
    type: 'dataset',
    id: DATASET,
    files: Object.fromEntries(
      ['train', 'dev', 'test'].flatMap((split) => [
        [`audio/es/${split}/es_${split}_0.tar`, shard],
        [`transcript/es/${split}.tsv`, split === 'test' ? table((word) => word) : learned],
      ]),
    ),
  });
});
afterAll(async () => {
  await hub.close();
  folder.remove();
});

/** Runs a command in a folder of its own; `until` fires on what it says, and SIGTERM ends it then. */
async function whisperTune(
  args: string[],
  { folder, home = at('home'), until }: { folder: string; home?: string; until?: RegExp },
): Promise<{ code: number; out: string; said: string }> {
  mkdirSync(at(folder), { recursive: true });
  const environment = { ...process.env, ...hub.environment(home, WRITE_TOKEN) };
  const child = spawn(process.execPath, [main, ...args], { cwd: at(folder), env: environment });
  let [out, said] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    said += text;
    // Once: the second signal would end it at once.
    if (!child.killed && until?.test(said)) child.kill('SIGTERM');
  });
  const code = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  return { code, out, said };
}

const train = (folder: string, more: string[], until?: RegExp) =>
  whisperTune(['train', ...RUN, ...more], { folder, ...(until && { until }) });

const json = (...path: string[]) => JSON.parse(readFileSync(at(...path), 'utf8'));

/** Addresses of a repository's weights that were asked for. */
const askedFor = (id: string) =>
  hub.requests.filter(
    ({ path }) => path.startsWith(`/${id}/resolve/`) && path.endsWith('/model.safetensors'),
  );

describe('the event’s run.sh', () => {
  it('has 37 flags', () => expect(RUN).toHaveLength(37));

  it('trains the Hub’s weights until it is stopped, and goes on', async () => {
    const first = await train('stopped', [], /update 25\/5000/);
    expect(first.said).toContain('accepted, without effect here: freeze_feature_encoder, length_column_name');
    expect(first.said).toMatch(/SIGTERM: stopping/);
    expect(first.code).toBe(1);
    expect(askedFor(MODEL)).not.toHaveLength(0);
    const checkpoint = readdirSync(at('stopped')).find((name) => name.startsWith('checkpoint-'));
    expect(checkpoint).toBeDefined();
    const again = await train('stopped', ['--resume_from_checkpoint=true'], /update 50\/5000/);
    expect(again.said).toContain(`resumed from`);
    expect(again.said).not.toContain('update 25/5000');
  });
});

/** Few updates, and a rate at which they change what is written. */
const short = (updates: number) => [
  ...[`--max_steps=${updates}`, '--eval_steps=10', '--save_steps=10'],
  ...['--learning_rate=1e-2', '--warmup_steps=4'],
];

describe('a short run of it', () => {
  it('trains to the end, evaluates, saves and pushes', async () => {
    const { code, said } = await train('whole', short(20));
    expect(said).not.toMatch(/^error/m);
    expect(code).toBe(0);
    for (const name of ['all_results.json', 'README.md', 'runs', 'model.safetensors']) {
      expect(existsSync(at('whole', name)), name).toBe(true);
    }
    expect(json('whole', 'trainer_state.json')).toMatchObject({ global_step: 20 });
    expect(readFileSync(at('whole', 'README.md'), 'utf8')).toContain('Whisper Small Spanish');
    expectPushed();
  });

  it('goes on from its last checkpoint when it is called again for more updates', async () => {
    const { code, said } = await train('whole', [...short(30), '--resume_from_checkpoint=true']);
    expect(code).toBe(0);
    expect(said).toMatch(/resumed from \S*checkpoint-20/);
    expect(json('whole', 'trainer_state.json')).toMatchObject({ global_step: 30 });
    expectPushed();
  });

  it('pushes what evaluates to the same rates where it is pulled', async () => {
    const { code, out, said } = await whisperTune(
      [
        ...['evaluate', '--model_id=tester/whole', `--dataset=${DATASET}`, '--config=es', '--split=test'],
        ...['--language=spanish', '--batch_size=32', '--generation_max_length=225', '--fp16', '--json'],
      ],
      { folder: 'elsewhere', home: at('home of another') },
    );
    expect(said).not.toMatch(/^error/m);
    expect(code).toBe(0);
    expect(askedFor('tester/whole')).not.toHaveLength(0);
    const { eval_wer: wer, eval_cer: cer, eval_samples: samples } = json('whole', 'eval_results.json');
    expect(JSON.parse(out)).toMatchObject({ wer, cer, samples, normalizer: 'basic' });
    // Some words are right, and none without normalising.
    expect(wer).toBeLessThan(100);
    expect(JSON.parse(out).normalizers.none.wer).toBe(100);
  });
});

/** The Hub has the weights that the run has left. */
function expectPushed(): void {
  const pushed = hub.repository('tester/whole').read('model.safetensors');
  expect(pushed?.equals(readFileSync(at('whole', 'model.safetensors')))).toBe(true);
}
