// A text normaliser that keeps combining marks: for scripts whose vowels and tones are marks.
import { removeBracketed } from './basic.js';
import { collapseSpaces } from './python-text.js';

// A symbol takes along the marks and joiners that shape it: the variation selector of an emoji, the parts of a family.
const SYMBOLS = /[\p{S}\p{P}][\p{M}\u200d]*/gu;
// Marks that belong to no letter: variation selectors say how a character looks, enclosing marks draw a box around it.
const SHAPES = /[\p{Me}\p{Variation_Selector}]/gu;
// What is left at the beginning of a word carries nothing.
const ORPHANS = /(?<![\p{L}\p{N}\p{M}\u200c\u200d])\p{M}+/gu;

/**
 * As `basicNormalizer`, but combining marks (Unicode category M) stay with their letters: `"हिन्दी।"` gives `"हिन्दी "`
 * where the basic one gives `"ह न द "`. Without it error rates of Indic, Thai, Burmese, Khmer and vocalised Arabic and
 * Hebrew texts leave out the vowels and come out too low or, as words are torn apart, too high. Ends are not trimmed.
 *
 * Text in NFKC, so that one letter written in two ways is one. Source of the problem: Manohar, Pillai & Sherly, "What is lost in
 * Normalization? Exploring Pitfalls in Multilingual ASR Model Evaluations", EMNLP 2024 (arXiv 2409.02449).
 */
export function marksNormalizer(text: string): string {
  const clean = removeBracketed(text.toLowerCase())
    .normalize('NFKC')
    .replace(SYMBOLS, ' ')
    .replace(SHAPES, '')
    .replace(ORPHANS, '')
    .toLowerCase();
  return collapseSpaces(clean);
}
