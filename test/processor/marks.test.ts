// The mark-preserving normaliser, script by script.
import { describe, expect, it } from 'vitest';
import { basicNormalizer } from '../../src/processor/normalizers/basic.js';
import { marksNormalizer } from '../../src/processor/normalizers/marks.js';

describe('marksNormalizer', () => {
  it.each([
    ['Devanagari', 'हिन्दी में, लिखा है।', 'हिन्दी में लिखा है '],
    ['Bengali', 'আমি বাংলায় গান গাই।', 'আমি বাংলায় গান গাই '.normalize('NFKC')],
    ['Tamil', '“தமிழ்” மொழி!', ' தமிழ் மொழி '],
    ['Malayalam', 'മലയാളം.', 'മലയാളം '],
    ['Thai', 'ก็ได้ (ครับ) ไม่เป็นไร', 'ก็ได้ ไม่เป็นไร'],
    ['Burmese', 'မြန်မာစာ၊ ကို', 'မြန်မာစာ ကို'],
    ['Khmer', 'ភាសាខ្មែរ។', 'ភាសាខ្មែរ '],
    ['Arabic with harakat', 'السَّلَامُ عَلَيْكُمْ، يا صديقي؟', 'السَّلَامُ عَلَيْكُمْ يا صديقي '.normalize('NFKC')],
    ['Hebrew with niqqud', 'שָׁלוֹם, עוֹלָם!', 'שָׁלוֹם עוֹלָם '.normalize('NFKC')],
    ['Latin', '¡Hola, GÜEY! [ruido] Ça va?', ' hola güey ça va '],
    ['Vietnamese', 'Tiếng Việt.', 'tiếng việt '],
    ['Yoruba, marks with no composed letter', 'Ẹ̀kọ́ Yorùbá', 'ẹ̀kọ́ yorùbá'.normalize('NFKC')],
    ['Japanese', 'が、ガ', 'が ガ'.normalize('NFKC')],
  ])('%s', (_, text, expected) => {
    expect(marksNormalizer(text)).toBe(expected);
  });

  it('makes two ways of writing a letter one', () => {
    expect(marksNormalizer('cafe\u0301')).toBe(marksNormalizer('caf\u00e9'));
    expect(marksNormalizer('\u0915\u093c')).toBe(marksNormalizer('\u0958'));
  });

  it('leaves nothing of a symbol, its variation selector and its joiners', () => {
    expect(marksNormalizer('I ❤️ you')).toBe('i you');
    expect(marksNormalizer('a 👨‍👩‍👧 b')).toBe('a b');
    expect(marksNormalizer('1️⃣ and 2⃣')).toBe('1 and 2');
    expect(marksNormalizer('a \u0301b')).toBe('a b');
  });

  it('is the basic normaliser where there are no marks', () => {
    for (const text of ['Straße 12, [x] (y)', 'l’eau d’été', '100 % — sí', '<a> 東京は、夜。', '']) {
      expect(marksNormalizer(text)).toBe(basicNormalizer(text));
    }
  });

  it('keeps joiners inside words, which are no marks', () => {
    expect(marksNormalizer('می\u200cروم')).toBe('می\u200cروم');
    expect(marksNormalizer('क्\u200dष')).toBe('क्\u200dष');
  });
});
