// The quickstart's sentences: how many there are, how they are split, and that they are the same everywhere.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  allSentences,
  baseWords,
  extendedWords,
  hasNewWord,
  sentence,
  splitOf,
} from '../../scripts/quickstart/grammar.mjs';
import { seededRandom } from '../../scripts/quickstart/random.mjs';
import { baseClips, newVoiceClips, replayClips } from '../../scripts/quickstart/sets.mjs';

const texts = (clips: { text: string }[]) => clips.map((clip) => clip.text);
const inSplit = <T extends { split: string }>(clips: T[], split: string) =>
  clips.filter((clip) => clip.split === split);

describe('random numbers', () => {
  it('are those of mulberry32', () => {
    const random = seededRandom(1);
    // The first outputs of the published mulberry32 for seed 1, times 2^32.
    const first = Array.from({ length: 3 }, () => random.next() * 2 ** 32);
    expect(first).toEqual([2693262067, 11749833, 2265367787]);
  });

  it('pick by weight, and sample without repetition in order', () => {
    const random = seededRandom(7);
    const counts = [0, 0];
    for (let i = 0; i < 4000; i++) counts[random.pickWeighted([0, 1], [1, 3])]!++;
    expect(counts[1]! / 4000).toBeCloseTo(0.75, 1);
    const sample = random.sample([...Array(100).keys()], 30);
    expect(sample).toHaveLength(30);
    expect(sample).toEqual([...new Set(sample)].sort((a, b) => a - b));
    expect(random.sample([1, 2, 3], 3)).toEqual([1, 2, 3]);
  });
});

describe('grammar', () => {
  const base = [...allSentences(baseWords)];

  it('has 15,410 sentences of 34 words', () => {
    // 10 + 100 + 1,000 + 10,000 digit strings; 30 targets with 4 + 10 + 100 values; 80 commands, alone and at 10 times.
    expect(base).toHaveLength(11_110 + 30 * 114 + 80 * 11);
    expect(new Set(base).size).toBe(base.length);
    expect(new Set(base.join(' ').split(' ')).size).toBe(34);
  });

  it('makes only these sentences, and all their kinds', () => {
    const known = new Set(base);
    const random = seededRandom(5);
    const made = Array.from({ length: 3000 }, () => sentence(random, baseWords));
    expect(made.filter((text) => !known.has(text))).toEqual([]);
    const share = (pattern: RegExp) => made.filter((text) => pattern.test(text)).length / made.length;
    expect(share(/^(?!set|turn|open|close)/)).toBeCloseTo(0.4, 1);
    expect(share(/^set/)).toBeCloseTo(0.3, 1);
    expect(share(/^(turn|open|close)/)).toBeCloseTo(0.3, 1);
    expect(share(/ at \w+$/)).toBeCloseTo(0.15, 1);
  });

  it('knows new words', () => {
    expect(hasNewWord('turn on the library light')).toBe(true);
    expect(hasNewWord('turn on the kitchen light')).toBe(false);
    expect(base.some(hasNewWord)).toBe(false);
    expect(new Set([...allSentences(extendedWords)].join(' ').split(' ')).size).toBe(39);
  });

  it('splits by the MD5 of the sentence, about 8 : 1 : 1', () => {
    const share = (split: string) => base.filter((text) => splitOf(text) === split).length / base.length;
    expect(share('test')).toBeCloseTo(0.1, 2);
    expect(share('dev')).toBeCloseTo(0.1, 2);
    for (const digit of baseWords.digits) expect(splitOf(digit)).toBe('train');
    const bucket = (text: string) =>
      Number.parseInt(createHash('md5').update(text).digest('hex').slice(0, 8), 16) % 10;
    for (const text of base.slice(10, 400)) {
      expect(splitOf(text)).toBe(['test', 'dev'][bucket(text)] ?? 'train');
    }
  });
});

describe('sets of clips', () => {
  const base = baseClips();
  const newVoice = newVoiceClips();
  const replay = replayClips();

  it('have the sizes and voices of the recipe', () => {
    const sizes = (clips: typeof base) =>
      ['train', 'dev', 'test'].map((split) => inSplit(clips, split).length);
    expect(sizes(base)).toEqual([2400, 60, 120]);
    expect(sizes(newVoice)).toEqual([480, 60, 160]);
    expect(replay).toHaveLength(240);
    expect(new Set(base.map((clip) => clip.voice))).toEqual(new Set(['awb', 'rms', 'kal16']));
    expect(new Set(newVoice.map((clip) => clip.voice))).toEqual(new Set(['slt']));
    const files = [...base, ...newVoice].map((clip) => clip.file);
    expect(new Set(files).size).toBe(files.length);
  });

  it('never train on a sentence of dev or test, in any voice', () => {
    const trained = new Set(texts([...inSplit(base, 'train'), ...inSplit(newVoice, 'train'), ...replay]));
    for (const split of ['dev', 'test']) {
      const heldOut = texts([...inSplit(base, split), ...inSplit(newVoice, split)]);
      expect(heldOut.filter((text) => trained.has(text))).toEqual([]);
    }
    for (const clips of [base, newVoice]) {
      const tested = texts(inSplit(clips, 'test'));
      expect(new Set(tested).size).toBe(tested.length);
    }
  });

  it('have a new word in every second clip of the new voice and in no other', () => {
    expect(
      newVoice.every((clip) => hasNewWord(clip.text) === (Number(clip.file.slice(-8, -4)) % 2 === 0)),
    ).toBe(true);
    expect(base.some((clip) => hasNewWord(clip.text))).toBe(false);
  });

  it('replay training clips of the base set', () => {
    const trained = new Set(inSplit(base, 'train').map((clip) => JSON.stringify(clip)));
    expect(replay.every((clip) => trained.has(JSON.stringify(clip)))).toBe(true);
    expect(new Set(replay.map((clip) => clip.file)).size).toBe(240);
  });

  it('are the same everywhere', () => {
    const md5 = createHash('md5')
      .update(JSON.stringify([base, newVoice, replay]))
      .digest('hex');
    expect(md5).toBe('8e3878269902a26edfcedabaf1a3681b');
  });
});
