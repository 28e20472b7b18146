// The released models: their sizes, for plans without a download, and where they are.
import type { NativeDims } from '../native.js';

/** width, encoder layers, decoder layers, heads */
type Size = readonly [width: number, encoder: number, decoder: number, heads: number];

const SIZES: Record<string, Size> = {
  tiny: [384, 4, 4, 6],
  base: [512, 6, 6, 8],
  small: [768, 12, 12, 12],
  medium: [1024, 24, 24, 16],
  large: [1280, 32, 32, 20],
  'large-v1': [1280, 32, 32, 20],
  'large-v2': [1280, 32, 32, 20],
  'large-v3': [1280, 32, 32, 20],
  'large-v3-turbo': [1280, 32, 4, 20],
  'distil-small.en': [768, 12, 4, 12],
  'distil-medium.en': [1024, 24, 2, 16],
  'distil-large-v2': [1280, 32, 2, 20],
  'distil-large-v3': [1280, 32, 2, 20],
  'distil-large-v3.5': [1280, 32, 2, 20],
};
const ENGLISH_ONLY = ['tiny', 'base', 'small', 'medium'];

/** Names of the released models: `tiny` … `large-v3-turbo`, `distil-…`, and the English-only `tiny.en` …. */
export const RELEASED: readonly string[] = Object.keys(SIZES).flatMap((name) =>
  ENGLISH_ONLY.includes(name) ? [name, `${name}.en`] : [name],
);

/** The name without `openai/whisper-`; undefined where no released model has it. */
function shortName(name: string): string | undefined {
  const short = name
    .toLowerCase()
    .replace(/^(openai|distil-whisper)\//, '')
    .replace(/^whisper-/, '')
    .replace(/^turbo$/, 'large-v3-turbo');
  return RELEASED.includes(short) ? short : undefined;
}

/** Where a released model is on the Hub: `openai/whisper-small` for `small`; undefined for any other name. */
export function releasedId(name: string): string | undefined {
  const short = shortName(name);
  if (short === undefined) return undefined;
  return short.startsWith('distil-') ? `distil-whisper/${short}` : `openai/whisper-${short}`;
}

/** Sizes of a released model by name, with or without `openai/whisper-`; undefined for any other name. */
export function releasedDims(name: string): NativeDims | undefined {
  const short = shortName(name);
  if (short === undefined) return undefined;
  const english = short.endsWith('.en');
  const [width, encoder, decoder, heads] = SIZES[short] ?? SIZES[short.replace(/\.en$/, '')]!;
  // large-v3 and what came of it hear 128 bands and know one language more.
  const third = short.includes('v3');
  const vocab = english ? 51864 : third ? 51866 : 51865;
  const end = english ? 50256 : 50257;
  return {
    mels: third ? 128 : 80,
    source: 1500,
    target: 448,
    width,
    encoderLayers: encoder,
    encoderHeads: heads,
    encoderFfn: 4 * width,
    decoderLayers: decoder,
    decoderHeads: heads,
    decoderFfn: 4 * width,
    vocab,
    padding: end,
    start: end + 1,
  };
}
