// The train command with a Hub: it pushes as it trains, and goes on from what it pushed.
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Hub, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';
import { makeDataset, makeModel, run, temporaryFolder } from './fixtures.js';

const { path: folder, remove } = temporaryFolder();
let hub: Hub;

beforeAll(async () => {
  await makeModel(`${folder}/model`);
  makeDataset(`${folder}/data`);
  hub = await startHub();
  for (const [name, value] of Object.entries(hub.environment(`${folder}/home`, WRITE_TOKEN))) {
    vi.stubEnv(name, value);
  }
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  remove();
});

const train = (...more: string[]) =>
  run(
    'train',
    `--model_name_or_path=${folder}/model`,
    `--dataset_name=${folder}/data`,
    '--do_train',
    '--do_eval',
    '--predict_with_generate',
    '--per_device_train_batch_size=2',
    '--save_steps=2',
    '--language=english',
    '--device=cpu',
    ...more,
  );

it('pushes checkpoints, the model, its card and its results, and goes on from the Hub elsewhere', async () => {
  const first = await train(
    `--output_dir=${folder}/tuned`,
    '--max_steps=4',
    '--push_to_hub',
    '--hub_strategy=checkpoint',
    '--model_index_name=Tones',
    '--report_to=tensorboard,wandb',
  );
  expect(first.code, first.err).toBe(0);
  expect(first.err).toContain('report_to wandb is not there');
  expect(first.err).toContain(`pushed the end of training to ${hub.url}/tester/tuned\n`);
  const there = hub.repository('tester/tuned');
  expect(there.paths).toEqual(
    expect.arrayContaining(['README.md', 'eval_results.json', 'last-checkpoint/optimizer.safetensors']),
  );
  expect(there.read('README.md')!.toString()).toMatch(/- name: Tones\n[\s\S]*type: wer\n/);
  expect(there.paths.filter((path) => /^runs\/[^/]+\/events/.test(path))).toHaveLength(2);

  const second = await train(
    `--output_dir=${folder}/elsewhere`,
    '--max_steps=6',
    '--resume_from_checkpoint=tester/tuned',
  );
  expect(second.code, second.err).toBe(0);
  expect(second.err).toMatch(/updates 5 to 6, resumed from .*last-checkpoint\n/);
});

it('says in one line that a repository has no checkpoint to go on from', async () => {
  hub.add({ id: 'tester/bare', files: { 'config.json': '{}' } });
  const { code, err } = await train(`--output_dir=${folder}/none`, '--resume_from_checkpoint=tester/bare');
  expect(code).toBe(1);
  expect(err.trimEnd().split('\n').at(-1)).toBe(
    'error: cannot resume from tester/bare: there is no such folder, and the repository of that name on the Hub has no ' +
      'last-checkpoint, which --hub_strategy checkpoint pushes',
  );
});

it('does not know every name that a report could go to', async () => {
  const { code, err } = await train(`--output_dir=${folder}/none`, '--report_to', 'tensorbord');
  expect(code).toBe(2);
  expect(err).toContain('--report_to must be tensorboard, all or none, got "tensorbord"');
});
