// Evaluation of rows of several languages in one batch: a prompt each, results in order.
import { expect, it } from 'vitest';
import { fromIterable } from '../../src/data/sources/iterable.js';
import { type EvaluatedRow, evaluate } from '../../src/evaluate/evaluate.js';
import { fakeWhisper, rows } from '../train/fake-model.js';

it('decodes each row under its own language and task, and keeps the order', async () => {
  const { model, native } = await fakeWhisper();
  const languages = ['es', undefined, 'de', 'es', 'de', undefined, 'es'];
  const data = rows(7, (i) => `text ${i}`).map((row, i) => ({
    ...row,
    ...(languages[i] && { language: languages[i] }),
    ...(i === 6 && { task: 'translate' }),
  }));
  // Row i is 1600 + 16 i samples long.
  const heard = (samples: Float32Array) => `text ${(samples.length - 1600) / 16}`;
  native.hear = (samples) => model.tokenizer.encode(heard(samples));
  native.lossOf = (_, row) => row + 1;
  const seen: EvaluatedRow[] = [];
  const { wer, samples } = await evaluate(model, fromIterable(data), {
    language: 'fr',
    batchSize: 4,
    onRow: (row) => seen.push(row),
  });
  expect(seen).toMatchObject(data.map(({ id, text }) => ({ id, reference: text, hypothesis: text })));
  expect(seen.map(({ language }) => language)).toEqual(languages);
  expect({ wer, samples }).toEqual({ wer: 0, samples: 7 });
  const { sot, notimestamps, transcribe, translate } = model.tokenizer;
  const prompt = (code: string, task = transcribe) => [
    sot,
    model.tokenizer.languageToken(code),
    task,
    notimestamps,
  ];
  expect(native.generations.map(({ rows, options }) => [rows, [...options.prompt]])).toEqual([
    [2, prompt('es')],
    [1, prompt('fr')],
    [1, prompt('de')],
    [1, prompt('de')],
    [1, prompt('fr')],
    [1, prompt('es', translate)],
  ]);
});

it('gives the loss that one prompt for all would give, as the labels say', async () => {
  const { model, native } = await fakeWhisper();
  // A token's loss depends on its label alone, not on the part of the batch its row is in.
  native.lossOf = (batch, row) => batch.labels[row * batch.time + 3]! / 100;
  const data = rows(5).map((row, i) => ({ ...row, language: ['es', 'de'][i % 2]! }));
  const { loss } = await evaluate(model, fromIterable(data), { batchSize: 5 });
  const one = rows(5);
  const whole = await evaluate(model, fromIterable(one), { batchSize: 5, language: 'es' });
  expect(loss).toBeCloseTo(whole.loss!, 6);
});

it('refuses a language that is none, by the row', async () => {
  const { model } = await fakeWhisper();
  const data = rows(3).map((row, i) => ({ ...row, ...(i === 1 && { language: 'elvish' }) }));
  await expect(evaluate(model, fromIterable(data))).rejects.toMatchObject({
    code: 'ERR_DATA',
    message: expect.stringContaining('row-1: unknown language "elvish"'),
  });
});
