// The operation mask-spans of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, randn, spaced } from '../helpers/ops.js';

describe('maskSpans', () => {
  it('zeroes rectangles, overlapping and empty ones too, of dense and spaced features', () => {
    const [batch, time, mels] = [3, 11, 17];
    const x = randn(batch * time * mels, 1);
    const spans = [
      [0, 2, 5, 0, 17],
      [0, 0, 11, 3, 6],
      [2, 10, 11, 16, 17],
      [1, 4, 4, 0, 17],
      [2, 0, 11, 5, 5],
    ];
    const inside = (b: number, t: number, m: number) =>
      spans.some(([at, t0, t1, m0, m1]) => b === at && t >= t0! && t < t1! && m >= m0! && m < m1!);
    const expected = x.map((v, i) =>
      inside(Math.floor(i / (time * mels)), Math.floor(i / mels) % time, i % mels) ? 0 : v,
    );
    for (const { name, ops } of backends) {
      for (const features of [dense(x, batch, time, mels), spaced(x, batch, time, mels)]) {
        ops.maskSpans!(features, dense(Int32Array.from(spans.flat()), spans.length, 5));
        expectSame(name, elements(features), expected);
      }
    }
  });

  it.each([
    [2, 0, 1, 0, 1],
    [-1, 0, 1, 0, 1],
    [0, 3, 2, 0, 1],
    [0, 0, 5, 0, 1],
    [0, 0, 1, 0, 4],
    [0, 0, 1, -1, 2],
  ])('refuses the span %i, %i, %i, %i, %i', (...span) => {
    const x = dense(randn(24, 1), 2, 4, 3);
    expect(() => backends[0]!.ops.maskSpans!(x, dense(Int32Array.from(span), 1, 5))).toThrow(
      `mask_spans: span 0 is {${span.join(', ')}}, outside x [2, 4, 3]`,
    );
  });
});
