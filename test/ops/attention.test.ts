// The operation attention of native/ops.def against its equation in float64, on every instruction set and in every dtype.
import { describe, expect, it } from 'vitest';
import { type Budget, budgetOf, expectSame } from '../helpers/compare.js';
import { backends, narrowProducts } from '../helpers/native.js';
import {
  dense,
  elements,
  noise,
  type Operand,
  poisoned,
  randn,
  rounded,
  type Storage,
  spaced,
  storages,
  stored,
} from '../helpers/ops.js';
import { type AttentionShape, attention, attentionBackward } from '../reference/attention.js';
import { dropoutFactors } from '../reference/philox.js';

const of = (
  batch: number,
  time: number,
  source: number,
  heads: number,
  size: number,
  causal = false,
): AttentionShape => ({ batch, time, source, heads, width: heads * size, causal });

// Head size 64 as in every released model, and others; queries and keys each side of vector and tile widths; one query
// against a cache; causal with a longer source; heads enough not to be cut, with more keys than one pass takes; few queries
// over several parts of the keys, the last of which the first query does not see.
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
  of(2, 1, 37, 2, 64, true),
  of(1, 5, 40, 1, 64, true),
  of(1, 130, 130, 1, 32, true),
  of(1, 97, 200, 1, 64),
  of(1, 20, 513, 1, 17),
  of(3, 2, 1, 2, 16),
  of(4, 2, 677, 4, 1),
  of(2, 2, 300, 3, 12),
  of(1, 4, 258, 3, 20, true),
  of(1, 150, 190, 1, 64, true),
];
// What differs with 16 bits is how rows are read and written, and where gradients are summed up; and that GPUs have
// kernels of their own for heads of 64.
const shapesIn = (storage: Storage) =>
  storage === 'f32' ? shapes : shapes.filter(({ width, heads }, i) => i % 2 === 0 || width === 64 * heads);

// Rows of every length modulo the generator's four numbers, few queries, and tiles beyond the first.
const droppedShapes: AttentionShape[] = [
  of(1, 1, 1, 1, 1),
  of(2, 2, 6, 2, 8),
  of(1, 7, 7, 3, 5, true),
  of(2, 16, 33, 2, 16),
  of(1, 101, 230, 1, 16),
  of(1, 130, 130, 2, 8, true),
  of(2, 3, 236, 1, 8),
  of(1, 70, 131, 2, 64, true),
];
const dropout = { rate: 0.3, key: 2 ** 40 + 12345, stream: 2 ** 45 + 6789 };

const inputsOf = ({ batch, time, source, width }: AttentionShape, storage: Storage = 'f32') => ({
  q: noise(batch * time * width, 1, storage),
  k: noise(batch * source * width, 2, storage),
  v: noise(batch * source * width, 3, storage),
});

function gradientInputsOf(shape: AttentionShape, storage: Storage = 'f32') {
  const inputs = inputsOf(shape, storage);
  const { q, k, v } = inputs;
  const { o, lse } = attention(Float64Array.from(q), Float64Array.from(k), Float64Array.from(v), shape);
  return {
    ...inputs,
    d_o: noise(q.length, 4, storage),
    o: Float32Array.from(o, (x) => rounded(x, storage)),
    lse: Float32Array.from(lse),
  };
}

const terms = ({ source, time, width, heads }: AttentionShape) => Math.max(source, time, width / heads);

/**
 * Inputs are exact, so that what comes out may be off by f32 arithmetic and one rounding to its storage; but where
 * products are narrow the probabilities are rounded to the storage as well, which costs as much as if the inputs were.
 */
const forwardBudget = (
  shape: AttentionShape,
  storage: Storage,
  inputs: ReturnType<typeof inputsOf> = inputsOf(shape, storage),
) =>
  byProducts(storage, (narrow) =>
    budgetOf(({ q, k, v }) => attention(q, k, v, shape), inputs, {
      width: { o: shape.width },
      terms: terms(shape),
      storage: { q: narrow, k: narrow, v: narrow, o: storage },
    }),
  );

/** One scale for all rows: the gradient of a query that sees one key is zero, a difference of equal numbers. */
const backwardBudget = (shape: AttentionShape, storage: Storage) =>
  byProducts(storage, (narrow) =>
    budgetOf((inputs) => attentionBackward(inputs, shape), gradientInputsOf(shape, storage), {
      terms: terms(shape),
      storage: { q: narrow, k: narrow, v: narrow, d_o: narrow, dq: storage, dk: storage, dv: storage },
    }),
  );

/** The budget of each back end by what its products are made of. */
function byProducts<Name extends string>(storage: Storage, make: (narrow: Storage) => Budget<Name>) {
  const budgets = { wide: make('f32'), narrow: storage === 'bf16' ? make(storage) : undefined };
  return {
    check: (backend: string, made: Parameters<Budget<Name>['check']>[1], where = backend) =>
      ((narrowProducts(backend, storage) && budgets.narrow) || budgets.wide).check(where, made),
  };
}

const withFactors = (shape: AttentionShape): AttentionShape => ({
  ...shape,
  factors: dropoutFactors(dropout, shape.batch * shape.heads * shape.time * shape.source),
});

describe.each(storages)('attention in %s', (storage) => {
  /** Inputs, or with null an output, in the storage. */
  const at = (place: 'dense' | 'spaced', values: Float32Array | null, ...shape: number[]): Operand => {
    const operand =
      place === 'spaced' ? spaced(values, ...shape) : values ? dense(values, ...shape) : poisoned(...shape);
    return stored(operand, storage);
  };

  it.each(shapesIn(storage))('%o', (shape) => {
    const { batch, time, source, width, heads, causal } = shape;
    const inputs = inputsOf(shape, storage);
    const budget = forwardBudget(shape, storage);
    const [inDense, inSpaced] = (['dense', 'spaced'] as const).map((place) => [
      at(place, inputs.q, batch, time, width),
      at(place, inputs.k, batch, source, width),
      at(place, inputs.v, batch, source, width),
    ]);
    for (const { name, ops } of backends) {
      const run = (place: 'dense' | 'spaced', lse: Operand | null) => {
        const o = at(place, null, batch, time, width);
        ops.attention!(o, lse, ...(place === 'dense' ? inDense! : inSpaced!), heads, causal, {});
        return o;
      };
      const lse = poisoned(batch, heads, time);
      const o = run('dense', lse);
      budget.check(name, { o, lse });
      expectSame(`${name}: o without lse`, elements(run('dense', null)), elements(o));
      expectSame(`${name}: spaced`, elements(run('spaced', null)), elements(o));
    }
  });

  it.each(shapesIn(storage))('backward, %o', (shape) => {
    const { batch, time, source, width, heads, causal } = shape;
    const inputs = gradientInputsOf(shape, storage);
    const budget = backwardBudget(shape, storage);
    const [queries, keys] = [
      [batch, time, width],
      [batch, source, width],
    ] as const;
    for (const place of ['dense', 'spaced'] as const) {
      const [d_o, q, o] = [inputs.d_o, inputs.q, inputs.o].map((x) => at(place, x, ...queries));
      const [k, v] = [inputs.k, inputs.v].map((x) => at(place, x, ...keys));
      const lse = dense(inputs.lse, batch, heads, time);
      for (const { name, ops } of backends) {
        const [dq, dk, dv] = [queries, keys, keys].map((rows) => at(place, null, ...rows));
        ops.attentionBackward!(dq, dk, dv, d_o, q, k, v, o, lse, heads, causal, {});
        budget.check(name, { dq: dq!, dk: dk!, dv: dv! }, `${name} ${place}`);
      }
    }
  });

  it.each(droppedShapes)('with dropout, and backward, %o', (plain) => {
    const shape = withFactors(plain);
    const { batch, time, source, width, heads, causal } = shape;
    const inputs = gradientInputsOf(shape, storage);
    const [forward, backward] = [forwardBudget(shape, storage), backwardBudget(shape, storage)];
    const [d_o, q, o] = [inputs.d_o, inputs.q, inputs.o].map((x) => at('dense', x, batch, time, width));
    const [k, v] = [inputs.k, inputs.v].map((x) => at('dense', x, batch, source, width));
    const lse = dense(inputs.lse, batch, heads, time);
    for (const { name, ops } of backends) {
      const made = { o: at('dense', null, batch, time, width), lse: poisoned(batch, heads, time) };
      ops.attention!(made.o, made.lse, q, k, v, heads, causal, dropout);
      forward.check(name, made);

      const dq = at('dense', null, batch, time, width);
      const [dk, dv] = [k, v].map(() => at('dense', null, batch, source, width));
      ops.attentionBackward!(dq, dk, dv, d_o, q, k, v, o, lse, heads, causal, dropout);
      backward.check(name, { dq, dk: dk!, dv: dv! });
    }
  });

  it('reads packed queries, keys and values, and writes their gradients packed', () => {
    const shape = of(2, 19, 19, 2, 64, true);
    const { batch, time, width, heads } = shape;
    const { q, k, v } = inputsOf(shape, storage);
    const parts = (values: Float32Array): Operand[] => {
      const { data, ...type } = stored({ data: values, shape: [] }, storage);
      return [0, 1, 2].map((i) => ({
        ...type,
        data,
        shape: [batch, time, width],
        offset: i * width,
        rowStride: 3 * width,
      }));
    };
    const packed = new Float32Array(batch * time * 3 * width);
    for (let r = 0; r < batch * time; r++) {
      for (const [i, x] of [q, k, v].entries()) {
        packed.set(x.subarray(r * width, (r + 1) * width), (3 * r + i) * width);
      }
    }
    const d_o = at('dense', noise(q.length, 4, storage), batch, time, width);
    for (const { name, ops } of backends) {
      const apart = [q, k, v].map((x) => at('dense', x, batch, time, width));
      const outputs = () => [at('dense', null, batch, time, width), poisoned(batch, heads, time)] as const;
      const [[o, lse], [oPacked, lsePacked]] = [outputs(), outputs()];
      ops.attention!(o, lse, ...apart, heads, true, {});
      ops.attention!(oPacked, lsePacked, ...parts(packed), heads, true, {});
      expectSame(name, elements(oPacked), elements(o));
      const gradients = [q, k, v].map(() => at('dense', null, batch, time, width));
      const together = parts(new Float32Array(packed.length).fill(Number.NaN));
      ops.attentionBackward!(...gradients, d_o, ...apart, o, lse, heads, true, {});
      ops.attentionBackward!(...together, d_o, ...parts(packed), o, lse, heads, true, {});
      const all = elements({ ...together[0]!, shape: [batch, time, 3 * width], offset: 0 });
      for (const [i, gradient] of gradients.entries()) {
        const values = all.filter((_, j) => Math.floor((j % (3 * width)) / width) === i);
        expectSame(`${name}: gradient ${i}`, values, elements(gradient));
      }
    }
  });

  it('stays finite where scores are far from zero', () => {
    const shape = of(1, 9, 33, 1, 64);
    const inputs = inputsOf(shape, storage);
    inputs.q = inputs.q.map((x) => 32 * x);
    const budget = forwardBudget(shape, storage, inputs);
    for (const { name, ops } of backends) {
      const [o, lse] = [at('dense', null, 1, 9, 64), poisoned(1, 1, 9)];
      const [k, v] = [inputs.k, inputs.v].map((x) => at('dense', x, 1, 33, 64));
      ops.attention!(o, lse, at('dense', inputs.q, 1, 9, 64), k, v, 1, false, {});
      budget.check(name, { o, lse });
    }
  });

  // What exponents are counted from has to move on, and what was summed up before with it.
  it('follows scores that grow from key to key', () => {
    const shape = of(1, 33, 700, 1, 64);
    const inputs = inputsOf(shape, storage);
    inputs.q = inputs.q.map((x, i) => (i % 64 === 0 ? 4 : x));
    inputs.k = inputs.k.map((x, i) =>
      i % 64 === 0 ? rounded(i / 64 / 35, storage) : rounded(x / 4, storage),
    );
    const budget = forwardBudget(shape, storage, inputs);
    for (const { name, ops } of backends) {
      const [o, lse] = [at('dense', null, 1, 33, 64), poisoned(1, 1, 33)];
      const [k, v] = [inputs.k, inputs.v].map((x) => at('dense', x, 1, 700, 64));
      ops.attention!(o, lse, at('dense', inputs.q, 1, 33, 64), k, v, 1, false, {});
      budget.check(name, { o, lse });
    }
  });

  // A score of a key that a query does not see may be anything.
  it.each([9, 2])('keeps NaN in keys from the %i queries before them', (time) => {
    const inputs = inputsOf(of(1, time, 40, 1, 64), storage);
    for (const { name, ops } of backends) {
      const run = (k: Float32Array) => {
        const [o, lse] = [at('dense', null, 1, time, 64), poisoned(1, 1, time)];
        const [keys, v] = [k, inputs.v].map((x) => at('dense', x, 1, 40, 64));
        ops.attention!(o, lse, at('dense', inputs.q, 1, time, 64), keys, v, 1, true, {});
        return { o: elements(o), lse: elements(lse) };
      };
      const spoilt = run(inputs.k.map((x, i) => (i < 39 * 64 ? x : Number.NaN)));
      const clean = run(inputs.k);
      const seen = time - 1;
      expectSame(`${name}: o`, spoilt.o.slice(0, seen * 64), clean.o.slice(0, seen * 64));
      expectSame(`${name}: lse`, spoilt.lse.slice(0, seen), clean.lse.slice(0, seen));
      expect(spoilt.lse[seen], name).toBeNaN();
    }
  });
});

describe('attention', () => {
  // Dropout whose rate is 0 is none, whatever its key.
  it('without dropout has the same bits however that is said', () => {
    const [q, k, v] = Object.values(inputsOf(of(2, 16, 33, 2, 16)));
    for (const { name, ops } of backends) {
      const run = (how: Record<string, number>) => {
        const o = poisoned(2, 16, 32);
        ops.attention!(
          o,
          null,
          dense(q!, 2, 16, 32),
          dense(k!, 2, 33, 32),
          dense(v!, 2, 33, 32),
          2,
          false,
          how,
        );
        return o.data;
      };
      expectSame(name, run({ rate: 0, key: 5, stream: 6 }), run({}));
    }
  });

  // The workspace is used again by every call, and parts of it are read that nobody wrote for this one.
  it.each(storages)('in %s is not touched by the NaN of an earlier call', (storage) => {
    const shape = of(1, 37, 50, 1, 24);
    const inputs = gradientInputsOf(shape, storage);
    const at = (x: Operand) => stored(x, storage);
    for (const { name, ops } of backends) {
      const run = (change: (x: Float32Array) => Float32Array, rows = 37, source = 50) => {
        const queries = (x: Float32Array) => at(dense(change(x.slice(0, rows * 24)), 1, rows, 24));
        const keys = (x: Float32Array) => at(dense(change(x.slice(0, source * 24)), 1, source, 24));
        const [q, k, v] = [queries(inputs.q), keys(inputs.k), keys(inputs.v)];
        const outputs = [q, k, v, q].map(({ shape }) => at(poisoned(...shape)));
        const [dq, dk, dv, o] = outputs;
        ops.attention!(o, null, q, k, v, 1, false, dropout);
        const lse = dense(change(inputs.lse.slice(0, rows)), 1, 1, rows);
        ops.attentionBackward!(
          dq,
          dk,
          dv,
          queries(inputs.d_o),
          q,
          k,
          v,
          queries(inputs.o),
          lse,
          1,
          false,
          {},
        );
        return outputs.map(elements);
      };
      const same = (x: Float32Array) => x;
      const before = run(same, 5, 7);
      for (const [rows, source] of [
        [37, 50],
        [6, 7],
      ])
        run((x) => x.fill(Number.NaN), rows, source);
      for (const [i, after] of run(same, 5, 7).entries()) {
        expect(after.every(Number.isFinite), `${name}: output ${i}`).toBe(true);
        expectSame(`${name}: output ${i}`, after, before[i]!);
      }
    }
  });

  it('refuses heads that do not divide the width, operands of two dtypes, and a rate that is none', () => {
    const x = () => dense(randn(10, 1), 1, 2, 5);
    const { ops } = backends[0]!;
    expect(() => ops.attention!(poisoned(1, 2, 5), null, x(), x(), x(), 2, false, {})).toThrow(
      /attention: .*heads/,
    );
    expect(() =>
      ops.attention!(poisoned(1, 2, 5), null, x(), stored(x(), 'bf16'), x(), 1, false, {}),
    ).toThrow('attention: k is BF16, expected F32');
    expect(() =>
      ops.attention!(poisoned(1, 2, 5), null, ...[x(), x(), x()].map((y) => stored(y, 'f16')), 1, false, {}),
    ).toThrow('attention: o is F32, expected F16');
    for (const rate of [1, -0.1])
      expect(() => ops.attention!(poisoned(1, 2, 5), null, x(), x(), x(), 1, false, { rate })).toThrow(
        /attention: rate is .*, expected at least 0 and below 1/,
      );
  });
});
