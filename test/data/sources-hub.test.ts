// Data sets on the Hub, from a local server: every layout, every fault of the line, what is gone, and the cache on disk.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OpenDatasetOptions, openDataset } from '../../src/data/sources/index.js';
import { type Fault, type Files, type Hub, startHub } from '../helpers/hub-server.js';
import { type Entry, tarFile } from './archives.js';
import { folder } from './signal.js';
import { type Clip, checkCursors, clips, contents, parquetFile, read, texts, written } from './tables.js';

let hub: Hub;
let cacheDir: string;
let notices: string[];

beforeEach(async () => {
  hub = await startHub();
  cacheDir = folder();
  notices = [];
});
afterEach(() => hub.close());

function open(name: string, options: OpenDatasetOptions = {}) {
  const settings = hub.settings(join(cacheDir, 'hub'));
  const onNotice = (line: string) => notices.push(line);
  return openDataset(name, { hub: settings, cacheDir, onNotice, ...options });
}

const add = (id: string, files: Files, more: object = {}) => hub.add({ type: 'dataset', id, files, ...more });

const rows = clips(9);
const part = (from: number, to: number) => rows.slice(from, to);
const tsv = (clips: readonly Clip[]) =>
  ['path\tsentence', ...clips.map(({ path, text }) => `${path}\t${text}`)].join('\n');
const tar = (clips: readonly Clip[], withText = false) =>
  tarFile(
    clips.flatMap(({ path, bytes, text }): Entry[] => [
      [`x/${path}`, bytes!],
      ...(withText ? [[`x/${path!.replace('mp3', 'txt')}`, text!] as Entry] : []),
    ]),
  );

/** The same rows in every layout that is known. */
const layouts: Record<string, () => Promise<Files>> = {
  parquet: async () => ({
    'README.md': '# No configurations',
    'data/train-00000-of-00002.parquet': parquetFile(part(0, 5)),
    'data/train-00001-of-00002.parquet': parquetFile(part(5, 9), { codec: 'SNAPPY' }),
    'data/test-00000-of-00001.parquet': parquetFile(clips(1)),
  }),
  'parquet by README.md': async () => ({
    'README.md': '---\nconfigs:\n- config_name: es\n  data_files: [{split: train, path: "x/*"}]\n---\n',
    'x/1.parquet': parquetFile(part(0, 5)),
    'x/2.parquet': parquetFile(part(5, 9)),
  }),
  'shards of Common Voice': async () => ({
    'audio/es/train/es_train_0.tar': await tar(part(0, 4)),
    'audio/es/train/es_train_1.tar': await tar(part(4, 9)),
    'transcript/es/train.tsv': tsv(rows),
    'common_voice.py': 'import datasets',
  }),
  WebDataset: async () => ({
    'train-000000.tar': await tar(part(0, 2), true),
    'train-000001.tar': await tar(part(2, 9), true),
  }),
  'a folder of audio': async () => ({
    'es/train/metadata.jsonl': rows
      .map(({ path, text }) => JSON.stringify({ file_name: `clips/${path}`, text }))
      .join('\n'),
    ...Object.fromEntries(rows.map(({ path, bytes }) => [`es/train/clips/${path}`, bytes!])),
  }),
  'a folder of Common Voice': async () => ({
    'train.tsv': tsv(rows),
    ...Object.fromEntries(rows.map(({ path, bytes }) => [`clips/${path}`, bytes!])),
  }),
};

/** What a line can do. Each meets a request for a file's bytes; all are survived. */
const faults: Record<string, Fault[]> = {
  'a refused connection': [{ kind: 'refuse', times: 2 }],
  'a dropped connection': [{ kind: 'drop', after: 300, times: 3 }],
  'an early end': [{ kind: 'truncate', after: 500, skip: 1 }],
  'a slow line': [{ kind: 'trickle', bytes: 400, times: 3 }],
  'too many requests': [{ kind: 'status', status: 429, retryAfter: 0, times: 2 }],
  'errors of the server': [
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503, skip: 1 },
  ],
  'a changed ETag': [{ kind: 'etag', on: /resolve/ }],
  'an expired address': [{ kind: 'status', status: 403, on: /storage/ }],
  'all of them': [
    { kind: 'drop', after: 1 },
    { kind: 'status', status: 502, skip: 2 },
    { kind: 'truncate', after: 0, skip: 1 },
    { kind: 'refuse', skip: 3 },
  ],
};

describe('a data set on the Hub', () => {
  it.each(Object.entries(layouts))(
    'of %s gives its rows, from every cursor, at one commit',
    async (_, files) => {
      const repository = add('some/speech', await files());
      const source = await open('some/speech', { config: 'es', split: 'train' });
      expect(contents(await checkCursors(source))).toEqual(written(rows));
      expect(source.version).toBe(repository.commits[0]!.id);
      // What comes later is another version: this source reads on as it was.
      expect((await read(source)).length).toBe(9);
    },
  );

  it.each(
    Object.entries(faults).flatMap(([fault, plan]) =>
      ['parquet', 'shards of Common Voice', 'a folder of audio'].map(
        (layout) => [fault, layout, plan] as const,
      ),
    ),
  )('survives %s with %s: no row is lost or doubled', async (_, layout, plan) => {
    add('some/speech', await layouts[layout]!());
    hub.faults.push(...structuredClone(plan));
    const source = await open('some/speech', { config: 'es', split: 'train' });
    expect(contents(await read(source))).toEqual(written(rows));
    const notMet = hub.faults.filter(({ times, on }) => times !== 0 && on === undefined);
    expect(notMet).toEqual([]);
  });

  it('is read at the commit it was opened at, or at the one that is named', async () => {
    const repository = add('some/speech', { 'train.parquet': parquetFile(part(0, 2)) });
    const first = repository.commits[0]!.id;
    const source = await open('some/speech');
    repository.commit({ 'train.parquet': parquetFile(part(2, 5)) });
    expect(contents(await read(source))).toEqual(written(part(0, 2)));
    const later = await open('some/speech');
    expect(contents(await read(later))).toEqual(written(part(2, 5)));
    expect(later.version).not.toBe(first);
    expect(contents(await read(await open(`some/speech@${first}`)))).toEqual(written(part(0, 2)));
  });

  it('gives way to a folder of that name', async () => {
    const here = folder({ 'train.tsv': 'audio\ttext\na.wav\tmine' });
    add('some/speech', { 'train.parquet': parquetFile(rows) });
    expect(await texts(await open(here, { split: 'train' }))).toEqual(['mine']);
  });

  it('that has only a script is read from the Hub’s conversion', async () => {
    const revisions = {
      'refs/convert/parquet': {
        'es/train/0000.parquet': parquetFile(part(0, 3)),
        'fr/train/0000.parquet': parquetFile(clips(1)),
      },
    };
    add('some/speech', { 'speech.py': 'import datasets', 'README.md': '# Speech' }, { revisions });
    const source = await open('some/speech', { config: 'es', split: 'train' });
    expect(contents(await read(source))).toEqual(written(part(0, 3)));
    expect(notices).toEqual([
      "some/speech has only a loading script (speech.py): reading the Hub's conversion of it, refs/convert/parquet",
    ]);
  });

  it('drops no row whose clip is missing, but leaves it to be counted', async () => {
    add('some/speech', { 'metadata.csv': 'file_name,text\nnone.mp3,x' });
    const [row] = await read(await open('some/speech'));
    expect(row!.row.audio).toEqual({ path: 'some/speech/none.mp3' });
  });

  it.each<[string, string, (() => void) | undefined, RegExp]>([
    ['is not there', 'some/none', undefined, /none.*\(nor is there a path .*some\/none\)/],
    [
      'is gated',
      'some/gated',
      () => add('some/gated', { 'train.parquet': parquetFile(rows) }, { gated: true }),
      /is gated: accept its conditions/,
    ],
    [
      'was Common Voice',
      'mozilla-foundation/common_voice_11_0',
      undefined,
      /Common Voice has left the Hub for the Mozilla Data Collective .* --dataset_name cv-corpus/,
    ],
    [
      'is what is left of Common Voice',
      'mozilla-foundation/common_voice_17_0',
      () => add('mozilla-foundation/common_voice_17_0', { 'README.md': 'gone' }),
      /no data set in mozilla-foundation\/common_voice_17_0; there is: .*README\.md; Common Voice has left/,
    ],
    [
      'holds none',
      'some/notes',
      () => add('some/notes', { 'x.txt': '' }),
      /no data set in some\/notes; there is: .*x\.txt/,
    ],
  ])('that %s is told of in one line', async (_, name, make, message) => {
    make?.();
    await expect(open(name, { split: 'train' })).rejects.toThrow(message);
  });

  it('is not meant by the name of a file', async () => {
    await expect(open('some/train.csv')).rejects.toMatchObject({ code: 'ERR_FILE' });
    expect(hub.requests).toEqual([]);
  });

  it('is read from the cache of Hugging Face’s libraries offline', async () => {
    add('some/speech', { 'metadata.csv': 'file_name,text\na.mp3,x', 'a.mp3': 'A' });
    const settings = hub.settings(join(cacheDir, 'hub'));
    const { downloadFiles } = await import('../../src/hub/index.js');
    const snapshot = await downloadFiles({ type: 'dataset', id: 'some/speech' }, () => true, settings);
    hub.requests.length = 0;
    const [row] = await read(await open('some/speech', { hub: { ...settings, offline: true } }));
    expect(row!.row.audio).toEqual({ path: join(snapshot, 'a.mp3') });
    expect(hub.requests).toEqual([]);
    await expect(open('some/other', { hub: { ...settings, offline: true } })).rejects.toThrow(/offline/);
  });
});

describe('the cache of remote files', () => {
  it('spares the Hub a second reading', async () => {
    add('some/speech', await layouts.parquet!());
    const source = await open('some/speech', { split: 'train' });
    await read(source);
    const bytes = () => hub.requests.filter(({ path }) => /resolve|storage/.test(path)).length;
    const before = bytes();
    expect(before).toBeGreaterThan(0);
    expect(contents(await read(source))).toEqual(written(rows));
    expect(bytes()).toBe(before);
    expect(readdirSync(join(cacheDir, 'blocks')).length).toBeGreaterThan(0);
  });
});
