// The quickstart's two data sets as lists of clips: who says what, how fast, how high. Nothing is synthesised here.
import { baseWords, extendedWords, hasNewWord, sentence, splitOf } from './grammar.mjs';
import { seededRandom } from './random.mjs';

/**
 * @typedef {object} Clip
 * @property {string} file name in `clips/`
 * @property {'train' | 'dev' | 'test'} split
 * @property {string} text
 * @property {string} voice a voice of flite
 * @property {number} stretch duration factor
 * @property {number} pitch factor on the voice's mean fundamental frequency
 * @property {number} lead leading silence in seconds, so that speech does not always start at the first frame
 */

const splits = ['train', 'dev', 'test'];
// Three men and then a woman: a voice that the base model has no idea of.
const oldVoices = ['awb', 'rms', 'kal16'];
const newVoice = 'slt';
const sizes = {
  base: { train: 2400, dev: 60, test: 120 },
  newVoice: { train: 480, dev: 60, test: 160, replay: 240 },
};

/** Clips of one split: sentences drawn until they fit; no sentence of dev or test comes twice. */
function clipsOf(split, count, { random, prefix, voices, words, fits = () => true }) {
  const clips = [];
  const seen = new Set();
  while (clips.length < count) {
    const text = sentence(random, words);
    if (splitOf(text) !== split || !fits(text, clips.length)) continue;
    if (split !== 'train' && seen.has(text)) continue;
    seen.add(text);
    clips.push({
      file: `${prefix}_${split}_${String(clips.length).padStart(4, '0')}.wav`,
      split,
      text,
      voice: voices[clips.length % voices.length],
      stretch: random.uniform(0.75, 1),
      pitch: random.uniform(0.85, 1.2),
      lead: random.uniform(0.02, 0.2),
    });
  }
  return clips;
}

/**
 * Three voices and 34 words, for training from scratch.
 *
 * @returns {Clip[]}
 */
export function baseClips() {
  const source = { random: seededRandom(1), prefix: 'base', voices: oldVoices, words: baseWords };
  return splits.flatMap((split) => clipsOf(split, sizes.base[split], source));
}

/**
 * A fourth voice; every second sentence has a word the base model has never heard.
 *
 * @returns {Clip[]}
 */
export function newVoiceClips() {
  const source = {
    random: seededRandom(2),
    prefix: 'new',
    voices: [newVoice],
    words: extendedWords,
    fits: (text, index) => hasNewWord(text) === (index % 2 === 0),
  };
  return splits.flatMap((split) => clipsOf(split, sizes.newVoice[split], source));
}

/**
 * Training clips of the base set that are trained on again with the new voice: without them the model forgets the old
 * voices.
 *
 * @returns {Clip[]}
 */
export function replayClips() {
  const trained = baseClips().filter((clip) => clip.split === 'train');
  return seededRandom(3).sample(trained, sizes.newVoice.replay);
}
