// The operation classifier of native/ops.def against its equation in float64, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame, expectWithin } from '../helpers/compare.js';
import { backends, narrowProducts } from '../helpers/native.js';
import { dense, elements, noise, poisoned, randint, randn, storages, stored } from '../helpers/ops.js';
import { classifier } from '../reference/classifier.js';

const shapes = [
  [1, 1, 1],
  [2, 3, 2],
  [5, 7, 17],
  [16, 16, 16],
  [17, 33, 65],
  [31, 64, 100],
  [70, 20, 513],
  [3, 48, 2100],
].flatMap(([rows, width, vocab]) => storages.map((storage) => [rows!, width!, vocab!, storage] as const));

/** Labels of which every third is ignored, the first never. */
const labelsOf = (rows: number, vocab: number) =>
  randint(rows, 5, vocab).map((label, r) => (r % 3 === 1 ? -100 : label));

describe('classifier', () => {
  it.each(shapes)('%i rows of width %i, vocabulary of %i, in %s', (rows, width, vocab, storage) => {
    const labels = labelsOf(rows, vocab);
    const inputs = {
      x: noise(rows * width, 1, storage),
      weight: noise(vocab * width, 2, storage, 0.5),
      dweight0: randn(vocab * width, 3),
    };
    for (const [scale, smoothing] of [
      [1, 0],
      [0.125, 0.1],
    ] as const) {
      // dweight is f32, but where products are narrow so are the gradients of the logits that it is a product of.
      const budgets = ([false, true] as const).map((narrow) =>
        budgetOf(
          ({ x, weight, dweight0 }) => {
            const { loss, dx, dweight } = classifier(x, weight, labels, { scale, smoothing });
            return { loss, dx, dweight: dweight.map((v, i) => v + dweight0[i]!) };
          },
          inputs,
          {
            width: { dx: width, dweight: width },
            terms: Math.max(rows, width, vocab),
            storage: narrow ? { dx: storage, dweight: storage } : { dx: storage },
          },
        ),
      );
      for (const { name, ops } of backends) {
        const budget = budgets[narrowProducts(name, storage) ? 1 : 0]!;
        const [x, weight] = [dense(inputs.x, rows, width), dense(inputs.weight, vocab, width)];
        const read = [stored(x, storage), dense(labels, rows), stored(weight, storage)];
        const [loss, dx] = [poisoned(rows), stored(poisoned(rows, width), storage)];
        const dweight = dense(inputs.dweight0, vocab, width);
        ops.classifier!(loss, dx, dweight, ...read, scale, smoothing);
        budget.check(name, { loss, dx, dweight });
        for (const [r, label] of labels.entries()) {
          if (label >= 0) continue;
          expectSame(`${name}: ignored loss`, [loss.data[r]!], [0]);
          expectSame(
            `${name}: ignored dx`,
            elements(dx).subarray(r * width, (r + 1) * width),
            Array(width).fill(0),
          );
        }

        const lossAlone = poisoned(rows);
        ops.classifier!(lossAlone, null, null, ...read, scale, smoothing);
        budget.check(`${name}, loss alone`, { loss: lossAlone });
        const [lossFrozen, dxFrozen] = [poisoned(rows), stored(poisoned(rows, width), storage)];
        ops.classifier!(lossFrozen, dxFrozen, null, ...read, scale, smoothing);
        budget.check(`${name}, without dweight`, { loss: lossFrozen, dx: dxFrozen });
      }
    }
  });

  // 2^20 logits in a row, of which eight rows are in memory at a time: two chunks of five and of four rows with a label.
  // A GPU has more memory but no more than 1024 rows at a time; what is added up in another order is not the same there.
  it('goes through many rows in chunks', () => {
    const storage = 'f16';
    for (const { name, ops } of backends) {
      const onGpu = name.startsWith('cuda');
      const [rows, width, vocab, middle] = onGpu ? [1030, 8, 40, 1026] : [11, 2, 1 << 20, 6];
      const labels = randint(rows, 5, vocab).map((label, r) => (r === 2 || r === 7 ? -100 : label));
      const x = stored(dense(noise(rows * width, 1, storage), rows, width), storage);
      const weight = stored(dense(noise(vocab * width, 2, storage), vocab, width), storage);
      const run = (begin: number, end: number, dweight: Float32Array) => {
        const dx = stored(poisoned(end - begin, width), storage);
        const [loss, of] = [poisoned(end - begin), labels.slice(begin, end)];
        const part = { ...x, data: x.data.slice(begin * width, end * width), shape: [end - begin, width] };
        const sums = { data: dweight, shape: [vocab, width] };
        ops.classifier!(loss, dx, sums, part, dense(of, of.length), weight, 0.25, 0.1);
        return [...loss.data, ...elements(dx)];
      };
      const [whole, parts] = [new Float32Array(vocab * width), new Float32Array(vocab * width)];
      const together = run(0, rows, whole);
      const [first, second] = [run(0, middle, parts), run(middle, rows, parts)];
      const outputs = (n: number, of: number[]) => [of.slice(0, n), of.slice(n)] as const;
      const expectSums = (what: string, actual: ArrayLike<number>, expected: ArrayLike<number>) => {
        const largest = Array.from(expected).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
        if (!onGpu) expectSame(what, actual, expected);
        else expectWithin(what, actual, expected, Array(expected.length).fill(1e-6 * largest));
      };
      const [loss, dx] = outputs(rows, together);
      const [[loss1, dx1], [loss2, dx2]] = [outputs(middle, first), outputs(rows - middle, second)];
      expectSums(`${name}: loss`, loss, [...loss1, ...loss2]);
      expectSums(`${name}: dx`, dx, [...dx1, ...dx2]);
      expectSums(`${name}: dweight`, whole, parts);
    }
  });

  it('adds nothing when every label is ignored', () => {
    const [rows, width, vocab] = [4, 6, 9];
    const before = randn(vocab * width, 3);
    for (const { name, ops } of backends) {
      const labels = dense(new Int32Array(rows).fill(-100), rows);
      const [loss, dx, dweight] = [poisoned(rows), poisoned(rows, width), dense(before, vocab, width)];
      ops.classifier!(
        loss,
        dx,
        dweight,
        dense(randn(rows * width, 1), rows, width),
        labels,
        dense(randn(vocab * width, 2), vocab, width),
        1,
        0,
      );
      expectSame(name, loss.data, Array(rows).fill(0));
      expectSame(name, dx.data, Array(rows * width).fill(0));
      expectSame(name, dweight.data, before);
    }
  });

  it('is right where logits are far from zero', () => {
    const [rows, width, vocab] = [6, 32, 70];
    const labels = labelsOf(rows, vocab);
    const inputs = { x: randn(rows * width, 1, 10), weight: randn(vocab * width, 2, 3) };
    const budget = budgetOf(
      ({ x, weight }) => classifier(x, weight, labels, { scale: 1, smoothing: 0 }),
      inputs,
      { width: { dx: width }, terms: vocab },
    );
    for (const { name, ops } of backends) {
      const [loss, dx] = [poisoned(rows), poisoned(rows, width)];
      const dweight = dense(new Float32Array(vocab * width), vocab, width);
      const [x, weight] = [dense(inputs.x, rows, width), dense(inputs.weight, vocab, width)];
      ops.classifier!(loss, dx, dweight, x, dense(labels, rows), weight, 1, 0);
      budget.check(name, { loss, dx, dweight });
    }
  });

  it('names a label outside the vocabulary', () => {
    const labels = dense(Int32Array.from([0, 4]), 2);
    const [x, weight] = [dense(randn(6, 1), 2, 3), dense(randn(12, 1), 4, 3)];
    expect(() => backends[0]!.ops.classifier!(poisoned(2), null, null, x, labels, weight, 1, 0)).toThrow(
      /classifier: label.*4/,
    );
  });

  it('refuses a weight of another storage', () => {
    const labels = dense(Int32Array.from([0, 3]), 2);
    const [x, weight] = [dense(randn(6, 1), 2, 3), dense(randn(12, 1), 4, 3)];
    const { ops } = backends[0]!;
    expect(() => ops.classifier!(poisoned(2), null, null, x, labels, stored(weight, 'f16'), 1, 0)).toThrow(
      'classifier: weight is F16, expected F32',
    );
  });
});
