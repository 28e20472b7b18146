// Subtitles: SubRip (.srt) and WebVTT (.vtt) as cues, and cues joined into clips.
// Layouts: SubRip has no standard; WebVTT: w3.org/TR/webvtt1
import { WhisperError } from '../../errors.js';
import type { TimedText } from '../dataset.js';

/** What is said from `start` to `end`, in seconds of the audio. */
export interface Cue extends TimedText {
  /** The line of its times, from 1. */
  line: number;
}

/** Why cues were left out, and the line of the first. */
export interface LeftOut {
  reason: string;
  count: number;
  line: number;
}

export interface Subtitles {
  cues: Cue[];
  leftOut: LeftOut[];
}

const time = String.raw`(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})`;
/** Two times; what follows them are settings of the place on the screen. */
const times = new RegExp(`^\\s*${time}\\s*-->\\s*${time}(?:\\s.*)?$`);

function seconds([hours, minutes, whole, fraction]: readonly (string | undefined)[]): number {
  return Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(whole) + Number(`0.${fraction}`);
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&nbsp;': ' ',
  '&lrm;': '',
  '&rlm;': '',
};

/** What is said, without marks of speakers, styles and places: `<v Ana>`, `<i>`, `<00:01.000>`, `{\an8}`. */
function plainText(lines: readonly string[]): string {
  return lines
    .join(' ')
    .replace(/<\/?[a-z\d][^>]*>|\{\\[^}]*\}/gi, '')
    .replace(/&(?:amp|lt|gt|quot|apos|nbsp|lrm|rlm);/g, (entity) => entities[entity]!)
    .replace(/\s+/g, ' ')
    .trim();
}

interface Block {
  lines: string[];
  /** The number of its first line. */
  at: number;
}

/** Lines between empty lines. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let block: Block | undefined;
  for (const [i, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === '') block = undefined;
    else if (block) block.lines.push(line);
    else {
      block = { lines: [line], at: i + 1 };
      blocks.push(block);
    }
  }
  return blocks;
}

/** All cues, as they stand there. */
function readCues(name: string, text: string): Cue[] {
  const blocks = blocksOf(text);
  const vtt = blocks[0]?.lines[0]?.startsWith('WEBVTT') ?? false;
  const cues: (Cue & { lines: string[] })[] = [];
  for (const { lines, at } of blocks) {
    if (vtt && /^(WEBVTT|NOTE|STYLE|REGION)\b/.test(lines[0]!)) continue;
    // A number or a name may stand before the times.
    const index = lines.slice(0, 2).findIndex((line) => line.includes('-->'));
    if (index < 0) {
      // In SubRip an empty line may be a part of what is said; in WebVTT a cue ends there.
      if (vtt) continue;
      const before = cues.at(-1);
      if (!before)
        throw new WhisperError(
          'ERR_DATA',
          `${name}:${at}: expected the times of a cue, got ${quote(lines[0]!)}`,
        );
      before.lines.push(...lines);
      continue;
    }
    const found = times.exec(lines[index]!);
    if (!found)
      throw new WhisperError(
        'ERR_DATA',
        `${name}:${at + index}: expected times as 00:01:02,500 --> 00:01:04,000, got ${quote(lines[index]!)}`,
      );
    const [, ...fields] = found;
    const [start, end] = [seconds(fields.slice(0, 4)), seconds(fields.slice(4, 8))];
    cues.push({ start, end, text: '', lines: lines.slice(index + 1), line: at + index });
  }
  return cues.map(({ lines, ...cue }) => ({ ...cue, text: plainText(lines) }));
}

function quote(line: string): string {
  return JSON.stringify(line.slice(0, 60));
}

/**
 * Reads subtitles. Cues that cannot be said in order are left out: those that end before they begin, begin before the one
 * before has ended or say nothing, and those that no clip can hold.
 *
 * @param longest seconds; clips are shorter, as filters of durations are strict
 * @throws WhisperError ERR_DATA naming file and line for what are no subtitles
 */
export function parseSubtitles(name: string, bytes: Uint8Array, longest: number): Subtitles {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new WhisperError('ERR_DATA', `${name} is not valid UTF-8 text: save it as UTF-8`, { cause });
  }
  const all = readCues(name, text);
  if (all.length === 0) throw new WhisperError('ERR_DATA', `${name} has no cues: it is no subtitle file`);
  const cues: Cue[] = [];
  const leftOut = new Map<string, LeftOut>();
  for (const cue of all) {
    const reason = faultOf(cue, cues.at(-1), longest);
    if (reason === undefined) cues.push(cue);
    else {
      const same = leftOut.get(reason) ?? { reason, count: 0, line: cue.line };
      leftOut.set(reason, { ...same, count: same.count + 1 });
    }
  }
  return { cues, leftOut: [...leftOut.values()] };
}

function faultOf({ start, end, text }: Cue, before: Cue | undefined, longest: number): string | undefined {
  if (text === '') return 'say nothing';
  if (end <= start) return 'end before they begin';
  if (before && start < before.start) return 'begin before the one before them';
  // Times are rounded: a frame of a film lasts 0.04 s.
  if (before && start < before.end - 0.05) return 'overlap the one before them';
  if (end - start >= longest) return `last ${longest} s or longer`;
  return undefined;
}

/** Seconds of silence over which cues are not joined. */
const longestGap = 2;

/** Joins following cues, as many as fit into a clip. */
export function joinCues(cues: readonly Cue[], longest: number): Cue[][] {
  const clips: Cue[][] = [];
  for (const cue of cues) {
    const clip = clips.at(-1);
    const fits = clip && cue.end - clip[0]!.start < longest && cue.start - clip.at(-1)!.end <= longestGap;
    if (fits) clip.push(cue);
    else clips.push([cue]);
  }
  return clips;
}
