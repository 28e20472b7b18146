// What texts go through before they are compared, by name.
import { WhisperError } from '../errors.js';
import { basicNormalizer } from '../processor/normalizers/basic.js';
import { englishNormalizer } from '../processor/normalizers/english.js';
import { marksNormalizer } from '../processor/normalizers/marks.js';

/** In the order of reports. */
export const NORMALIZER_NAMES = ['basic', 'english', 'marks', 'none'] as const;

/** `marks` is `basic` that keeps combining marks; `none` compares the texts as they are. */
export type NormalizerName = (typeof NORMALIZER_NAMES)[number];

const NORMALIZERS: Record<NormalizerName, (text: string) => string> = {
  basic: (text) => basicNormalizer(text),
  english: (text) => englishNormalizer(text),
  marks: marksNormalizer,
  none: (text) => text,
};

/** @throws WhisperError `ERR_INVALID_ARGUMENT` for a name that is none */
export function normalizerOf(name: NormalizerName): (text: string) => string {
  if (Object.hasOwn(NORMALIZERS, name)) return NORMALIZERS[name];
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `normalizer must be one of ${NORMALIZER_NAMES.join(', ')}, got ${name}`,
  );
}
