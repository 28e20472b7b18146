// What the Hub refuses: one line each, with what to do.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  downloadFiles,
  HubError,
  type HubSettings,
  listFiles,
  openHubFile,
  type Repository,
  resolveRepository,
} from '../../src/hub/index.js';
import { temporaryFolder } from '../cli/fixtures.js';
import { type Fault, type Hub, READ_TOKEN, startHub } from '../helpers/hub-server.js';

const folder = temporaryFolder();
afterAll(folder.remove);

let hub: Hub;
beforeEach(async () => {
  const files = { 'config.json': '{}', 'model.safetensors': 'weights' };
  hub = await startHub({
    repositories: [
      { id: 'some/model', files, revisions: { v1: files } },
      { id: 'other/secret', files, private: true },
      { id: 'other/gated', files, gated: true },
      { id: 'other/gated', type: 'dataset', files, gated: true },
      { id: 'tester/gated', files, gated: true, granted: [] },
    ],
    users: { hf_reader: { name: 'reader', role: 'read' } },
    storageHost: 'localhost',
  });
});
afterEach(() => hub.close());

const model = (id: string, revision?: string): Repository => ({
  type: 'model',
  id,
  ...(revision === undefined ? {} : { revision }),
});
const download = (repository: Repository, more: Partial<HubSettings> = {}) =>
  downloadFiles(repository, () => true, hub.settings(folder.path, more));

const NO_TOKEN = 'give a token as HF_TOKEN, by --token, or with "hf auth login"';
const HOST = 'http://127\\.0\\.0\\.1:\\d+';

const refused: [string, Repository, Partial<HubSettings>, string][] = [
  [
    'a name that is not there',
    model('no/model'),
    {},
    `^cannot find the model no/model: ${HOST} shows no model of that name without a token: check the name; for a private one ${NO_TOKEN}$`,
  ],
  [
    'a name that is not there, with a token',
    model('no/model'),
    { token: READ_TOKEN },
    `^cannot find the model no/model: ${HOST} shows no model of that name to the owner of the token: check the name$`,
  ],
  ['a private one', model('other/secret'), {}, 'shows no model of that name without a token'],
  [
    'a data set',
    { type: 'dataset', id: 'some/model' },
    {},
    '^cannot find the data set some/model: .* shows no data set of that name',
  ],
  [
    'a token that is none',
    model('some/model'),
    { token: 'hf_wrong' },
    `^cannot find the model some/model: the Hub does not know the token: make one at ${HOST}/settings/tokens and give it as HF_TOKEN, by --token, or with "hf auth login"$`,
  ],
  [
    'a gated one without a token',
    model('other/gated'),
    {},
    `: the model other/gated is gated: accept its conditions at ${HOST}/other/gated, and ${NO_TOKEN}$`,
  ],
  [
    'a gated one whose conditions are not accepted',
    { type: 'dataset', id: 'other/gated' },
    { token: 'hf_reader' },
    `: the data set other/gated is gated: accept its conditions at ${HOST}/datasets/other/gated as the owner of the token$`,
  ],
  [
    'a revision that is not there',
    model('some/model', 'v2'),
    {},
    '^cannot find the model some/model: the model some/model has no revision "v2"; it has: main, v1$',
  ],
  [
    'what is not in the cache offline',
    model('some/model'),
    { offline: true },
    '^cannot find the model some/model \\(main\\): offline mode is on \\(HF_HUB_OFFLINE\\), and \\S+ does not have it$',
  ],
];

describe('one line tells of', () => {
  it.each(refused)('%s', async (_, repository, more, message) => {
    const error = await download(repository, more).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(HubError);
    expect((error as HubError).code).toBe('ERR_HUB');
    expect((error as HubError).message).toMatch(new RegExp(message));
    expect((error as HubError).message).not.toContain('\n');
  });

  const faults: [string, Fault, string, number][] = [
    [
      'a server that fails',
      { kind: 'status', status: 503, on: /./, times: 99 },
      'answered 503 \\(tried 5 times\\)$',
      5,
    ],
    [
      'too many requests',
      { kind: 'status', status: 429, retryAfter: 0, on: /./, times: 99 },
      'answered 429 \\(tried 5 times\\)$',
      5,
    ],
    [
      'a connection that breaks',
      { kind: 'refuse', on: /./, times: 99 },
      '(broke off|was reset) \\(tried 5 times\\)$',
      5,
    ],
    [
      'what is asked wrongly, at once',
      { kind: 'status', status: 400, on: /./, times: 99 },
      'answered 400: a fault of status 400$',
      1,
    ],
    [
      'an answer that is cut short',
      { kind: 'truncate', after: 5, on: /./, times: 99 },
      'the answer was cut short \\(tried 5 times\\)$',
      5,
    ],
  ];
  it.each(faults)('%s', async (_, fault, message, requests) => {
    hub.faults.push(fault);
    await expect(download(model('some/model'))).rejects.toThrow(
      new RegExp(`^cannot find the model some/model: .*${message}`),
    );
    expect(hub.requests).toHaveLength(requests);
  });

  it('a server that says nothing', async () => {
    hub.faults.push({ kind: 'stall', after: 10, on: /./, times: 99 });
    const retries = { attempts: 2, wait: 0, stall: 50 };
    await expect(download(model('some/model'), { retries })).rejects.toThrow(
      /^cannot find the model some\/model: no byte came for 0\.05 s \(tried 2 times\)$/,
    );
  });
});

describe('a wait', () => {
  /** What is told of a first wait, which is then not waited for. */
  async function firstNotice(fault: Fault, wait: number): Promise<string> {
    hub.faults.push(fault);
    const stop = new AbortController();
    let told = '';
    const settings = hub.settings(folder.path, {
      retries: { attempts: 3, wait, stall: 10_000 },
      notice: (line) => {
        told = line;
        stop.abort();
      },
    });
    const download = downloadFiles(model('some/model'), () => true, settings, { signal: stop.signal });
    await expect(download).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    expect(hub.requests).toHaveLength(1);
    return told;
  }

  it('is as long as the server asks', async () => {
    const fault: Fault = { kind: 'status', status: 429, retryAfter: 77, on: /./ };
    expect(await firstNotice(fault, 0)).toMatch(
      /^cannot find the model some\/model: \S+ answered 429; trying again in 77 s$/,
    );
  });

  it('is as long as the date says that the server asks for', async () => {
    const retryAfter = new Date(Date.now() + 100_000).toUTCString();
    const told = await firstNotice({ kind: 'status', status: 503, retryAfter, on: /./ }, 0);
    expect(Number(/again in (\d+) s$/.exec(told)![1])).toBeGreaterThan(60);
  });

  it('is between half and all of the first one', async () => {
    const told = await firstNotice({ kind: 'refuse', on: /./ }, 20_000);
    expect(Number(/again in (\d+) s$/.exec(told)![1])).toBeGreaterThanOrEqual(10);
    expect(Number(/again in (\d+) s$/.exec(told)![1])).toBeLessThanOrEqual(20);
  });
});

describe('a file', () => {
  const open = async (path: string, more = {}) => {
    const settings = hub.settings(`${folder.path}/none`);
    const { repository } = await resolveRepository(model('some/model'), settings);
    const files = await listFiles(repository, settings);
    const file = { ...files.find((file) => file.path === 'model.safetensors')!, path, ...more };
    return openHubFile(repository, file, settings);
  };

  it('that is not there is told of', async () => {
    const file = await open('weights.safetensors');
    await expect(file.read(0, 1)).rejects.toThrow(
      /^cannot read weights\.safetensors of the model some\/model: the model some\/model has no file weights\.safetensors$/,
    );
  });

  it('that is another one every time is never read', async () => {
    const file = await open('model.safetensors', { etag: 'f'.repeat(64) });
    await expect(file.read(0, 1)).rejects.toThrow(
      /: it has changed while it was read \(ETag [0-9a-f]{64}, expected f{64}\) \(tried 5 times\)$/,
    );
  });

  it('is read no further when that is cancelled', async () => {
    const settings = hub.settings(`${folder.path}/none`);
    const { repository } = await resolveRepository(model('some/model'), settings);
    const files = await listFiles(repository, settings);
    const stop = new AbortController();
    const found = files.find(({ path }) => path === 'model.safetensors')!;
    const file = await openHubFile(repository, found, settings, { signal: stop.signal });
    hub.faults.push({ kind: 'stall', after: 3 });
    const read = file.read(0, 7);
    setImmediate(() => stop.abort());
    await expect(read).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    await expect(file.read(0, 7)).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
  });

  it('that is shorter than the Hub said is told of', async () => {
    const file = await open('model.safetensors', { size: 100 });
    await expect(file.read(50, 100)).rejects.toThrow(/: the file is shorter than the Hub says it is$/);
  });
});

it('the token goes to the Hub alone', async () => {
  await download(model('some/model'), { token: READ_TOKEN });
  const given = hub.requests.map(({ path, authorization }) => [path.startsWith('/storage/'), authorization]);
  expect(given).toContainEqual([true, undefined]);
  expect(given).toContainEqual([false, `Bearer ${READ_TOKEN}`]);
  expect(given).not.toContainEqual([true, `Bearer ${READ_TOKEN}`]);
  expect(given).not.toContainEqual([false, undefined]);
});
