// Long audio with subtitles beside it (`talk.mp3`, `talk.srt`), cut at its cues into clips that the model hears whole.
import { WhisperError } from '../../errors.js';
import { type Cursor, cursorError, type Positioned, type Row, type Source } from '../dataset.js';
import { seekableAudio } from '../decode/long.js';
import type { Columns } from './columns.js';
import { type Cue, joinCues, parseSubtitles } from './cues.js';
import { type DataFiles, endingOf, folderOf, inFolder, nameOf, readBytes } from './files.js';
import type { Format, Surroundings } from './format.js';
import { joinShards } from './shards.js';

const audioEndings = ['wav', 'mp3', 'flac', 'ogg', 'opus', 'm4a', 'webm', 'mp4', 'mkv', 'aac'];
const subtitleEndings = ['srt', 'vtt'];

/** A recording and its subtitles. */
interface Pair {
  audio: string;
  subtitles: string;
  /** Of `talk.es.srt`. */
  language: string | undefined;
}

function stemOf(path: string): string {
  return path.slice(0, -endingOf(path).length - 1);
}

/** The recordings of a folder that have subtitles; where there are several, those without a language in their name. */
async function pairsIn(files: DataFiles, folder: string): Promise<Pair[]> {
  const entries = await files.list(folder);
  const paths = entries.flatMap(({ name, folder: inner }) => (inner ? [] : [inFolder(folder, name)]));
  const subtitles = paths.filter((path) => subtitleEndings.includes(endingOf(path)));
  return paths.flatMap((audio) => {
    if (!audioEndings.includes(endingOf(audio))) return [];
    const stem = stemOf(audio);
    const plain = subtitles.find((path) => stemOf(path) === stem);
    const named = subtitles.find(
      (path) => /^\.[a-z]{2,3}$/.test(stemOf(path).slice(stem.length)) && path.startsWith(`${stem}.`),
    );
    const found = plain ?? named;
    if (found === undefined) return [];
    return [{ audio, subtitles: found, language: plain ? undefined : stemOf(found).slice(stem.length + 1) }];
  });
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 23);
}

/** Milliseconds: the times of subtitles have no more, and sums of them should not either. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

interface Clip {
  start: number;
  end: number;
  row: Omit<Row, 'audio'>;
}

function clipOf(pair: Pair, cues: readonly Cue[], before: readonly Cue[] | undefined): Clip {
  const { start, line } = cues[0]!;
  const { end } = cues.at(-1)!;
  const segments = cues.map((cue) => ({
    start: rounded(cue.start - start),
    end: rounded(cue.end - start),
    text: cue.text,
  }));
  const text = (said: readonly Cue[]) => said.map((cue) => cue.text).join(' ');
  const row: Clip['row'] = {
    id: `${nameOf(pair.subtitles)}:${line} ${clock(start)}`,
    text: text(cues),
    segments,
    ...(before && { previous: text(before) }),
    ...(pair.language !== undefined && { language: pair.language }),
  };
  return { start, end, row };
}

/** A source of the clips of one recording. */
function pairSource(files: DataFiles, pair: Pair, surroundings: Surroundings): Source {
  const name = files.describe(pair.subtitles);
  const longest = surroundings.clipSeconds;
  let reading: Promise<Clip[]> | undefined;
  const read = async (): Promise<Clip[]> => {
    const { cues, leftOut } = parseSubtitles(name, await readBytes(files, pair.subtitles), longest);
    for (const { count, reason, line } of leftOut)
      surroundings.notice(
        `${name}: left out ${count} of its cues that ${reason}; the first is in line ${line}`,
      );
    const groups = joinCues(cues, longest);
    return groups.map((group, i) => clipOf(pair, group, groups[i - 1]));
  };
  const clips = (): Promise<Clip[]> => {
    reading ??= read();
    return reading;
  };
  let bringing: Promise<string> | undefined;
  // The audio is decoded when the first clip is read, and once.
  const audioPath = (): Promise<string> => {
    bringing ??= files.local(pair.audio).then((path) => seekableAudio(path, surroundings));
    bringing.catch(() => {
      bringing = undefined;
    });
    return bringing;
  };
  const positioned = async (index: number): Promise<Positioned> => {
    const { start, end, row } = (await clips())[index]!;
    const path = await audioPath();
    return { row: { ...row, audio: { path, start, end } }, at: index, next: index + 1 };
  };
  const indexOf = (cursor: Cursor, last: number): number => {
    if (Number.isSafeInteger(cursor) && (cursor as number) >= 0 && (cursor as number) <= last)
      return cursor as number;
    throw cursorError(name, `it has no clip ${JSON.stringify(cursor)}`);
  };
  return {
    name,
    ...(files.version !== undefined && { version: files.version }),
    selection: `clips of ${longest} s`,
    async *open(cursor) {
      const { length } = await clips();
      for (let i = cursor == null ? 0 : indexOf(cursor, length); i < length; i++) yield await positioned(i);
    },
    async rowsAt(cursors) {
      const { length } = await clips();
      return Promise.all(cursors.map((cursor) => positioned(indexOf(cursor, length - 1))));
    },
    seek: async (row) => indexOf(row, (await clips()).length),
    count: async () => (await clips()).length,
  };
}

export const subtitles: Format = {
  name: 'audio with subtitles',
  expects: 'recordings with .srt or .vtt files of the same name beside them',
  async recognise({ files, file }, surroundings) {
    const found = new Map<string, Pair[]>();
    const all = await pairsIn(files, file === undefined ? '' : folderOf(file));
    const given =
      file === undefined ? all : all.filter((pair) => pair.audio === file || pair.subtitles === file);
    if (given.length > 0) found.set('train', given);
    if (file === undefined) {
      for (const { name, folder } of await files.list('')) {
        const pairs = folder ? await pairsIn(files, name) : [];
        if (pairs.length > 0) found.set(name, pairs);
      }
    }
    if (file !== undefined && given.length === 0 && subtitleEndings.includes(endingOf(file)))
      throw new WhisperError(
        'ERR_DATA',
        `${files.describe(file)} has no recording of the same name beside it (${audioEndings.join(', ')})`,
      );
    return new Map(
      [...found].map(([split, pairs]) => [
        split,
        async (_columns: Columns) =>
          joinShards(
            files,
            split,
            pairs.map((pair) => pairSource(files, pair, surroundings)),
          ),
      ]),
    );
  },
};
