// Downloads into the cache, and reads by ranges: whole and right whatever the line does.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  downloadFiles,
  type HubFile,
  listFiles,
  openHubFile,
  type Progress,
  resolveRepository,
} from '../../src/hub/index.js';
import type { StoredFile } from '../helpers/hub/repository.js';
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
  'another range': [{ kind: 'range', on: STORAGE }],
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

describe('a download that was there before', () => {
  it('asks for no byte again, also of a commit that shares files', async () => {
    await download();
    hub.repository('some/model').commit({ 'config.json': '{"a": 2}' });
    hub.requests.length = 0;
    const folder = await download();
    expect(asked(/resolve|storage/).map(({ path }) => path.split('/').at(-1))).toEqual(['config.json']);
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('{"a": 2}');
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readdirSync(join(folder, '..'))).toHaveLength(2);
  });

  it('is all there is offline', async () => {
    const folder = await download();
    hub.requests.length = 0;
    const offline = hub.settings(cache, { offline: true });
    expect(await downloadFiles(model, () => true, offline)).toBe(folder);
    const pinned = { ...model, revision: basename(folder) };
    expect(await downloadFiles(pinned, () => true, offline)).toBe(folder);
    const missing = downloadFiles(model, (path) => path === 'other.bin', offline);
    await expect(missing).rejects.toThrow(
      /^cannot find the files of the model some\/model: \S+ has none of those/,
    );
    const { repository } = await resolveRepository(model, offline);
    const etag = basename(readlinkSync(join(folder, 'model.safetensors')));
    const file = await openHubFile(
      repository,
      { path: 'model.safetensors', size: weights.length, etag },
      offline,
    );
    expect(Buffer.from(await file.read(7, 9)).equals(weights.subarray(7, 9))).toBe(true);
    await file.close();
    const other = { path: 'x', size: 1, etag: 'f'.repeat(40) };
    await expect(openHubFile(repository, other, offline)).rejects.toThrow(
      /^cannot read x of the model some\/model: offline/,
    );
    expect(hub.requests).toEqual([]);
  });

  it('stands in with a notice for a server that does not answer', async () => {
    const folder = await download();
    const notices: string[] = [];
    hub.faults.push({ kind: 'status', status: 500, on: /./, times: 99 });
    const settings = hub.settings(cache, { notice: (line) => notices.push(line) });
    expect(await downloadFiles(model, () => true, settings)).toBe(folder);
    expect(notices).toEqual([
      expect.stringMatching(
        /^cannot find the model some\/model: \S+ answered 500 \(tried 2 times\): using what the cache has of main, commit [0-9a-f]{7}$/,
      ),
    ]);
  });
});

describe('a download that broke off', () => {
  /** Ends a download after some bytes of the weights and returns what is left of it. */
  async function breakOff(): Promise<string> {
    hub.faults.push({ kind: 'drop', after: 100_000, on: STORAGE });
    hub.faults.push({ kind: 'status', status: 500, on: STORAGE, times: 4 });
    await expect(download()).rejects.toThrow(
      /^cannot read model\.safetensors of the model some\/model: .* \(tried 5 times\)$/,
    );
    hub.requests.length = 0;
    const left = blobs().filter((name) => name.endsWith('.incomplete'));
    expect(left).toEqual([expect.stringMatching(/^[0-9a-f]{64}\.[0-9a-f]{16}\.incomplete$/)]);
    const path = join(cache, 'models--some--model', 'blobs', left[0]!);
    const came = readFileSync(path);
    expect(came.length).toBeGreaterThan(0);
    expect(came.equals(weights.subarray(0, came.length))).toBe(true);
    // How much comes of a connection that breaks is chance.
    writeFileSync(path, weights.subarray(0, 100_000));
    return path;
  }
  const ranges = () => asked(STORAGE).map(({ range }) => range);

  it('goes on where it broke', async () => {
    await breakOff();
    const folder = await download();
    expect(ranges()).toEqual(['bytes=100000-299999']);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  it('goes on with what a process left that has ended, the longest there is', async () => {
    const left = await breakOff();
    const [etag] = basename(left).split('.') as [string];
    const at = (mark: string) => join(dirname(left), `${etag}${mark}.incomplete`);
    const host = basename(left).split('.')[1]!.slice(0, 4);
    const ended = spawnSync(process.execPath, ['-e', '']).pid.toString(16).padStart(8, '0');
    renameSync(left, at(`.${host}${ended}0000`));
    writeFileSync(at(`.${host}${ended}0001`), weights.subarray(0, 90_000));
    const folder = await download();
    expect(ranges()).toEqual(['bytes=100000-299999']);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });

  it('leaves alone what a living process writes, and what huggingface_hub may', async () => {
    const left = await breakOff();
    const [etag] = basename(left).split('.') as [string];
    const host = basename(left).split('.')[1]!.slice(0, 4);
    const alive = process.ppid.toString(16).padStart(8, '0');
    const names = [
      `${etag}.${host}${alive}0000.incomplete`,
      `${etag}.incomplete`,
      `${etag}.12345678.incomplete`,
    ];
    rmSync(left);
    for (const name of names) writeFileSync(join(dirname(left), name), weights.subarray(0, 50_000));
    await download();
    expect(ranges()).toEqual(['bytes=0-299999']);
    expect(
      blobs()
        .filter((name) => name.endsWith('.incomplete'))
        .sort(),
    ).toEqual(names.sort());
  });

  it('takes over an old etag.incomplete of huggingface_hub', async () => {
    const left = await breakOff();
    const plain = left.replace(/\.[0-9a-f]{16}\.incomplete$/, '.incomplete');
    renameSync(left, plain);
    utimesSync(plain, 0, 0);
    await download();
    expect(ranges()).toEqual(['bytes=100000-299999']);
  });

  it('begins anew where what is left is not the beginning of the file', async () => {
    const left = await breakOff();
    writeFileSync(left, Buffer.alloc(100_000, 1));
    const folder = await download();
    expect(ranges()).toEqual(['bytes=100000-299999', 'bytes=0-299999']);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
  });

  it('leaves the revision, offline, what it was before', async () => {
    const folder = await download();
    hub.repository('some/model').commit({ 'model.safetensors': weights.subarray(1) });
    hub.faults.push({ kind: 'status', status: 500, on: STORAGE, times: 99 });
    await expect(download()).rejects.toThrow(/answered 500/);
    const offline = hub.settings(cache, { offline: true });
    expect(await downloadFiles(model, () => true, offline)).toBe(folder);
  });

  it('is kept when it is cancelled, and its progress goes on from there', async () => {
    const stop = new AbortController();
    hub.faults.push({ kind: 'trickle', bytes: 10_000, on: STORAGE });
    const cancel = (progress: Progress) => {
      if (progress.path === 'model.safetensors' && progress.bytes > 100_000) stop.abort();
    };
    const cancelled = download({ signal: stop.signal, onProgress: cancel });
    await expect(cancelled).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    hub.requests.length = 0;
    const told: Progress[] = [];
    await download({ onProgress: (progress: Progress) => told.push(progress) });
    expect(Number(/^bytes=(\d+)-/.exec(ranges()[0]!)![1])).toBeGreaterThan(90_000);
    expect(told.at(-1)).toMatchObject({ bytes: 300_009, total: 300_009 });
    const bytes = told.map((progress) => progress.bytes);
    expect(bytes).toEqual([...bytes].sort((a, b) => a - b));
  });
});

describe('a wrong content', () => {
  it('is loaded again', async () => {
    hub.faults.push({ kind: 'corrupt', on: STORAGE }, { kind: 'corrupt', on: /resolve.*config/ });
    const folder = await download();
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe('{"a": 1}');
    expect(asked(STORAGE)).toHaveLength(2);
  });

  it('never gets the file’s name', async () => {
    hub.faults.push({ kind: 'corrupt', on: STORAGE, times: 99 });
    await expect(download()).rejects.toThrow(
      /^cannot download model\.safetensors of the model some\/model: its content has the checksum [0-9a-f]{64}, expected [0-9a-f]{64} \(tried 3 times\)$/,
    );
    expect(blobs().filter((name) => name.length >= 64)).toEqual([]);
  });
});

describe('at the same time', () => {
  it('two downloads of one process load a file once', async () => {
    const [a, b] = await Promise.all([download(), download()]);
    expect(a).toBe(b);
    expect(asked(STORAGE)).toHaveLength(1);
  });

  it('two processes load it each for themselves, and both have it whole', async () => {
    hub.faults.push({ kind: 'trickle', bytes: 20_000, on: STORAGE, times: 2 });
    const hubModule = new URL('../../dist/hub/index.js', import.meta.url);
    const script = `
      import { downloadFiles, hubSettings } from ${JSON.stringify(hubModule.href)};
      await downloadFiles({ type: 'model', id: 'some/model' }, () => true, hubSettings());`;
    const environment = { ...process.env, ...hub.environment(cache), HF_HUB_CACHE: cache };
    const start = () =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { env: environment, stdio: 'inherit' });
    const ends = await Promise.all([start(), start()].map((child) => once(child, 'exit')));
    expect(ends.map(([code]) => code)).toEqual([0, 0]);
    const folder = await download();
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(blobs().filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  });
});

it('pages of a long list of files are read to the end, and odd names too', async () => {
  await hub.close();
  const files = Object.fromEntries(['a b#?%.txt', 'ö/ü.txt', 'c', 'd', 'e'].map((name) => [name, name]));
  hub = await startHub({ repositories: [{ id: 'some/model', files }], pageSize: 2 });
  const folder = await download();
  for (const name of Object.keys(files)) expect(readFileSync(join(folder, name), 'utf8')).toBe(name);
});

it('a repository cannot write outside of its snapshot', async () => {
  hub.repository('some/model').commit({ '../../escape.txt': 'x' });
  await expect(download()).rejects.toThrow(/it names a file "\.\.\/\.\.\/escape\.txt" with the ETag "\w+"$/);
  const { commits } = hub.repository('some/model');
  const files = commits[0]!.files as Map<string, StoredFile>;
  files.set('x', { ...files.get('config.json')!, oid: '../../x' });
  const first = downloadFiles({ ...model, revision: commits[0]!.id }, () => true, hub.settings(cache));
  await expect(first).rejects.toThrow(/it names a file "x" with the ETag "\.\.\/\.\.\/x"$/);
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

  it('asks again for an address that has expired', async () => {
    const file = await open();
    await file.read(0, 10);
    hub.expire();
    expect(Buffer.from(await file.read(10, 20)).equals(weights.subarray(10, 20))).toBe(true);
    expect(asked(/resolve/)).toHaveLength(2);
    expect(asked(STORAGE).map(({ status }) => status)).toEqual([206, 403, 206]);
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
