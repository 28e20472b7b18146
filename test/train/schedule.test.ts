// Learning rates against values of transformers' schedules, and SpecAugment's spans against its rules.
import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../../src/model/config.js';
import { trainingArguments } from '../../src/train/arguments.js';
import { learningRateAt, SCHEDULES, scheduleFactor } from '../../src/train/schedule.js';
import { maskSpans, spanCount, specAugment } from '../../src/train/spec-augment.js';

describe('schedules', () => {
  // transformers 5.17, get_scheduler(name, AdamW(lr=1), num_warmup_steps=W, num_training_steps=10): lr before each step.
  const golden: [string, number, number[]][] = [
    ['linear', 0, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]],
    ['linear', 4, [0, 0.25, 0.5, 0.75, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]],
    ['constant', 4, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ['constant_with_warmup', 4, [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]],
    [
      'cosine',
      0,
      [
        1, 0.975528258, 0.904508497, 0.793892626, 0.654508497, 0.5, 0.345491503, 0.206107374, 0.095491503,
        0.024471742,
      ],
    ],
    ['cosine', 4, [0, 0.25, 0.5, 0.75, 1, 0.933012702, 0.75, 0.5, 0.25, 0.066987298]],
  ];

  it.each(golden)('%s with %i updates of warm-up', (name, warmup, factors) => {
    const schedule = SCHEDULES.find((known) => known === name)!;
    factors.forEach((factor, update) => {
      expect(scheduleFactor(schedule, update, warmup, 10), `update ${update}`).toBeCloseTo(factor, 9);
    });
  });

  it('end at zero and stay there', () => {
    expect(scheduleFactor('linear', 10, 4, 10)).toBe(0);
    expect(scheduleFactor('linear', 12, 4, 10)).toBe(0);
    expect(scheduleFactor('cosine', 10, 4, 10)).toBeCloseTo(0, 12);
  });

  it('take the ratio where there are no steps of warm-up', () => {
    const settings = {
      learningRate: 2,
      lrSchedulerType: 'linear',
      warmupSteps: 0,
      warmupRatio: 0.31,
    } as const;
    expect(learningRateAt(settings, 1, 10)).toBe(0.5);
    expect(learningRateAt({ ...settings, warmupSteps: 2 }, 1, 10)).toBe(1);
    // One is a number of updates, and below it a share of them.
    expect(learningRateAt({ ...settings, warmupSteps: 1 }, 1, 10)).toBe(2);
    expect(learningRateAt({ ...settings, warmupSteps: 0.4 }, 1, 10)).toBe(0.5);
  });
});

describe('SpecAugment', () => {
  it.each([
    // probability, length, minimum, size, rounding, count: _compute_mask_indices of transformers
    [0.05, 10, 2, 3000, 0.5, 15],
    [0.05, 10, 2, 300, 0, 2],
    [0.05, 10, 2, 300, 0.6, 2],
    [0.2, 10, 0, 80, 0.3, 1],
    [0.2, 10, 0, 80, 0.5, 2],
    [0, 10, 2, 300, 0.9, 0],
    [1, 30, 0, 80, 0.9, 2],
    [1, 80, 0, 80, 0.9, 1],
  ])(
    'of probability %f and length %i, at least %i, of %i with %f: %i spans',
    (p, length, least, size, e, count) => {
      expect(spanCount(p, length, least, size, e)).toBe(count);
    },
  );

  it('refuses spans longer than the features', () => {
    expect(() => spanCount(0.05, 81, 0, 80, 0)).toThrow(
      'SpecAugment cannot mask spans of 81 in 80 frames or mels',
    );
  });

  const config = parseModelConfig({
    apply_spec_augment: true,
    max_source_positions: 150,
    mask_time_prob: 0.2,
    mask_feature_prob: 0.3,
    mask_feature_length: 8,
  });
  const rowsFrom = (first: number, count: number, samples = 48000) =>
    Array.from({ length: count }, (_, i) => ({ id: `row ${first + i}`, samples }));
  const spansOf = (seed: number, number: number, count = 3, samples = 48000) => {
    const flat = maskSpans(config, rowsFrom(3 * number, count, samples), seed, 0) ?? new Int32Array(0);
    return Array.from({ length: flat.length / 5 }, (_, i) => [...flat.subarray(5 * i, 5 * i + 5)]);
  };

  it('masks whole frames and whole bands inside the features, each start once', () => {
    for (let number = 0; number < 50; number++) {
      const spans = spansOf(1, number);
      for (let row = 0; row < 3; row++) {
        const mine = spans.filter(([of]) => of === row);
        const times = mine.filter(([, , , first, end]) => first === 0 && end === 80);
        const bands = mine.filter(([, first, end]) => first === 0 && end === 300);
        expect(times.length).toBe(6);
        expect([3, 4]).toContain(bands.length);
        expect(times.length + bands.length).toBe(mine.length);
        for (const [, first, end] of times) {
          expect(first! >= 0 && end! <= 300 && end! - first! === 10).toBe(true);
        }
        for (const [, , , first, end] of bands) {
          expect(first! >= 0 && end! <= 80 && end! - first! === 8).toBe(true);
        }
        expect(new Set(times.map(([, first]) => first)).size).toBe(times.length);
        expect(new Set(bands.map(([, , , first]) => first)).size).toBe(bands.length);
      }
    }
  });

  it('draws from seed and place alone, and evenly', () => {
    expect(spansOf(1, 7)).toEqual(spansOf(1, 7));
    expect(spansOf(1, 7)).not.toEqual(spansOf(1, 8));
    expect(spansOf(2, 7)).not.toEqual(spansOf(1, 7));
    const starts = Array.from({ length: 400 }, (_, number) => spansOf(3, number, 1))
      .flat()
      .filter(([, , , first, end]) => first === 0 && end === 80)
      .map(([, first]) => first!);
    expect(Math.min(...starts)).toBe(0);
    expect(Math.max(...starts)).toBe(290);
    const mean = starts.reduce((sum, start) => sum + start, 0) / starts.length;
    // 2,400 draws from [0, 290]: a deviation of 1.7 frames.
    expect(Math.abs(mean - 145)).toBeLessThan(7);
  });

  it('does nothing unless the configuration asks for it', () => {
    expect(maskSpans({ ...config, apply_spec_augment: false }, rowsFrom(0, 2), 1, 0)).toBeUndefined();
  });

  it('masks a row the same in whichever micro-batch it comes, and otherwise in each pass', () => {
    const ofRow = (flat: Int32Array, row: number) =>
      Array.from({ length: flat.length / 5 }, (_, i) => [...flat.subarray(5 * i, 5 * i + 5)])
        .filter(([of]) => of === row)
        .map(([, ...place]) => place);
    const four = maskSpans(config, rowsFrom(0, 4), 1, 2)!;
    const two = maskSpans(config, rowsFrom(2, 2), 1, 2)!;
    expect(ofRow(two, 0)).toEqual(ofRow(four, 2));
    expect(ofRow(two, 1)).toEqual(ofRow(four, 3));
    expect(ofRow(two, 0)).not.toEqual(ofRow(two, 1));
    expect(ofRow(maskSpans(config, rowsFrom(2, 2), 1, 3)!, 0)).not.toEqual(ofRow(two, 0));
  });

  it('masks frames of the audio only, and none of audio that is shorter than a mask', () => {
    // 0.5 s are 50 of the 300 frames: a share of 0.2 is one mask of 10, and at least two are asked for.
    for (let number = 0; number < 20; number++) {
      const times = spansOf(1, number, 3, 8000).filter(([, , , first, end]) => first === 0 && end === 80);
      expect(times.map(([row]) => row)).toEqual([0, 0, 1, 1, 2, 2]);
      for (const [, , end] of times) expect(end!).toBeLessThanOrEqual(50);
    }
    expect(spansOf(1, 0, 3, 9 * 160).filter(([, first]) => first !== 0)).toEqual([]);
  });

  it('does as the options say, before what the configuration says', async () => {
    const plain = parseModelConfig({ mask_time_length: 7, mask_feature_prob: 0.1 });
    const options = trainingArguments({ outputDir: 'out', applySpecAugment: true, maskTimeProb: 0.3 });
    expect(specAugment(options, plain)).toEqual({
      ...plain,
      apply_spec_augment: true,
      mask_time_prob: 0.3,
    });
    const off = trainingArguments({ outputDir: 'out', applySpecAugment: false });
    expect(specAugment(off, config).apply_spec_augment).toBe(false);
    const inert = trainingArguments({ outputDir: 'out', maskTimeLength: 5 });
    expect(specAugment(inert, config).mask_time_length).toBe(5);
    expect(() => specAugment(inert, plain)).toThrow('mask_time_length needs apply_spec_augment');
  });
});
