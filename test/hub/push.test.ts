// Pushes: small files and LFS, whole and in parts, and what the Hub says of those who may not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HubSettings, type Progress, type PushOptions, pushFiles, whoAmI } from '../../src/hub/index.js';
import { type Hub, READ_TOKEN, startHub, WRITE_TOKEN } from '../helpers/hub-server.js';

const weights = Buffer.from(Uint8Array.from({ length: 50_000 }, (_, i) => (i * i * 31 + 7 * i) >> 3));
const model = { type: 'model', id: 'tester/tuned' } as const;

let hub: Hub;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-push-'));
  writeFileSync(join(folder, 'config.json'), '{"a": 1}');
  writeFileSync(join(folder, 'model.safetensors'), weights);
  hub = await startHub({ partSize: 20_000 });
});

afterEach(async () => {
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

const settings = (more: Partial<HubSettings> = {}) =>
  hub.settings(join(folder, 'cache'), { token: WRITE_TOKEN, ...more });
const push = (more: Partial<PushOptions> = {}, other: Partial<HubSettings> = {}) =>
  pushFiles(
    model,
    ['config.json', 'model.safetensors'].map((path) => ({ path, from: join(folder, path) })),
    settings(other),
    { message: 'Training in progress, step 1', ...more },
  );
const asked = (pattern: RegExp) =>
  hub.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`));

describe('a push', () => {
  it('makes the repository, sends large files in parts, and says where it all is', async () => {
    const told: Progress[] = [];
    const { commit, url, id } = await push({ private: true, onProgress: (progress) => told.push(progress) });
    const repository = hub.repository('tester/tuned');
    expect({ id, url, commit }).toEqual({
      id: 'tester/tuned',
      url: `${hub.url}/tester/tuned`,
      commit: repository.refs.get('main'),
    });
    expect(repository.private).toBe(true);
    expect(repository.paths).toEqual(['.gitattributes', 'config.json', 'model.safetensors']);
    expect(repository.read('model.safetensors')!.equals(weights)).toBe(true);
    expect(repository.read('config.json')!.toString()).toBe('{"a": 1}');
    expect(repository.commits.at(-1)!.title).toBe('Training in progress, step 1');
    expect(asked(/^PUT/)).toHaveLength(3);
    expect(told.at(-1)).toMatchObject({ bytes: 50_008, total: 50_008 });
    const bytes = told.map((progress) => progress.bytes);
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
  });

  it('sends a file in LFS as a whole where it is small enough, and not again where it is there', async () => {
    hub.add({ id: 'tester/tuned', files: { 'other.txt': 'stays' } });
    writeFileSync(join(folder, 'model.safetensors'), weights.subarray(0, 10_000));
    await push();
    expect(asked(/^PUT/).map(({ path }) => path)).toEqual([
      expect.stringMatching(/^\/storage\/[0-9a-f]{64}$/),
    ]);
    await push({ message: 'again' });
    expect(asked(/^PUT/)).toHaveLength(1);
    expect(asked(/create/)).toEqual([]);
    const repository = hub.repository('tester/tuned');
    expect(repository.commits.map(({ title }) => title)).toEqual([
      'initial commit',
      'Training in progress, step 1',
      'again',
    ]);
    expect(repository.read('other.txt')!.toString()).toBe('stays');
    expect(repository.read('.gitattributes')).toBeDefined();
  });

  it('deletes what is there of what it should delete', async () => {
    hub.add({ id: 'tester/tuned', files: { 'old.bin': 'x', 'keep.txt': 'y' } });
    await push({ deletions: ['old.bin', 'never-was.bin'] });
    const paths = ['.gitattributes', 'config.json', 'keep.txt', 'model.safetensors'];
    expect(hub.repository('tester/tuned').paths).toEqual(paths);
  });

  it('fills in the owner, and follows a rename', async () => {
    const notices: string[] = [];
    hub.add({ id: 'tester/new-name', renamedFrom: ['tester/tuned'] });
    const from = join(folder, 'config.json');
    const { id } = await pushFiles(
      { type: 'model', id: 'tuned' },
      [{ path: 'config.json', from }],
      settings({ notice: (line) => notices.push(line) }),
      { message: 'x' },
    );
    expect(id).toBe('tester/new-name');
    expect(notices).toEqual(['the model tester/tuned is now called tester/new-name']);
    expect(hub.repository('tester/new-name').read('config.json')!.toString()).toBe('{"a": 1}');
  });

  it('is repeated where the line or the server fails', async () => {
    hub.faults.push(
      { kind: 'status', status: 429, retryAfter: 0, on: /preupload/ },
      { kind: 'status', status: 500, on: /^PUT .*\/2$/ },
      { kind: 'refuse', on: /^PUT .*\/3$/ },
      { kind: 'drop', after: 3, on: /batch/ },
      { kind: 'status', status: 503, on: /commit/ },
    );
    const told: Progress[] = [];
    await push({ onProgress: (progress) => told.push(progress) });
    expect(hub.faults.map(({ times }) => times)).toEqual([0, 0, 0, 0, 0]);
    expect(hub.repository('tester/tuned').read('model.safetensors')!.equals(weights)).toBe(true);
    expect(Math.max(...told.map(({ bytes }) => bytes))).toBe(50_008);
  });

  it('changes nothing where it fails', async () => {
    hub.add({ id: 'tester/tuned' });
    hub.faults.push({ kind: 'status', status: 500, on: /commit/, times: 99 });
    await expect(push()).rejects.toMatchObject({
      code: 'ERR_HUB',
      message: expect.stringMatching(
        /^cannot push to the model tester\/tuned: 127\.0\.0\.1:\d+ answered 500 \(tried 5 times\)$/,
      ),
    });
    expect(hub.repository('tester/tuned').commits).toHaveLength(1);
  });

  it('ends when it is cancelled', async () => {
    const stop = new AbortController();
    const cancel = push({ signal: stop.signal, onProgress: () => stop.abort() });
    await expect(cancel).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
  });
});

describe('one line says', () => {
  const refused: [string, Partial<HubSettings>, RegExp][] = [
    [
      'that the token may only read',
      { token: READ_TOKEN },
      /^cannot create the model tester\/tuned: the token may not write there \(You don't have the rights .*\): make one at http:\S+\/settings\/tokens with the right to write, and give it as HF_TOKEN, by --token, or with "hf auth login"$/,
    ],
    [
      'that the token is none',
      { token: 'hf_wrong' },
      /^cannot push to the model tester\/tuned: the Hub does not know the token: make one at http\S+ and give it/,
    ],
    ['that offline mode is on', { offline: true }, /: offline mode is on \(HF_HUB_OFFLINE\)$/],
    [
      'that the server is not there',
      { endpoint: 'http://127.0.0.1:9', retries: { attempts: 3, wait: 0, stall: 1000 } },
      /^cannot push to the model tester\/tuned: .* \(tried 3 times\)$/,
    ],
  ];
  it.each(refused)('%s', async (_, other, message) => {
    await expect(push({}, other)).rejects.toMatchObject({
      code: 'ERR_HUB',
      message: expect.stringMatching(message),
    });
  });

  it('that the token may only read, where there is a repository', async () => {
    hub.add({ id: 'tester/tuned' });
    const message = /^cannot push to the model tester\/tuned: the token may not write there \(Forbidden: /;
    await expect(push({}, { token: READ_TOKEN })).rejects.toThrow(message);
  });

  it('that there is no token', async () => {
    const { token: _, ...without } = settings();
    const from = join(folder, 'config.json');
    const push = pushFiles(model, [{ path: 'config.json', from }], without, { message: 'x' });
    await expect(push).rejects.toThrow(
      /^cannot push to the model tester\/tuned: no token: make one with the right/,
    );
    expect(hub.requests).toEqual([]);
  });

  it('which file is missing', async () => {
    rmSync(join(folder, 'config.json'));
    await expect(push()).rejects.toThrow(/^cannot push \S+config\.json: no such file or folder$/);
  });
});

it('whoAmI tells the name, the organizations and what the token may do', async () => {
  expect(await whoAmI(settings())).toEqual({ name: 'tester', organizations: [], role: 'write' });
  await expect(whoAmI(settings({ token: 'hf_wrong' }))).rejects.toThrow(/does not know the token/);
});
