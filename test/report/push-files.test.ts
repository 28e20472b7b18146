// Which files of a run go to the Hub: what makes the model and its report, and nothing else that lies there.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  checkpointFiles,
  folderFiles,
  modelFiles,
  outputFiles,
  reportFiles,
  stageFiles,
  staleFiles,
} from '../../src/report/push-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'push-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function make(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), path);
  }
}

const paths = (files: readonly { path: string }[]) => files.map(({ path }) => path);

it('of an output folder: model, adapter, card and results, no secrets, data or checkpoints', async () => {
  make('model-00001-of-00002.safetensors', 'model.safetensors.index.json', 'config.json', 'merges.txt');
  make('README.md', 'all_results.json', 'trainer_state.json', '.gitignore', 'adapter/adapter_config.json');
  make('.env', 'notes.txt', 'clips/a.wav', 'checkpoint-5/model.safetensors', 'optimizer.safetensors');
  symlinkSync('/etc/passwd', join(folder, 'vocab.json'));
  expect(paths(await outputFiles(folder)).sort()).toEqual([
    '.gitignore',
    'README.md',
    'adapter/adapter_config.json',
    'all_results.json',
    'config.json',
    'merges.txt',
    'model-00001-of-00002.safetensors',
    'model.safetensors.index.json',
    'trainer_state.json',
  ]);
});

it('of a checkpoint: the model, or all of it under another name', async () => {
  make(
    'model.safetensors',
    'optimizer.safetensors',
    'trainer_state.json',
    'tokenizer.json',
    'more/state.json',
  );
  expect(paths(await modelFiles(folder))).toEqual(['model.safetensors', 'tokenizer.json']);
  expect(paths(await checkpointFiles(folder, 'last-checkpoint'))).toEqual([
    'last-checkpoint/model.safetensors',
    'last-checkpoint/more/state.json',
    'last-checkpoint/optimizer.safetensors',
    'last-checkpoint/tokenizer.json',
    'last-checkpoint/trainer_state.json',
  ]);
});

it('event files go along from inside the output folder, and from nowhere else', async () => {
  make('out/runs/one/events.out.tfevents.1', 'out/runs/one/2/events.out.tfevents.2', 'out/runs/one/other');
  make('out/README.md', 'elsewhere/events.out.tfevents.1');
  const out = join(folder, 'out');
  expect(paths(await reportFiles(out, join(out, 'runs', 'one')))).toEqual([
    'README.md',
    'runs/one/2/events.out.tfevents.2',
    'runs/one/events.out.tfevents.1',
  ]);
  expect(paths(await reportFiles(out, join(folder, 'elsewhere')))).toEqual(['README.md']);
  expect(paths(await reportFiles(out, join(out, 'runs', 'none')))).toEqual(['README.md']);
});

it('of any folder: all that is not hidden, and of checkpoints nothing but the model', async () => {
  make('model.safetensors', 'run.sh', '.gitignore', '.cache/x', '_draft', 'sub/_x/y', 'sub/z');
  make('checkpoint-5/config.json', 'earlier-1/checkpoint-5/config.json', 'optimizer.safetensors');
  expect(paths(await folderFiles(folder))).toEqual(['.gitignore', 'model.safetensors', 'run.sh', 'sub/z']);
  await expect(folderFiles(join(folder, 'none'))).rejects.toThrow(
    /cannot read .*none: no such file or folder/,
  );
});

it('an adapter takes the place of a model on the Hub, and a model that of an adapter', () => {
  const of = (...names: string[]) => staleFiles(names.map((path) => ({ path, from: path })));
  expect(of('config.json', 'model.safetensors')).toEqual([
    'adapter_model.safetensors',
    'adapter_config.json',
  ]);
  expect(of('adapter_model.safetensors', 'adapter_config.json')).toEqual([
    'model.safetensors',
    'model.safetensors.index.json',
  ]);
  expect(of('eval_results.json')).toEqual([]);
  expect(of('model.safetensors', 'adapter_config.json')).toEqual([]);
});

it('staged files stay what they were, event files that grow too, and go when they are released', async () => {
  make('model.safetensors', 'events.out.tfevents.1');
  const staged = await stageFiles(folder, await folderFiles(folder));
  writeFileSync(join(folder, 'events.out.tfevents.1'), 'more', { flag: 'a' });
  rmSync(join(folder, 'model.safetensors'));
  const contents = staged.files.map(({ path, from }) => [path, readFileSync(from, 'utf8')]);
  expect(Object.fromEntries(contents)).toEqual({
    'model.safetensors': 'model.safetensors',
    'events.out.tfevents.1': 'events.out.tfevents.1',
  });
  await staged.release();
  expect(paths(await folderFiles(folder))).toEqual(['events.out.tfevents.1']);
  await expect(stageFiles(folder, [{ path: 'x', from: join(folder, 'none') }])).rejects.toThrow(
    /cannot copy .*none/,
  );
  expect(paths(await checkpointFiles(folder, 'a'))).toEqual(['a/events.out.tfevents.1']);
});
