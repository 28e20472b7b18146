// The operation attention of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, type Operand, poisoned, randn, spaced } from '../helpers/ops.js';
import { type AttentionShape, attention, attentionBackward } from '../reference/attention.js';

const of = (
  batch: number,
  time: number,
  source: number,
  heads: number,
  size: number,
  causal = false,
): AttentionShape => ({ batch, time, source, heads, width: heads * size, causal });

// Head size 64 as in every released model, and others; queries and keys each side of vector and tile widths; one query
// against a cache; causal with a longer source.
const shapes: AttentionShape[] = [
  of(1, 1, 1, 1, 1),
  of(1, 1, 2, 1, 64),
  of(2, 3, 5, 2, 8),
  of(1, 7, 7, 3, 5, true),
  of(1, 17, 17, 1, 64, true),
  of(2, 16, 33, 2, 64),
  of(1, 31, 64, 1, 64),
  of(1, 33, 65, 2, 64),
  of(1, 64, 64, 1, 64, true),
  of(1, 65, 65, 2, 64, true),
  of(2, 1, 129, 2, 64, true),
  of(1, 5, 40, 1, 64, true),
  of(1, 130, 130, 1, 32, true),
  of(1, 97, 200, 1, 64),
  of(1, 20, 513, 1, 17),
  of(3, 2, 1, 2, 16),
];

function inputsOf({ batch, time, source, width }: AttentionShape) {
  return {
    q: randn(batch * time * width, 1),
    k: randn(batch * source * width, 2),
    v: randn(batch * source * width, 3),
  };
}

const terms = ({ source, time, width, heads }: AttentionShape) => Math.max(source, time, width / heads);

describe('attention', () => {
  it.each(shapes)('%o', (shape) => {
    const { batch, time, source, width, heads, causal } = shape;
    const inputs = inputsOf(shape);
    const budget = budgetOf(({ q, k, v }) => attention(q, k, v, shape), inputs, {
      width: { o: width },
      terms: terms(shape),
    });
    for (const { name, ops } of backends) {
      const [o, lse] = [poisoned(batch, time, width), poisoned(batch, heads, time)];
      const q = dense(inputs.q, batch, time, width);
      const [k, v] = [dense(inputs.k, batch, source, width), dense(inputs.v, batch, source, width)];
      ops.attention!(o, lse, q, k, v, heads, causal, {});
      budget.check(name, { o, lse });

      const oAlone = poisoned(batch, time, width);
      ops.attention!(oAlone, null, q, k, v, heads, causal, {});
      expectSame(`${name}: o without lse`, oAlone.data, o.data);

      const oSpaced = spaced(null, batch, time, width);
      const [kSpaced, vSpaced] = [inputs.k, inputs.v].map((x) => spaced(x, batch, source, width));
      ops.attention!(
        oSpaced,
        null,
        spaced(inputs.q, batch, time, width),
        kSpaced!,
        vSpaced!,
        heads,
        causal,
        {},
      );
      expectSame(`${name}: spaced`, elements(oSpaced), elements(o));
    }
  });

  it.each(shapes)('backward, %o', (shape) => {
    const { batch, time, source, width, heads, causal } = shape;
    const { q, k, v } = inputsOf(shape);
    const { o, lse } = attention(Float64Array.from(q), Float64Array.from(k), Float64Array.from(v), shape);
    const inputs = {
      d_o: randn(q.length, 4),
      q,
      k,
      v,
      o: Float32Array.from(o),
      lse: Float32Array.from(lse),
    };
    // One scale for all rows: the gradient of a query that sees one key is zero, a difference of equal numbers.
    const budget = budgetOf((i) => attentionBackward(i, shape), inputs, { terms: terms(shape) });
    const queries = [batch, time, width] as const;
    const keys = [batch, source, width] as const;
    for (const { name, ops } of backends) {
      for (const place of [dense, spaced]) {
        const at = (values: Float32Array | null, shape: readonly number[]): Operand =>
          place === spaced ? spaced(values, ...shape) : values ? dense(values, ...shape) : poisoned(...shape);
        const [dq, dk, dv] = [at(null, queries), at(null, keys), at(null, keys)];
        const read = [
          at(inputs.d_o, queries),
          at(q, queries),
          at(k, keys),
          at(v, keys),
          at(inputs.o, queries),
        ];
        ops.attentionBackward!(dq, dk, dv, ...read, dense(inputs.lse, batch, heads, time), heads, causal, {});
        budget.check(`${name} ${place.name}`, { dq, dk, dv });
      }
    }
  });

  it('reads packed queries, keys and values, and writes their gradients packed', () => {
    const shape = of(2, 19, 19, 2, 64, true);
    const { batch, time, width, heads } = shape;
    const { q, k, v } = inputsOf(shape);
    const parts = (data: Float32Array): Operand[] =>
      [0, 1, 2].map((i) => ({ data, shape: [batch, time, width], offset: i * width, rowStride: 3 * width }));
    const packed = new Float32Array(batch * time * 3 * width);
    for (let r = 0; r < batch * time; r++) {
      for (const [i, x] of [q, k, v].entries()) {
        packed.set(x.subarray(r * width, (r + 1) * width), (3 * r + i) * width);
      }
    }
    const d_o = dense(randn(q.length, 4), batch, time, width);
    for (const { name, ops } of backends) {
      const apart = [q, k, v].map((x) => dense(x, batch, time, width));
      const outputs = () => [poisoned(batch, time, width), poisoned(batch, heads, time)] as const;
      const [[o, lse], [oPacked, lsePacked]] = [outputs(), outputs()];
      ops.attention!(o, lse, ...apart, heads, true, {});
      ops.attention!(oPacked, lsePacked, ...parts(packed), heads, true, {});
      expectSame(name, oPacked.data, o.data);
      const gradients = [q, k, v].map(() => poisoned(batch, time, width));
      const together = parts(new Float32Array(packed.length).fill(Number.NaN));
      ops.attentionBackward!(...gradients, d_o, ...apart, o, lse, heads, true, {});
      ops.attentionBackward!(...together, d_o, ...parts(packed), o, lse, heads, true, {});
      for (const [i, gradient] of gradients.entries()) {
        const values = Float64Array.from({ length: q.length }, (_, j) => {
          const [r, c] = [Math.floor(j / width), j % width];
          return together[i]!.data[(3 * r + i) * width + c]!;
        });
        expectSame(`${name}: gradient ${i}`, values, elements(gradient));
      }
    }
  });

  it('stays finite where scores are far from zero', () => {
    const shape = of(1, 9, 33, 1, 64);
    const inputs = inputsOf(shape);
    inputs.q = inputs.q.map((x) => 40 * x);
    const budget = budgetOf(({ q, k, v }) => attention(q, k, v, shape), inputs, {
      width: { o: 64 },
      terms: terms(shape),
    });
    for (const { name, ops } of backends) {
      const [o, lse] = [poisoned(1, 9, 64), poisoned(1, 1, 9)];
      const [k, v] = [dense(inputs.k, 1, 33, 64), dense(inputs.v, 1, 33, 64)];
      ops.attention!(o, lse, dense(inputs.q, 1, 9, 64), k, v, 1, false, {});
      budget.check(name, { o, lse });
    }
  });

  it('refuses heads that do not divide the width', () => {
    const x = () => dense(randn(10, 1), 1, 2, 5);
    expect(() => backends[0]!.ops.attention!(poisoned(1, 2, 5), null, x(), x(), x(), 2, false, {})).toThrow(
      /attention: .*heads/,
    );
  });
});
