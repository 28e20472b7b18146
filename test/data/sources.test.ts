// Data sets on disk: the formats, splits, columns, paths that leave the folder, text that is no UTF-8, and cursors.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cursor, Positioned, Source } from '../../src/data/dataset.js';
import { openDataset } from '../../src/data/sources/index.js';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { readLines } from '../../src/data/sources/lines.js';
import { openLocalFile } from '../../src/files/random-access.js';
import { folder } from './signal.js';

async function read(source: Source, cursor?: Cursor): Promise<Positioned[]> {
  const rows: Positioned[] = [];
  for await (const positioned of source.open(cursor)) rows.push(positioned);
  return rows;
}

async function texts(source: Source): Promise<string[]> {
  return (await read(source)).map(({ row }) => row.text);
}

const header = 'client_id\tpath\tsentence\tup_votes';

function commonVoice(): string {
  return folder({
    'clips/a.mp3': '',
    'train.tsv': `${header}\nx\ta.mp3\t"Quoted" he said, "twice\t2\ny\tb\tÉté – 你好\t3\n`,
    'dev.tsv': `${header}\nz\tc.mp3\tdev\t0\n`,
    'test.tsv': `${header}\n`,
  });
}

describe('a Common Voice folder', () => {
  it('reads clips and sentences, quotes as they are', async () => {
    const root = commonVoice();
    const rows = await read(
      await openDataset(root, { split: 'train', textColumn: 'sentence', audioColumn: 'audio' }),
    );
    expect(rows.map(({ row }) => row)).toEqual([
      {
        id: 'train.tsv:2 a.mp3',
        audio: { path: join(root, 'clips', 'a.mp3'), root },
        text: '"Quoted" he said, "twice',
      },
      // The first releases left the ending out.
      { id: 'train.tsv:3 b', audio: { path: join(root, 'clips', 'b.mp3'), root }, text: 'Été – 你好' },
    ]);
  });

  it('puts splits one after the other and knows validation as dev', async () => {
    const source = await openDataset(commonVoice(), { split: 'train+validation' });
    expect(await texts(source)).toEqual(['"Quoted" he said, "twice', 'Été – 你好', 'dev']);
    expect(await source.count?.()).toBe(3);
    const [first] = await read(source);
    const rest = await read(source, JSON.parse(JSON.stringify(first!.next)));
    expect(rest.map(({ row }) => row.text)).toEqual(['Été – 你好', 'dev']);
    const back = await source.rowsAt([rest[1]!.at, first!.at, rest[1]!.at]);
    expect(back.map(({ row }) => row.text)).toEqual(['dev', '"Quoted" he said, "twice', 'dev']);
  });

  it('is found in the folder of its language', async () => {
    const root = folder({ 'es/clips/a.mp3': '', 'es/train.tsv': `${header}\nx\ta.mp3\thola\t1` });
    expect(await texts(await openDataset(root, { config: 'es', split: 'train' }))).toEqual(['hola']);
  });

  it('says which splits and columns there are', async () => {
    const root = commonVoice();
    await expect(openDataset(root, { split: 'train+other' })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: `the Common Voice folder ${root} has no split "other"; it has: dev, test, train`,
    });
    await expect(openDataset(root)).rejects.toThrow('has several splits; say which: dev, test, train');
    await expect(openDataset(root, { split: 'train', textColumn: 'text' })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: `${join(root, 'train.tsv')} has no text column "text"; its columns are: client_id, path, sentence, up_votes`,
    });
  });

  it('has no rows when its table has only a header, and fails when it has not even that', async () => {
    const root = commonVoice();
    expect(await texts(await openDataset(root, { split: 'test' }))).toEqual([]);
    writeFileSync(join(root, 'test.tsv'), '');
    await expect(openDataset(root, { split: 'test' })).rejects.toThrow(
      /test\.tsv is empty: expected a first line/,
    );
  });

  it.each(['../secret.mp3', '/etc/passwd', 'x/../../secret.mp3', '../..'])(
    'refuses the path %s',
    async (path) => {
      const root = folder({ 'clips/a.mp3': '', 'train.tsv': `${header}\nx\t${path}\ttext\t1` });
      const source = await openDataset(root, { split: 'train' });
      await expect(read(source)).rejects.toMatchObject({
        code: 'ERR_DATA',
        message: `${join(root, 'train.tsv')}:2: the path ${JSON.stringify(path)} leaves the data set's folder ${join(root, 'clips')}`,
      });
    },
  );

  it('names the line of a row that is cut off or not UTF-8', async () => {
    const root = commonVoice();
    writeFileSync(join(root, 'train.tsv'), `${header}\nx\ta.mp3\tfine\t1\nx\tb.mp3\n`);
    await expect(read(await openDataset(root, { split: 'train' }))).rejects.toThrow(
      'train.tsv:3: 2 fields, but the first line names 4 columns',
    );
    writeFileSync(
      join(root, 'train.tsv'),
      Buffer.from(`${header}\nx\ta.mp3\tfine\t1\nx\tb.mp3\tcaf\xe9\t1\n`, 'latin1'),
    );
    await expect(read(await openDataset(root, { split: 'train' }))).rejects.toThrow(
      'train.tsv:3: the line is not valid UTF-8 text',
    );
  });
});

describe('an audio folder', () => {
  it('reads quoted CSV: commas, quotes, line breaks, CRLF, a byte order mark', async () => {
    const root = folder({
      'metadata.csv':
        '\ufefffile_name,text\r\na.wav,"One, ""two""\nthree"\r\n\r\nsub/b.wav,5" disc\r\nc.wav,last',
    });
    const rows = await read(await openDataset(root, { split: 'train' }));
    expect(rows.map(({ row }) => row.text)).toEqual(['One, "two"\nthree', '5" disc', 'last']);
    expect(rows.map(({ row }) => row.id)).toEqual([
      'metadata.csv:2 a.wav',
      'metadata.csv:5 sub/b.wav',
      'metadata.csv:6 c.wav',
    ]);
    expect(rows[1]!.row.audio).toEqual({ path: join(root, 'sub', 'b.wav'), root });
  });

  it('reads JSON lines and a folder for each split', async () => {
    const root = folder({
      'data/train/metadata.jsonl': '{"file_name": "a.wav", "transcription": "one", "language": "es"}\n\n',
      'data/test/metadata.csv': 'transcription,file_name\ntwo,b.wav\n',
    });
    const train = await read(await openDataset(root, { split: 'train', audioColumn: 'audio' }));
    expect(train[0]!.row).toEqual({
      id: 'metadata.jsonl:1 a.wav',
      audio: { path: join(root, 'data', 'train', 'a.wav'), root },
      text: 'one',
      language: 'es',
    });
    expect(await texts(await openDataset(root, { split: 'test' }))).toEqual(['two']);
    await expect(openDataset(root, { split: 'dev' })).rejects.toThrow('it has: test, train');
  });

  it('finds a quote that is never closed and a field that is no text', async () => {
    const root = folder({
      'metadata.csv': `file_name,text\na.wav,ok\nb.wav,"open\n${'c.wav,x\n'.repeat(300)}`,
    });
    await expect(read(await openDataset(root))).rejects.toThrow(
      'metadata.csv:3: a quote that opens here is never closed',
    );
    const json = folder({
      'metadata.jsonl': '{"file_name":"a.wav","text":"x"}\n{"file_name":"a.wav","text":5}\n',
    });
    await expect(read(await openDataset(json))).rejects.toThrow(
      'metadata.jsonl:2: the column "text" holds no text but 5',
    );
    writeFileSync(join(json, 'metadata.jsonl'), '{"file_name":"a.wav","text":"x"}\n{"file_name"\n');
    await expect(read(await openDataset(json))).rejects.toThrow('metadata.jsonl:2: not a JSON object');
  });
});

describe('a manifest', () => {
  it('is a file with paths relative to it, absolute ones only inside its folder', async () => {
    const root = folder();
    const inside = join(root, 'wavs', 'b.wav');
    writeFileSync(join(root, 'mine.tsv'), `audio\ttext\nwavs/a.wav\tone\n${inside}\ttwo\n`);
    const rows = await read(await openDataset(join(root, 'mine.tsv')));
    expect(rows.map(({ row }) => row.audio)).toEqual([
      { path: join(root, 'wavs', 'a.wav'), root },
      { path: inside, root },
    ]);
    await expect(openDataset(join(root, 'mine.tsv'), { split: 'test' })).rejects.toThrow(
      'has no split "test"; it has: mine, train',
    );
  });

  it('takes names of columns, and a folder with one file per split', async () => {
    const root = folder({
      'train.jsonl': '{"wav": "a.wav", "words": "one", "text": "no"}',
      'validation.csv': 'wav,words\nb.wav,"two, three"',
    });
    const columns = { audioColumn: 'wav', textColumn: 'words' };
    expect(await texts(await openDataset(root, { split: 'train+dev', ...columns }))).toEqual([
      'one',
      'two, three',
    ]);
    await expect(openDataset(root, { split: 'train' })).rejects.toThrow(
      'has no audio column "audio" or "path" or "file" or "audio_filepath" or "file_name"; its columns are: wav, words, text',
    );
  });
});

describe('openDataset', () => {
  it('says what it looked for', async () => {
    const root = folder({ 'notes.txt': 'x', 'a.wav': '' });
    mkdirSync(join(root, 'clips'));
    await expect(openDataset(root, { split: 'train' })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringMatching(
        /^no data set in .*; there is: a\.wav, clips, notes\.txt\. Looked for: Common Voice folder \(.*\); audio folder \(.*\); manifest \(/,
      ),
    });
    await expect(openDataset(join(root, 'a.wav'))).rejects.toThrow(/^no data set in .*a\.wav\. Looked for/);
    await expect(openDataset(join(root, 'none'))).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: `cannot open the data set ${join(root, 'none')}: no such file or folder`,
    });
  });
});

describe('cursors', () => {
  it('go on at any line, whatever its bytes and wherever a read ends', async () => {
    const root = folder();
    const path = join(root, 'lines');
    const line = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .map((text) => text.replace(/[\r\n\ufeff]/g, ''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        async (lines, end, closed) => {
          writeFileSync(path, lines.join(end) + (closed ? end : ''));
          const expected = closed || lines.at(-1) !== '' ? lines : lines.slice(0, -1);
          const all = [];
          for await (const item of readLines(await openLocalFile(path))) all.push(item);
          expect(all.map(({ text }) => text)).toEqual(lines.length === 0 && closed ? [''] : expected);
          for (const [i, { next }] of all.entries()) {
            const rest = [];
            for await (const item of readLines(await openLocalFile(path), next)) rest.push(item);
            expect(rest).toEqual(all.slice(i + 1));
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('are exact over many reads of a large file', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `é${i}`.repeat(1 + (i % 7)));
    const path = join(folder({ lines: lines.join('\n') }), 'lines');
    let i = 0;
    for await (const { text, next } of readLines(await openLocalFile(path))) {
      expect(text).toBe(lines[i++]);
      if (i === 15_000)
        for await (const { text, at } of readLines(await openLocalFile(path), next)) {
          expect([text, at.line]).toEqual([lines[15_000], 15_001]);
          break;
        }
    }
    expect(i).toBe(20_000);
  });

  it('of a CSV file stand at records, not lines', async () => {
    const root = folder({ 'metadata.csv': 'file_name,text\na.wav,"1\n2"\nb.wav,3\n' });
    const source = await openDataset(root);
    const [first, second] = await read(source);
    expect(await read(source, first!.next)).toEqual([second]);
    expect(await source.rowsAt([second!.at, first!.at])).toEqual([second, first]);
  });

  it('are refused when the file changed', async () => {
    const root = folder({ 'train.tsv': 'audio\ttext\na.wav\tone\nb.wav\ttwo\n' });
    const source = await openDataset(root);
    const [first] = await read(source);
    writeFileSync(join(root, 'train.tsv'), 'audio\ttext\nlonger-name.wav\tone\nb.wav\ttwo\n');
    await expect(read(source, first!.next)).rejects.toThrow(/cannot go on reading .*; the file has changed/);
    await expect(source.rowsAt([first!.next])).rejects.toThrow(/the file has changed/);
    await expect(read(source, 'x')).rejects.toThrow('"x" is no position in a table');
  });
});

describe('fromIterable', () => {
  const samples = Float32Array.of(0);
  it('takes every kind of audio and goes on at a number of rows', async () => {
    const bytes = new Uint8Array(1);
    const source = fromIterable([
      { audio: 'a.wav', text: 'one' },
      { audio: bytes, text: 'two', id: 'second', language: 'es', task: 'translate' },
      { audio: { samples, sampleRate: 8000 }, text: 'three' },
    ]);
    const rows = await read(source);
    expect(rows.map(({ row }) => row)).toEqual([
      { id: 'row 0', audio: { path: 'a.wav' }, text: 'one' },
      { id: 'second', audio: { bytes }, text: 'two', language: 'es', task: 'translate' },
      { id: 'row 2', audio: { samples, sampleRate: 8000 }, text: 'three' },
    ]);
    expect(await read(source, rows[0]!.next)).toEqual(rows.slice(1));
    expect(await source.rowsAt([2, 0])).toEqual([rows[2], rows[0]]);
  });

  it('makes a new iterable for each pass, and says when it cannot', async () => {
    async function* make() {
      yield { audio: { samples, sampleRate: 16000 }, text: 'x' };
    }
    const again = fromIterable(make);
    expect([(await read(again)).length, (await read(again)).length]).toEqual([1, 1]);
    const once = fromIterable(make(), 'my rows');
    expect(await read(once)).toHaveLength(1);
    await expect(read(once)).rejects.toThrow('my rows can be iterated only once; give a function');
  });

  it.each([
    [{ text: 'x' }, /^row 0: audio must be a path/],
    [{ audio: { samples: [1], sampleRate: 1 }, text: 'x' }, /^row 0: audio must be a path/],
    [{ audio: { samples, sampleRate: 0 }, text: 'x' }, /^row 0: samples need a positive sampleRate, got 0/],
    [{ audio: 'a.wav', id: 'mine' }, /^mine: text must be a string/],
  ])('refuses %o', async (row, message) => {
    await expect(read(fromIterable([row as never]))).rejects.toThrow(message);
  });
});
