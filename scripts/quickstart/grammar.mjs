// The quickstart's language: digit strings and commands to a house, about 15,000 sentences of 34 words.
import { createHash } from 'node:crypto';

/** @typedef {{ digits: string[], rooms: string[], things: string[], colours: string[] }} Words */

/** The words the base model is trained on. */
export const baseWords = {
  digits: ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'],
  rooms: ['kitchen', 'bedroom', 'garage', 'garden', 'office'],
  things: ['light', 'fan', 'heater', 'window', 'door', 'radio'],
  colours: ['red', 'green', 'blue', 'white'],
};

/** The words that come with the new voice; the base model has never heard them. */
export const newWords = {
  rooms: ['library', 'balcony'],
  things: ['speaker'],
  colours: ['purple', 'yellow'],
};

const repeat = (list, times) => Array.from({ length: times }, () => list).flat();

/** Base and new words together. A word listed twice is picked twice as often: new words need to be heard. */
export const extendedWords = {
  digits: baseWords.digits,
  rooms: [...baseWords.rooms, ...repeat(newWords.rooms, 4)],
  things: [...baseWords.things, ...repeat(newWords.things, 4)],
  colours: [...baseWords.colours, ...repeat(newWords.colours, 3)],
};

const newWordSet = new Set(Object.values(newWords).flat());

/** Whether a sentence has a word that the base model has never heard. */
export function hasNewWord(text) {
  return text.split(' ').some((word) => newWordSet.has(word));
}

/**
 * One random sentence:
 *
 *     40 %  d{1..4}, lengths weighted 1 : 2 : 3 : 3
 *     30 %  set the ROOM THING to (COLOUR | d | d d), a third each
 *     15 %  COMMAND
 *     15 %  COMMAND at d
 *
 *     COMMAND = turn (on | off) the ROOM THING, 60 %; (open | close) the ROOM (window | door), 40 %
 *
 * @param {ReturnType<import('./random.mjs').seededRandom>} random
 * @param {Words} words
 */
export function sentence(random, words) {
  const { digits, rooms, things, colours } = words;
  const kind = random.next();
  if (kind < 0.4) {
    const length = random.pickWeighted([1, 2, 3, 4], [1, 2, 3, 3]);
    return Array.from({ length }, () => random.pick(digits)).join(' ');
  }
  if (kind < 0.7) {
    const target = `set the ${random.pick(rooms)} ${random.pick(things)} to`;
    const value = random.pick(['colour', 'digit', 'two digits']);
    if (value === 'colour') return `${target} ${random.pick(colours)}`;
    if (value === 'digit') return `${target} ${random.pick(digits)}`;
    return `${target} ${random.pick(digits)} ${random.pick(digits)}`;
  }
  const command =
    random.next() < 0.6
      ? `turn ${random.pick(['on', 'off'])} the ${random.pick(rooms)} ${random.pick(things)}`
      : `${random.pick(['open', 'close'])} the ${random.pick(rooms)} ${random.pick(['window', 'door'])}`;
  return kind < 0.85 ? command : `${command} at ${random.pick(digits)}`;
}

/**
 * The split a sentence belongs to, in every voice: a sentence that is tested is never trained on. Decided by the MD5 of
 * its text, 10 % test, 10 % dev, the rest train. Single words are always trained on; there are only ten.
 *
 * @returns {'train' | 'dev' | 'test'}
 */
export function splitOf(text) {
  if (!text.includes(' ')) return 'train';
  const bucket = Number.parseInt(createHash('md5').update(text).digest('hex').slice(0, 8), 16) % 10;
  return bucket === 0 ? 'test' : bucket === 1 ? 'dev' : 'train';
}

/** Every sentence that `sentence` can make of these words, each once. */
export function* allSentences(words) {
  const { digits } = words;
  const [rooms, things, colours] = [words.rooms, words.things, words.colours].map((list) => [
    ...new Set(list),
  ]);
  let strings = [''];
  for (let length = 1; length <= 4; length++) {
    strings = strings.flatMap((start) => digits.map((digit) => (start ? `${start} ${digit}` : digit)));
    yield* strings;
  }
  const values = [
    ...colours,
    ...digits,
    ...digits.flatMap((first) => digits.map((second) => `${first} ${second}`)),
  ];
  for (const room of rooms) {
    for (const thing of things) {
      for (const value of values) yield `set the ${room} ${thing} to ${value}`;
    }
    const commands = [
      ...['on', 'off'].flatMap((state) => things.map((thing) => `turn ${state} the ${room} ${thing}`)),
      ...['open', 'close'].flatMap((verb) =>
        ['window', 'door'].map((thing) => `${verb} the ${room} ${thing}`),
      ),
    ];
    for (const command of commands) {
      yield command;
      for (const digit of digits) yield `${command} at ${digit}`;
    }
  }
}
