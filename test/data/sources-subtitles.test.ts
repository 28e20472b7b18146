// Long audio with subtitles: both dialects, what is left out, clips of following cues, and their places in the audio.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSamples } from '../../src/data/decode/samples.js';
import { joinCues, parseSubtitles } from '../../src/data/sources/cues.js';
import { openDataset } from '../../src/data/sources/index.js';
import { folder, signal, wav } from './signal.js';
import { checkCursors, read } from './tables.js';

const parse = (text: string, longest = 30) => parseSubtitles('x.srt', Buffer.from(text), longest);
const said = (text: string) => parse(text).cues.map(({ start, end, text: words }) => [start, end, words]);

describe('subtitles', () => {
  it('in SubRip', () => {
    const text = [
      '\ufeff1',
      '00:00:01,500 --> 00:00:03,250 X1:40 X2:600',
      '<i>Hola</i> {\\an8}a <font color="#fff">todos</font>',
      'y todas',
      '',
      '2',
      '00:00:04.000 --> 01:00:05.5',
      'Uno',
      '',
      'dos',
    ].join('\r\n');
    expect(parse(text, 4000).cues).toEqual([
      { start: 1.5, end: 3.25, text: 'Hola a todos y todas', line: 2 },
      { start: 4, end: 3605.5, text: 'Uno dos', line: 7 },
    ]);
  });

  it('in WebVTT', () => {
    const text = [
      'WEBVTT - Talk',
      'Kind: captions',
      '',
      'STYLE',
      '::cue { color: red }',
      '',
      'NOTE a --> in a note',
      'more',
      '',
      'first',
      '00:01.000 --> 00:02.000 align:start position:10%',
      '<v Ana><c.loud>Tom &amp; Ana</c> &lt;3&nbsp;<00:01.500>now',
      '',
      'REGION',
      'id:fred',
      '',
      '01:00:03.000 --> 01:00:04.000',
      'Bye',
      '',
      'is said by nobody',
    ].join('\n');
    expect(said(text)).toEqual([
      [1, 2, 'Tom & Ana <3 now'],
      [3603, 3604, 'Bye'],
    ]);
  });

  it('leave out what cannot be said in order, and say so', () => {
    const cue = (from: string, to: string, text: string) =>
      `00:00:${from},000 --> 00:00:${to},000\n${text}\n`;
    const { cues, leftOut } = parse(
      [
        cue('01', '03', 'a'),
        cue('02', '04', 'overlaps'),
        cue('05', '05', 'lasts no time'),
        cue('06', '07', '<i></i>'),
        cue('06', '16', 'is long'),
        cue('08', '09', 'b'),
        cue('03', '04', 'is late'),
        cue('08', '10', 'overlaps too'),
      ].join('\n'),
      10,
    );
    expect(cues.map(({ text }) => text)).toEqual(['a', 'b']);
    expect(leftOut).toEqual([
      { reason: 'overlap the one before them', count: 2, line: 4 },
      { reason: 'end before they begin', count: 1, line: 7 },
      { reason: 'say nothing', count: 1, line: 10 },
      { reason: 'last 10 s or longer', count: 1, line: 13 },
      { reason: 'begin before the one before them', count: 1, line: 19 },
    ]);
    // Rounded times may overlap by a frame.
    const frames = '00:01,000 --> 00:02,040\na\n\n00:02,000 --> 00:03,000\nb\n\n00:02,940 --> 00:04,000\nc';
    expect(parse(frames).cues.map(({ text }) => text)).toEqual(['a', 'b']);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['no cue', 'Some text\nwithout times', /^x\.srt:1: expected the times of a cue, got "Some text"$/],
    ['nothing', '\n\n', /^x\.srt has no cues: it is no subtitle file$/],
    ['only a header', 'WEBVTT\n\nNOTE x', /^x\.srt has no cues/],
    ['wrong times', '1\n00:01 -> 00:02\nx\n\n2\n00:00:01,0 --> later\nx', /^x\.srt:1: expected the times/],
    [
      'half a time',
      '1\n00:00:01,0 --> later\nx',
      /^x\.srt:2: expected times as 00:01:02,500 --> .*, got "00:00:01,0 --> later"$/,
    ],
    [
      'another encoding',
      Buffer.from('1\n00:00:01,0 --> 00:00:02,0\ncaf\xe9', 'latin1'),
      /not valid UTF-8 text: save it as UTF-8/,
    ],
  ])('of %s are refused', (_, text, message) => {
    expect(() => parseSubtitles('x.srt', Buffer.from(text as string), 30)).toThrow(message);
  });

  it('are joined into clips over short silences, as many as fit', () => {
    const cues = [
      [0, 4],
      [4, 9],
      [9.5, 12],
      [15, 18],
      [18, 29],
    ].map(([start, end], line) => ({ start: start!, end: end!, text: String(line), line }));
    const joined = (longest: number) =>
      joinCues(cues, longest).map((clip) => clip.map(({ text }) => text).join(''));
    expect(joined(30)).toEqual(['012', '34']);
    expect(joined(10)).toEqual(['01', '2', '3', '4']);
    // Clips are shorter than the longest.
    expect(joined(9)).toEqual(['0', '12', '3', '4']);
    expect(joined(5)).toEqual(['0', '1', '2', '3', '4']);
  });
});

describe('long audio with subtitles', () => {
  const srt = (...cues: [number, number, string][]) =>
    cues
      .map(([start, end, text], i) => {
        const time = (seconds: number) =>
          new Date(seconds * 1000).toISOString().slice(11, 23).replace('.', ',');
        return `${i + 1}\n${time(start)} --> ${time(end)}\n${text}\n`;
      })
      .join('\n');
  const audio = wav([signal(16000, 'left', 3)]);

  it('gives clips with their segments, what was said before, and their place', async () => {
    const notices: string[] = [];
    const root = folder({
      'talk.wav': audio,
      'talk.es.srt': srt([0.5, 1, 'uno'], [1.1, 1.4, 'dos'], [1.2, 1.5, 'no'], [1.5, 2.5, 'tres']),
      'other.mp3': 'without subtitles',
    });
    const source = await openDataset(root, { clipSeconds: 1.2, onNotice: (line) => notices.push(line) });
    const rows = (await checkCursors(source)).map(({ row }) => row);
    const path = join(root, 'talk.wav');
    expect(rows).toEqual([
      {
        id: 'talk.es.srt:2 00:00:00.500',
        audio: { path, start: 0.5, end: 1.4 },
        text: 'uno dos',
        segments: [
          { start: 0, end: 0.5, text: 'uno' },
          { start: 0.6, end: 0.9, text: 'dos' },
        ],
        language: 'es',
      },
      {
        id: 'talk.es.srt:14 00:00:01.500',
        audio: { path, start: 1.5, end: 2.5 },
        text: 'tres',
        segments: [{ start: 0, end: 1, text: 'tres' }],
        previous: 'uno dos',
        language: 'es',
      },
    ]);
    expect(notices).toEqual([
      `${join(root, 'talk.es.srt')}: left out 1 of its cues that overlap the one before them; the first is in line 10`,
    ]);
    const loaded = await loadSamples(rows[1]!.audio);
    expect('samples' in loaded && loaded.samples.length).toBe(16000);
  });

  it('is found as one file, as a folder of recordings, and as a folder for each split', async () => {
    const one = srt([0, 1, 'one']);
    const root = folder({
      'a.wav': audio,
      'a.srt': one,
      'a.es.srt': srt([0, 1, 'uno']),
      'z.wav': audio,
      'test/b.wav': audio,
      'test/b.vtt': `WEBVTT\n\n${one.replaceAll(',', '.')}`,
      'test/c.wav': audio,
      'test/c.srt': srt([0, 1, 'two'], [2, 3, 'three']),
      'alone.srt': one,
    });
    const ids = async (path: string, split?: string) =>
      (await read(await openDataset(path, split === undefined ? {} : { split }))).map(({ row }) => row.text);
    expect(await ids(join(root, 'a.wav'))).toEqual(['one']);
    expect(await ids(join(root, 'a.srt'))).toEqual(['one']);
    expect(await ids(root, 'train')).toEqual(['one']);
    expect(await ids(root, 'test')).toEqual(['one', 'two three']);
    await expect(openDataset(join(root, 'alone.srt'))).rejects.toThrow(
      /alone\.srt has no recording of the same name/,
    );
  });
});
