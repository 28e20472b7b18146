// Models by their names on the Hub: which files come, from where they come the next time, and what people see.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SafetensorsFile } from '../../src/files/safetensors.js';
import type { StoredTensor } from '../../src/files/tensor.js';
import { writeTorchFile } from '../../src/files/torch-file.js';
import type { Progress } from '../../src/hub/index.js';
import { findModel, isModelFile } from '../../src/model/find.js';
import { Whisper } from '../../src/model/whisper.js';
import { makeDataset, makeModel, run, temporaryFolder, tone } from '../cli/fixtures.js';
import { type Files, type Hub, startHub } from '../helpers/hub-server.js';
import { wav } from '../helpers/wav.mjs';

const folder = temporaryFolder();
const at = (...path: string[]) => join(folder.path, ...path);
let files: Files;
let hub: Hub;

const filesOf = (path: string): Files =>
  Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name))]));
const snapshots = (id = 'some--whisper') => at('home', 'hub', `models--${id}`, 'snapshots');
const asked = () =>
  hub.requests.filter(({ path }) => path.includes('/resolve/')).map(({ path }) => path.split('/').at(-1));

beforeAll(async () => {
  await makeModel(at('model'));
  files = filesOf(at('model'));
});
afterAll(folder.remove);

beforeEach(async () => {
  rmSync(at('home'), { recursive: true, force: true });
  hub = await startHub({
    repositories: [
      {
        id: 'some/whisper',
        files: {
          ...files,
          'pytorch_model.bin': 'x',
          'flax_model.msgpack': 'x',
          'tf_model.h5': 'x',
          'runs/a': 'x',
        },
        revisions: { v1: { 'config.json': '{}' } },
        renamedFrom: ['some/older'],
      },
    ],
  });
  for (const [name, value] of Object.entries(hub.environment(at('home')))) vi.stubEnv(name, value);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});

/** What a model says of a tone. */
async function heard(open: Promise<Whisper>): Promise<string> {
  const model = await open;
  try {
    const [{ text } = { text: '' }] = await model.generate([tone(1)], { maxLength: 8 });
    return text;
  } finally {
    await model.dispose();
  }
}

describe('fromPretrained', () => {
  it('downloads what it needs and nothing else, once', async () => {
    const told: Progress[] = [];
    const options = { onProgress: (progress: Progress) => told.push(progress) };
    expect(await heard(Whisper.fromPretrained('some/whisper', options))).toBe(
      await heard(Whisper.fromPretrained(at('model'))),
    );
    expect(asked().sort()).toEqual(Object.keys(files).sort());
    const total = Object.values(files).reduce((sum, content) => sum + content.length, 0);
    expect(told.at(-1)).toMatchObject({ bytes: total, total });
    const before = asked().length;
    await heard(Whisper.fromPretrained('some/whisper'));
    expect(asked()).toHaveLength(before);
  });

  it('finds the model in the cache offline, and when the server is gone', async () => {
    await heard(Whisper.fromPretrained('some/whisper'));
    const notices: string[] = [];
    hub.faults.push({ kind: 'refuse', on: /./, times: 99 });
    await heard(Whisper.fromPretrained('some/whisper', { onNotice: (line) => notices.push(line) }));
    expect(notices).toEqual([
      expect.stringMatching(
        /^cannot find the model some\/whisper: .* \(tried 2 times\): using what the cache has of main/,
      ),
    ]);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const before = hub.requests.length;
    await heard(Whisper.fromPretrained('some/whisper'));
    expect(hub.requests).toHaveLength(before);
  });

  it('takes a folder of that name before the Hub', async () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder.path);
    mkdirSync(at('some'), { recursive: true });
    cpSync(at('model'), at('some', 'whisper'), { recursive: true });
    await heard(Whisper.fromPretrained(at('some', 'whisper')));
    expect(hub.requests).toEqual([]);
    rmSync(at('some'), { recursive: true });
  });

  describe('where there is nothing else, reads', () => {
    /** The model without its weights, and these instead. */
    const publish = (weights: Files) => {
      const { 'model.safetensors': _, ...rest } = files;
      hub.add({ id: 'some/old', files: { ...rest, ...weights } });
    };

    /** What torch.save makes of some of the weights. */
    async function pickled(wanted: (name: string, at: number) => boolean): Promise<[string[], Buffer]> {
      const source = await SafetensorsFile.open(at('model', 'model.safetensors'));
      const tensors = new Map<string, StoredTensor>(
        [...source.tensors].filter(([name], i) => wanted(name, i)),
      );
      const embedding = tensors.get('model.decoder.embed_tokens.weight');
      if (embedding) tensors.set('proj_out.weight', embedding);
      await writeTorchFile(at('pytorch_model.bin'), tensors);
      await source.close();
      return [[...tensors.keys()], readFileSync(at('pytorch_model.bin'))];
    }

    async function hears(): Promise<void> {
      const notices: string[] = [];
      const open = Whisper.fromPretrained('some/old', { onNotice: (line) => notices.push(line) });
      expect(await heard(open)).toBe(await heard(Whisper.fromPretrained(at('model'))));
      expect(notices).toEqual([
        expect.stringMatching(/^converting pytorch_model\.bin of .*: it has no model\.safetensors$/),
      ]);
      expect(readdirSync(at('home', 'whisper-tune'))).toEqual([]);
    }

    it('pytorch_model.bin', async () => {
      const [, whole] = await pickled(() => true);
      publish({ 'pytorch_model.bin': whole });
      await hears();
    });

    it('its shards', async () => {
      const shards = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
      const weights: Record<string, Buffer> = {};
      const map: Record<string, string> = {};
      for (const [part, shard] of shards.entries()) {
        const [names, bytes] = await pickled((_, i) => i % 2 === part);
        weights[shard] = bytes;
        for (const name of names) map[name] = shard;
      }
      publish({ ...weights, 'pytorch_model.bin.index.json': JSON.stringify({ weight_map: map }) });
      await hears();
    });
  });

  it('says so where there are no weights', async () => {
    const { 'model.safetensors': _, ...rest } = files;
    hub.add({ id: 'some/empty', files: { ...rest, 'tf_model.h5': 'x' } });
    await expect(Whisper.fromPretrained('some/empty')).rejects.toThrow(
      /^cannot open model some\/empty: it has no model\.safetensors or pytorch_model\.bin that can be read$/,
    );
  });

  it('says so where the cache has no weights offline', async () => {
    await findModel('some/whisper', 'configuration');
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    await expect(Whisper.fromPretrained('some/whisper')).rejects.toThrow(
      /^cannot open model some\/whisper: it has no model\.safetensors or pytorch_model\.bin in the cache, and the Hub is not asked offline$/,
    );
  });
});

describe('fromConfig', () => {
  it('downloads no weights', async () => {
    await heard(Whisper.fromConfig('some/whisper', { initialisation: 'fan_in' }));
    expect(asked()).not.toContain('model.safetensors');
    expect(asked()).toContain('config.json');
  });
});

describe('a name', () => {
  it('may have a revision', async () => {
    const { refs } = hub.repository('some/whisper');
    const v1 = join(snapshots(), refs.get('v1')!);
    expect(await findModel('some/whisper@v1', 'configuration')).toBe(v1);
    expect(await findModel('some/whisper', 'configuration', { revision: 'v1' })).toBe(v1);
    expect(readFileSync(join(v1, 'config.json'), 'utf8')).toBe('{}');
  });

  it('may be an earlier one of the repository', async () => {
    const notices: string[] = [];
    await findModel('some/older', 'configuration', { onNotice: (line) => notices.push(line) });
    expect(notices).toEqual(['the model some/older is now called some/whisper']);
    expect(readdirSync(snapshots('some--older'))).toHaveLength(1);
  });

  it.each([
    [
      'some/wisper',
      /^cannot open model some\/wisper: there is no such folder, and http:\S+ shows no model of that name without a token: check the name; for a private one give a token as HF_TOKEN, /,
    ],
    ['openai/Whisper-Tiny', /; did you mean openai\/whisper-tiny\?$/],
    ['small', /^cannot open model small: no such file or folder; did you mean openai\/whisper-small\?$/],
    ['distil-large-v2', /; did you mean distil-whisper\/distil-large-v2\?$/],
    [
      'some/whisper@v2',
      /^cannot open model some\/whisper@v2: .*the model some\/whisper has no revision "v2"/,
    ],
    ['./some/whisper', /^cannot open model \.\/some\/whisper: no such file or folder$/],
  ])('%s is told to be wrong', async (name, message) => {
    await expect(findModel(name, 'weights')).rejects.toThrow(message);
  });
});

it.each<[string, string[], string[]]>([
  [
    'safetensors',
    ['model.safetensors', 'pytorch_model.bin', 'model.fp32.safetensors'],
    ['model.safetensors'],
  ],
  [
    'shards',
    [
      'model.safetensors.index.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'pytorch_model.bin',
      'model.fp32-00001-of-00002.safetensors',
    ],
    ['model.safetensors.index.json', 'model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'],
  ],
  [
    'shards of torch.save',
    ['pytorch_model.bin.index.json', 'pytorch_model-00001-of-00001.bin', 'flax_model.msgpack'],
    ['pytorch_model.bin.index.json', 'pytorch_model-00001-of-00001.bin'],
  ],
])('of weights in %s only these are needed', (_, paths, needed) => {
  const all = new Set([...paths, 'config.json', 'optimizer.pt', 'checkpoint-1/model.safetensors']);
  expect([...all].filter((path) => isModelFile(path, all, true))).toEqual([...needed, 'config.json']);
  expect([...all].filter((path) => isModelFile(path, all, false))).toEqual(['config.json']);
});

describe('the command line', () => {
  it('transcribes by a model of the Hub, with nothing but the result on stdout', async () => {
    writeFileSync(at('red.wav'), wav(tone(1)));
    const { code, out, err } = await run('transcribe', at('red.wav'), '--model_id=some/whisper', '--json');
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toHaveProperty('text');
  });

  it('trains from a revision of a model of the Hub, kept in the folder that --cache_dir says', async () => {
    hub.repository('some/whisper').commit(files, { revision: 'v2', from: new Map() });
    makeDataset(at('data'), 4, 1);
    const { code, err } = await run(
      ...['train', '--model_name_or_path=some/whisper', '--model_revision=v2', `--cache_dir=${at('cache')}`],
      ...[`--dataset_name=${at('data')}`, `--output_dir=${at('out')}`, '--language=en', '--do_train'],
      ...['--max_steps=1', '--per_device_train_batch_size=2', '--report_to=none'],
    );
    expect(code, err).toBe(0);
    const commit = hub.repository('some/whisper').refs.get('v2')!;
    const cached = at('cache', 'models--some--whisper', 'snapshots', commit, 'model.safetensors');
    expect(readFileSync(cached)).toEqual(files['model.safetensors']);
    expect(readdirSync(at('out'))).toContain('model.safetensors');
  });

  it('refuses --use_auth_token without a token', async () => {
    const { code, err } = await run('transcribe', 'x.wav', '--model_id=some/whisper', '--use_auth_token');
    expect({ code, err: err.trim() }).toEqual({
      code: 2,
      err: 'error: --use_auth_token: there is no token: give one as HF_TOKEN, by --token, or with "hf auth login"',
    });
  });

  it('plans with the configuration alone', async () => {
    const { code, err } = await run('plan', 'some/whisper', '--json');
    expect(code, err).toBe(0);
    expect(asked()).not.toContain('model.safetensors');
  });
});
