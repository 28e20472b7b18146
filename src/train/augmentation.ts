// The options of augmentation as texts, and what they come to.
import { Augmentation } from '../data/augment.js';
import { WhisperError } from '../errors.js';
import type { TrainingArguments } from './arguments.js';
import type { Form } from './option.js';

const SPEED = '(?:0?\\.[5-9]\\d*|1(?:\\.\\d*)?|2(?:\\.0*)?)';

/** One or several speeds. */
export const SPEEDS_FORM: Form = {
  pattern: new RegExp(`^ *${SPEED} *(?:, *${SPEED} *)*$`),
  words: 'speeds from 0.5 to 2 with commas between them, as 0.9,1.0,1.1',
  placeholder: 'X,X,...',
};

/** One number, or the least and the most. */
export const RANGE_FORM: Form = {
  pattern: /^ *-?\d+(?:\.\d+)? *(?:, *-?\d+(?:\.\d+)? *)?$/,
  words: 'a number, or the least and the most with a comma between them, as 10,30',
  placeholder: 'LEAST,MOST',
};

const numbers = (text: string): number[] => text.split(',').map(Number);

/**
 * What changes the audio; undefined where nothing does.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for options that contradict each other
 */
export function augmentationOf(options: TrainingArguments): Augmentation | undefined {
  const { speedPerturbation, noiseProbability: probability, noiseSnrDb, noiseFolder: folder } = options;
  const [least, most = least] = numbers(noiseSnrDb) as [number, number?];
  if (least > most) {
    refuse(`noise_snr_db must have the least before the most, got ${noiseSnrDb}`);
  }
  if (folder !== undefined && probability === 0) {
    refuse(`noise_folder needs a noise_probability above 0, the share of the clips that noise is added to`);
  }
  if (speedPerturbation === undefined && probability === 0) return undefined;
  return new Augmentation({
    ...(speedPerturbation !== undefined && { speeds: numbers(speedPerturbation) }),
    ...(probability > 0 && {
      noise: { probability, snr: [least, most], ...(folder !== undefined && { folder }) },
    }),
  });
}

function refuse(message: string): never {
  throw new WhisperError('ERR_INVALID_ARGUMENT', message);
}
