// The operation embed of native/ops.def against its equation in float64, on every instruction set.
import { describe, expect, it } from 'vitest';
import { budgetOf, expectSame } from '../helpers/compare.js';
import { backends } from '../helpers/native.js';
import { dense, poisoned, randint, randn, rounded, stored } from '../helpers/ops.js';
import { embed, embedBackward } from '../reference/embed.js';

const shapes = [
  { batch: 1, time: 1, width: 1, vocab: 1, first: 0 },
  { batch: 3, time: 5, width: 7, vocab: 11, first: 2 },
  { batch: 2, time: 17, width: 65, vocab: 4, first: 1 }, // every token several times
  { batch: 4, time: 1, width: 130, vocab: 50, first: 9 },
  { batch: 2, time: 33, width: 384, vocab: 100, first: 0 },
];

describe('embed', () => {
  const tables = shapes.flatMap((shape) =>
    (['f32', 'f16', 'bf16'] as const).map((storage) => ({ ...shape, storage })),
  );
  it.each(tables)('%o', ({ batch, time, width, vocab, first, storage }) => {
    const tokens = randint(batch * time, 1, vocab);
    const table = randn(vocab * width, 2).map((x) => rounded(x, storage));
    const inputs = { table, positions: randn((first + time + 1) * width, 3) };
    const budget = budgetOf(
      ({ table, positions }) => ({ y: embed(table, positions, tokens, { time, width, first }) }),
      inputs,
      { width: { y: width } },
    );
    for (const { name, ops } of backends) {
      const y = poisoned(batch, time, width);
      const positions = dense(inputs.positions, first + time + 1, width);
      ops.embed!(
        y,
        dense(tokens, batch, time),
        stored(dense(table, vocab, width), storage),
        positions,
        first,
      );
      budget.check(name, { y });
    }
  });

  it.each(shapes)('backward, %o', ({ batch, time, width, vocab }) => {
    const tokens = randint(batch * time, 1, vocab);
    const inputs = {
      dy: randn(batch * time * width, 2),
      dtable0: randn(vocab * width, 3),
      dpositions0: randn((time + 2) * width, 4),
    };
    for (const padding of [-1, tokens[0]!]) {
      const budget = budgetOf(
        ({ dy, dtable0, dpositions0 }) => {
          const d = embedBackward(dy, tokens, { time, width, vocab, padding });
          return {
            dtable: dtable0.map((v, i) => v + d.dtable[i]!),
            dpositions: dpositions0.map((v, i) => v + (d.dpositions[i] ?? 0)),
          };
        },
        inputs,
        { width: { dtable: width, dpositions: width }, terms: batch * time },
      );
      for (const { name, ops } of backends) {
        const read = [dense(inputs.dy, batch, time, width), dense(tokens, batch, time), padding] as const;
        const [dtable, dpositions] = [
          dense(inputs.dtable0, vocab, width),
          dense(inputs.dpositions0, time + 2, width),
        ];
        ops.embedBackward!(dtable, dpositions, ...read);
        budget.check(name, { dtable, dpositions });
        const positionsAlone = dense(inputs.dpositions0, time + 2, width);
        ops.embedBackward!(null, positionsAlone, ...read);
        expectSame(name, positionsAlone.data, dpositions.data);
        const tableAlone = dense(inputs.dtable0, vocab, width);
        ops.embedBackward!(tableAlone, null, ...read);
        expectSame(name, tableAlone.data, dtable.data);
      }
    }
  });

  it('names a token outside the table', () => {
    const { ops } = backends[0]!;
    const table = dense(randn(12, 1), 4, 3);
    for (const token of [4, -1]) {
      const tokens = dense(Int32Array.from([0, 1, 2, token]), 2, 2);
      const message = `token ${token} at row 1, position 1; the table has 4 rows`;
      const write = () => ops.embed!(poisoned(2, 2, 3), tokens, table, dense(randn(6, 1), 2, 3), 0);
      expect(write).toThrow(`embed: ${message}`);
      const dy = dense(randn(12, 1), 2, 2, 3);
      expect(() => ops.embedBackward!(table, null, dy, tokens, -1)).toThrow(`embed_backward: ${message}`);
    }
  });

  it('refuses positions past the end of their table', () => {
    const tokens = dense(Int32Array.from([0, 0]), 1, 2);
    const [table, positions] = [dense(randn(3, 1), 1, 3), dense(randn(9, 1), 3, 3)];
    expect(() => backends[0]!.ops.embed!(poisoned(1, 2, 3), tokens, table, positions, 2)).toThrow(
      'embed: positions [3, 3], expected at least 4 rows of 3',
    );
  });
});
