// The operations linear_gelu and linear_gelu_backward of native/ops.def: bit for bit what linear and gelu give one after
// the other, on every instruction set and every storage.
import { describe, expect, it } from 'vitest';
import { expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, elements, noise, poisoned, randn, spaced, storages, stored } from '../helpers/ops.js';

// Rows few and many, tiles whole and in part, and a sum that is long enough to be split.
const shapes = [
  [1, 7, 5],
  [33, 65, 17],
  [70, 130, 70],
  [97, 400, 33],
  [40, 50, 1300],
].flatMap(([rows, outputs, inputs]) =>
  storages.map((storage) => [rows!, outputs!, inputs!, storage] as const),
);

describe('linear_gelu', () => {
  it.each(shapes)('%i rows, %i outputs, %i inputs in %s', (m, n, k, storage) => {
    for (const { name, ops } of backends) {
      const x = stored(dense(noise(m * k, 1, storage), m, k), storage);
      const weight = stored(dense(noise(n * k, 2, storage, 0.3), n, k), storage);
      const bias = dense(randn(n, 3), n);
      const [h, y] = [stored(poisoned(m, n), storage), stored(poisoned(m, n), storage)];
      const [plainH, plainY] = [stored(poisoned(m, n), storage), stored(poisoned(m, n), storage)];
      ops.linearGelu!(y, h, x, weight, bias);
      ops.linear!(plainH, x, weight, bias);
      ops.gelu!(plainY, plainH);
      expectSame(`${name}: h`, elements(h), elements(plainH));
      expectSame(`${name}: y`, elements(y), elements(plainY));
    }
  });

  it('writes to spaced rows of f32', () => {
    const [batch, time, n, k, storage] = [2, 40, 19, 24, 'bf16'] as const;
    for (const { name, ops } of backends) {
      const x = stored(dense(noise(batch * time * k, 1, storage), batch, time, k), storage);
      const weight = stored(dense(noise(n * k, 2, storage), n, k), storage);
      const [h, y] = [stored(poisoned(batch, time, n), storage), spaced(null, batch, time, n)];
      const plain = spaced(null, batch, time, n);
      ops.linearGelu!(y, h, x, weight, null);
      ops.gelu!(plain, h);
      expectSame(name, y.data, plain.data);
    }
  });
});

describe('linear_gelu_backward', () => {
  it.each(shapes)('%i rows, %i inputs, %i outputs in %s', (m, k, n, storage) => {
    for (const { name, ops } of backends) {
      const dy = stored(dense(noise(m * n, 1, storage), m, n), storage);
      const weight = stored(dense(noise(n * k, 2, storage, 0.3), n, k), storage);
      const h = stored(dense(noise(m * k, 3, storage), m, k), storage);
      const [dh, da, plain] = [1, 2, 3].map(() => stored(poisoned(m, k), storage)) as [
        ReturnType<typeof stored>,
        ReturnType<typeof stored>,
        ReturnType<typeof stored>,
      ];
      ops.linearGeluBackward!(dh, dy, weight, h);
      ops.linearBackward!(da, null, null, dy, null, weight, false);
      ops.geluBackward!(plain, da, h);
      expectSame(name, elements(dh), elements(plain));
    }
  });

  it('names an operand of another shape', () => {
    const { ops } = backends[0]!;
    const [dy, weight, h] = [dense(randn(6, 1), 2, 3), dense(randn(12, 2), 3, 4), dense(randn(10, 3), 2, 5)];
    expect(() => ops.linearGeluBackward!(poisoned(2, 5), dy, weight, h)).toThrow(
      /linear_gelu_backward: weight/,
    );
  });
});
