// Downloads into the cache, and reads by ranges: whole and right whatever the line does.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  downloadFiles,
  type HubFile,
  listFiles,
  openHubFile,
  resolveRepository,
} from '../../src/hub/index.js';
import { type Fault, type Hub, startHub } from '../helpers/hub-server.js';

const noise = (length: number) =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * i * 31 + 7 * i) >> 3));
const weights = noise(300_000);
const model = { type: 'model', id: 'some/model' } as const;
const STORAGE = /^GET \/storage\//;

let hub: Hub;
let cache: string;

beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'whisper-tune-hub-'));
  const files = { 'config.json': '{"a": 1}', 'model.safetensors': weights, 'more/x.txt': 'x' };
  hub = await startHub({ repositories: [{ id: 'some/model', files }] });
});

afterEach(async () => {
  await hub.close();
  rmSync(cache, { recursive: true, force: true });
});

const download = (more = {}) =>
  downloadFiles(model, (path) => path !== '.gitattributes', hub.settings(cache), more);
const blobs = () => readdirSync(join(cache, 'models--some--model', 'blobs'));
const asked = (pattern: RegExp) =>
  hub.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`));

/** Every fault there is, and a few of them one after the other. */
const faults: Record<string, Fault[]> = {
  'a refused connection': [{ kind: 'refuse' }],
  'a dropped connection': [{ kind: 'drop', after: 70_000, on: STORAGE, times: 3 }],
  'a body that ends early': [{ kind: 'truncate', after: 1000, on: STORAGE }],
  'a slow trickle': [{ kind: 'trickle', bytes: 9999, on: STORAGE }],
  'too many requests': [{ kind: 'status', status: 429, retryAfter: 0, times: 2 }],
  'an error of the server': [
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503, on: STORAGE },
  ],
  'a changed ETag': [{ kind: 'etag', on: /resolve/ }],
  'an expired address': [{ kind: 'status', status: 403, on: STORAGE }],
  several: [
    { kind: 'drop', after: 1, on: STORAGE },
    { kind: 'status', status: 502, on: STORAGE },
    { kind: 'truncate', after: 0, on: STORAGE },
  ],
};

describe('a download', () => {
  it('has the layout of Python’s cache', async () => {
    const folder = await download();
    const { id } = hub.repository('some/model').commits[0]!;
    expect(folder).toBe(join(cache, 'models--some--model', 'snapshots', id));
    expect(readFileSync(join(folder, '..', '..', 'refs', 'main'), 'utf8')).toBe(id);
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors', 'more']);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readlinkSync(join(folder, 'more', 'x.txt'))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(readlinkSync(join(folder, 'model.safetensors'))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
  });

  it.each(Object.entries(faults))('survives %s', async (_, plan) => {
    hub.faults.push(...structuredClone(plan));
    const folder = await download();
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('{"a": 1}');
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
    expect(hub.faults.map(({ times }) => times)).toEqual(hub.faults.map(() => 0));
  });
});

describe('a read by ranges', () => {
  async function open() {
    const settings = hub.settings(cache);
    const { repository } = await resolveRepository(model, settings);
    const files = await listFiles(repository, settings);
    const file = files.find(({ path }) => path === 'model.safetensors') as HubFile;
    return openHubFile(repository, file, settings);
  }

  it.each(Object.entries(faults))('survives %s', async (_, plan) => {
    const file = await open();
    expect(file.size).toBe(weights.length);
    hub.faults.push(...structuredClone(plan));
    expect(Buffer.from(await file.read(100, 290_000)).equals(weights.subarray(100, 290_000))).toBe(true);
    expect(Buffer.from(await file.read(5, 6)).equals(weights.subarray(5, 6))).toBe(true);
    expect(hub.faults.map(({ times }) => times)).toEqual(hub.faults.map(() => 0));
  });

  it('asks the Hub once for the storage’s address', async () => {
    const file = await open();
    for (let at = 0; at < 5; at++) await file.read(at, at + 10);
    expect(asked(/resolve/)).toHaveLength(1);
    expect(asked(STORAGE).map(({ range }) => range)).toEqual(
      [0, 1, 2, 3, 4].map((at) => `bytes=${at}-${at + 9}`),
    );
  });
});
