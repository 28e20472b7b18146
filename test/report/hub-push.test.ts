// Pushing a run to the Hub: what goes there when, and that nothing of it stands in the way of training.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { fromIterable } from '../../src/data/index.js';
import { openListeners } from '../../src/report/listeners.js';
import type { TrainingEvent } from '../../src/train/events.js';
import { resolveOptions } from '../../src/train/option.js';
import { pushOptions } from '../../src/train/options/hub.js';
import { reportOptions } from '../../src/train/options/reports.js';
import { Trainer, type TrainerOptions } from '../../src/train/trainer.js';
import { type Hub, type HubRepository, READ_TOKEN, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';
import { fakeWhisper, rows } from '../train/fake-model.js';

/** What every push waits for before it begins. */
const gate = vi.hoisted(() => ({ opened: Promise.resolve() }));
vi.mock('../../src/hub/index.js', async (original) => {
  const real = await original<typeof import('../../src/hub/index.js')>();
  const pushFiles: typeof real.pushFiles = (...given) => gate.opened.then(() => real.pushFiles(...given));
  return { ...real, pushFiles };
});

let hub: Hub;
let home: string;
let outputDir: string;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hub-push-'));
  outputDir = join(home, 'tuned');
  hub = await startHub();
  environment(WRITE_TOKEN);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(home, { recursive: true, force: true });
});

function environment(token: string): void {
  for (const [name, value] of Object.entries(hub.environment(home, token))) vi.stubEnv(name, value);
}

interface Pushing extends Partial<TrainerOptions> {
  hub?: Record<string, unknown>;
  /** Before the listeners are told. */
  onEvent?: (event: TrainingEvent) => void;
  /** After they are. */
  onSave?: (step: number) => void;
}

/** Trains eight updates with checkpoints at the fourth and the last, as the train command does, and returns what it said. */
async function train({
  hub = {},
  onEvent,
  onSave,
  ...more
}: Pushing = {}): Promise<{ said: string[]; weights: number[] }> {
  const { model, native } = await fakeWhisper();
  const trainer = new Trainer(model, {
    outputDir,
    trainDataset: fromIterable(rows(10)),
    perDeviceTrainBatchSize: 2,
    maxSteps: 8,
    saveSteps: 4,
    loggingSteps: 2,
    learningRate: 0.1,
    shuffleBufferSize: 4,
    language: 'en',
    ...more,
  });
  let text = '';
  const values = {
    ...resolveOptions(reportOptions, {}),
    ...resolveOptions(pushOptions, { push_to_hub: true, hub_always_push: true, ...hub }),
    modelNameOrPath: 'openai/whisper-tiny',
    datasetName: 'somebody/clips',
    trainSplitName: 'train',
    evalSplitName: 'test',
  };
  const definitions = { ...reportOptions, ...pushOptions };
  const listener = await openListeners({ trainer, definitions, values }, { err: (more) => (text += more) });
  try {
    for await (const event of trainer.train()) {
      onEvent?.(event);
      await listener.tell(event);
      if (event.type === 'save') onSave?.(event.step);
    }
    await model.savePretrained(outputDir);
    await listener.tell({ type: 'written', path: outputDir });
    await listener.tell({ type: 'finish' });
  } finally {
    await listener.close();
  }
  return { said: text.trimEnd().split('\n'), weights: native.weights };
}

const repository = (): HubRepository => hub.repository('tester/tuned');
const titles = () =>
  repository()
    .commits.map(({ title }) => title)
    .filter((title) => title !== 'initial commit');
const STEPS = [4, 8].map((step) => `Training in progress, step ${step}`);
/** What makes a model, with the report of the run. */
const MODEL_FILES = [
  '.gitattributes',
  '.gitignore',
  'README.md',
  'added_tokens.json',
  'config.json',
  'generation_config.json',
  'merges.txt',
  'model.safetensors',
  'normalizer.json',
  'preprocessor_config.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'training_args.json',
  'vocab.json',
];
const files = (at = repository().commits.length - 1) => [...repository().commits[at]!.files.keys()].sort();
const weightsAt = (title: string) =>
  JSON.parse(
    repository()
      .commits.find((commit) => commit.title === title)!
      .files.get('model.safetensors')!
      .bytes.toString(),
  );

describe('a strategy', () => {
  it('every_save pushes the model and the report at checkpoints and at the end, never what only resuming needs', async () => {
    const { said, weights } = await train();
    expect(said[0]).toBe(`the model will be pushed to ${hub.url}/tester/tuned`);
    expect(titles()).toEqual([...STEPS, 'Model save', 'End of training']);
    const there = files();
    expect(there.filter((path) => !path.startsWith('runs/'))).toEqual(
      [...MODEL_FILES, 'trainer_state.json'].sort(),
    );
    expect(there.filter((path) => /^runs\/.*tfevents/.test(path))).toHaveLength(2);
    expect(repository().read('.gitignore')!.toString()).toBe('checkpoint-*/\n');
    expect(repository().read('README.md')!.toString()).toContain('openai/whisper-tiny');
    expect(weightsAt('End of training')).toEqual(weights);
    expect(said).toContain(`pushed the end of training to ${hub.url}/tester/tuned`);
    expect(readdirSync(outputDir).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('end pushes nothing before the end', async () => {
    await train({ hub: { hub_strategy: 'end' } });
    expect(titles()).toEqual(['Model save', 'End of training']);
  });

  it('all_checkpoints pushes all of each, optimizer included', async () => {
    await train({ hub: { hub_strategy: 'all_checkpoints' } });
    const folders = files().filter((path) => path.endsWith('/optimizer.safetensors'));
    expect(folders).toEqual(['checkpoint-4/optimizer.safetensors', 'checkpoint-8/optimizer.safetensors']);
  });

  it('checkpoint pushes what a pulled copy goes on from, to the very same weights', async () => {
    const { weights } = await train();
    rmSync(outputDir, { recursive: true });
    const stop = new AbortController();
    await train({
      hub: { hub_strategy: 'checkpoint', hub_model_id: 'half' },
      signal: stop.signal,
      onSave: (step) => step === 4 && stop.abort(),
    }).catch(() => {});
    const half = hub.repository('tester/half');
    rmSync(outputDir, { recursive: true });
    for (const path of half.paths.filter((path) => path.startsWith('last-checkpoint/'))) {
      mkdirSync(dirname(join(home, 'pulled', path)), { recursive: true });
      writeFileSync(join(home, 'pulled', path), half.read(path)!);
    }
    const again = await train({
      hub: { push_to_hub: false },
      resumeFromCheckpoint: join(home, 'pulled', 'last-checkpoint'),
    });
    expect(again.said[0]).toContain('updates 5 to 8, resumed from');
    expect(again.weights).toEqual(weights);
  });

  it('names the pass where checkpoints are of passes', async () => {
    await train({ saveStrategy: 'epoch', maxSteps: -1, numTrainEpochs: 2 });
    expect(titles().slice(0, 2)).toEqual(['Training in progress, epoch 1', 'Training in progress, epoch 2']);
  });
});

describe('a push', () => {
  it('has its checkpoint’s weights, also of one that is deleted meanwhile', async () => {
    const kept = await train({ hub: { hub_strategy: 'all_checkpoints' } });
    const whole = STEPS.map(weightsAt);
    hub.repositories.clear();
    rmSync(outputDir, { recursive: true });
    const rotated = await train({
      saveTotalLimit: 1,
      // Gone before the push, which is in the background, can have read it.
      onSave: (step) => rmSync(join(outputDir, `checkpoint-${step}`), { recursive: true }),
    });
    expect(rotated.weights).toEqual(kept.weights);
    expect(STEPS.map(weightsAt)).toEqual(whole);
    expect(new Set(whole.map(String)).size).toBe(2);
  });

  it('is left out while the one before goes on, unless hub_always_push asks for it', async () => {
    let open = (): void => {};
    gate.opened = new Promise((resolve) => {
      open = resolve;
    });
    const { said } = await train({
      hub: { hub_always_push: false },
      onSave: (step) => step === 8 && setImmediate(open),
    });
    expect(said).toContain('update 8 is not pushed, as the push before it goes on');
    expect(titles()).toEqual([STEPS[0], 'Model save', 'End of training']);
  });

  it('that fails is said, and the next one brings what it had', async () => {
    hub.faults.push({ kind: 'status', status: 500, on: /POST .*\/commit\//, times: 8 });
    const { said } = await train();
    expect(said).toContainEqual(expect.stringMatching(/^update 4 is not on the Hub: .* 500/));
    expect(titles()).toEqual([...STEPS.slice(1), 'Model save', 'End of training']);
    expect(said.join('\n')).not.toContain('by hand');
  });

  it('of a checkpoint that is gone already is said, and the next one comes', async () => {
    const { said } = await train({
      onEvent: (event) => {
        if (event.type === 'save' && event.step === 4) rmSync(event.path, { recursive: true });
      },
    });
    expect(said).toContainEqual(
      expect.stringMatching(/^update 4 is not on the Hub: cannot read .*checkpoint-4/),
    );
    expect(titles()).toEqual([STEPS[1], 'Model save', 'End of training']);
  });

  it('that never succeeds does not stop training, and the end says how to push by hand', async () => {
    hub.faults.push({ kind: 'status', status: 500, on: /POST .*\/commit\//, times: 1000 });
    const { said } = await train({ hub: { hub_strategy: 'end' } });
    expect(said.at(-1)).toBe(
      `the Hub does not have the end of training; by hand: whisper-tune push ${outputDir} --hub_model_id=tuned`,
    );
    expect(existsSync(join(outputDir, 'model.safetensors'))).toBe(true);
  });
});

describe('before training', () => {
  it.each([
    [
      'a token that may only read',
      READ_TOKEN,
      /^cannot push to the model tuned: the token may only read: make one/,
    ],
    ['a token that nobody knows', 'hf_nobody', /the Hub does not know the token/],
  ])('%s ends the run', async (_, token, message) => {
    environment(token);
    await expect(train()).rejects.toThrow(message);
    expect(existsSync(outputDir)).toBe(false);
  });

  it('no token, offline mode, a wrong name and a branch that is not there end the run', async () => {
    environment('');
    await expect(train()).rejects.toThrow(/no token: make one with the right to write/);
    environment(WRITE_TOKEN);
    await expect(train({ hub: { hub_model_id: 'a/b/c' } })).rejects.toThrow(
      /--hub_model_id must be owner\/name/,
    );
    await expect(train({ hub: { hub_revision: 'nowhere' } })).rejects.toThrow(/no revision "nowhere"/);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    await expect(train()).rejects.toThrow(/offline mode is on/);
  });

  it('a Hub that is down is said, and training goes on', async () => {
    hub.faults.push({ kind: 'status', status: 503, on: /whoami/, times: 8 });
    const { said } = await train();
    expect(said[0]).toMatch(/503.*it is tried again when there is something to push$/);
    expect(titles()).toEqual([...STEPS, 'Model save', 'End of training']);
  });

  it('the owner may be an organization, and the repository private', async () => {
    hub.add({ id: 'club/other' });
    await hub.close();
    hub = await startHub({
      users: { [WRITE_TOKEN]: { name: 'tester', role: 'write', organizations: ['club'] } },
    });
    environment(WRITE_TOKEN);
    await train({
      hub: { push_to_hub_organization: 'club', hub_private_repo: true, hub_strategy: 'end' },
    });
    expect(hub.repository('club/tuned').private).toBe(true);
  });
});

describe('the push command', () => {
  const push = async (...args: string[]) => {
    let [out, err] = ['', ''];
    const code = await main(['push', ...args], {
      out: (text) => (out += text),
      err: (text) => (err += text),
    });
    return { code, out, err };
  };

  it('pushes what is in a folder, checkpoints and what is hidden left out', async () => {
    await train({ hub: { push_to_hub: false } });
    writeFileSync(join(outputDir, '.secret'), 'x');
    writeFileSync(join(outputDir, 'run.sh'), 'x');
    const { code, out } = await push(
      outputDir,
      '--hub_model_id',
      'tester/by-hand',
      '--message',
      'Here it is',
    );
    expect({ code, out }).toEqual({ code: 0, out: `${hub.url}/tester/by-hand\n` });
    const there = hub.repository('tester/by-hand').paths.filter((path) => !path.startsWith('runs/'));
    expect(there).toEqual(
      [...MODEL_FILES, 'run.sh', 'trainer_state.json'].filter((path) => path !== '.gitignore').sort(),
    );
    expect(hub.repository('tester/by-hand').commits.at(-1)!.title).toBe('Here it is');
  });

  it('of a checkpoint leaves out what only resuming needs', async () => {
    await train({ hub: { push_to_hub: false } });
    await push(join(outputDir, 'checkpoint-4'), '--hub_model_id', 'four');
    expect(hub.repository('tester/four').paths).not.toContain('optimizer.safetensors');
    expect(hub.repository('tester/four').paths).toContain('model.safetensors');
  });

  it('names a folder that is not there or has no model, and takes no links out of it', async () => {
    expect((await push(join(home, 'nowhere'))).err).toContain('no such file or folder');
    mkdirSync(outputDir);
    symlinkSync('/etc/passwd', join(outputDir, 'passwd'));
    expect(await push(outputDir)).toMatchObject({
      code: 1,
      err: expect.stringContaining('has nothing to push'),
    });
  });
});
