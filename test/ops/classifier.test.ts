// The operation classifier of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, poisoned, randint, randn } from '../helpers/ops.js';
import { classifier } from '../reference/classifier.js';

const shapes: [number, number, number][] = [
  [1, 1, 1],
  [2, 3, 2],
  [5, 7, 17],
  [16, 16, 16],
  [17, 33, 65],
  [31, 64, 100],
  [70, 20, 513],
  [3, 48, 2100],
];

/** Labels of which every third is ignored, the first never. */
const labelsOf = (rows: number, vocab: number) =>
  randint(rows, 5, vocab).map((label, r) => (r % 3 === 1 ? -100 : label));

describe('classifier', () => {
  it.each(shapes)('%i rows of width %i, vocabulary of %i', (rows, width, vocab) => {
    const labels = labelsOf(rows, vocab);
    const inputs = {
      x: randn(rows * width, 1),
      weight: randn(vocab * width, 2, 0.5),
      dweight0: randn(vocab * width, 3),
    };
    for (const [scale, smoothing] of [
      [1, 0],
      [0.125, 0.1],
    ] as const) {
      const budget = budgetOf(
        ({ x, weight, dweight0 }) => {
          const { loss, dx, dweight } = classifier(x, weight, labels, { scale, smoothing });
          return { loss, dx, dweight: dweight.map((v, i) => v + dweight0[i]!) };
        },
        inputs,
        { width: { dx: width, dweight: width }, terms: Math.max(rows, width, vocab) },
      );
      for (const { name, ops } of backends) {
        const read = [dense(inputs.x, rows, width), dense(labels, rows), dense(inputs.weight, vocab, width)];
        const [loss, dx] = [poisoned(rows), poisoned(rows, width)];
        const dweight = dense(inputs.dweight0, vocab, width);
        ops.classifier!(loss, dx, dweight, ...read, scale, smoothing);
        budget.check(name, { loss, dx, dweight });
        for (const [r, label] of labels.entries()) {
          if (label >= 0) continue;
          expectSame(`${name}: ignored loss`, [loss.data[r]!], [0]);
          expectSame(
            `${name}: ignored dx`,
            dx.data.subarray(r * width, (r + 1) * width),
            Array(width).fill(0),
          );
        }

        const lossAlone = poisoned(rows);
        ops.classifier!(lossAlone, null, null, ...read, scale, smoothing);
        budget.check(`${name}, loss alone`, { loss: lossAlone });
        const [lossFrozen, dxFrozen] = [poisoned(rows), poisoned(rows, width)];
        ops.classifier!(lossFrozen, dxFrozen, null, ...read, scale, smoothing);
        budget.check(`${name}, without dweight`, { loss: lossFrozen, dx: dxFrozen });
      }
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
});
