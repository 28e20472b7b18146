// Word and character error rates of a model: node examples/evaluate.mjs [MODEL DATASET [SPLIT]]
import { evaluate, fromIterable, openDataset } from 'whisper-tune';
import { openModel, rows } from './support/tiny.mjs';

const [folder, data, split = 'test'] = process.argv.slice(2);
const model = await openModel(folder);
const dataset = data ? await openDataset(data, { split }) : fromIterable(rows);

const result = await evaluate(model, dataset, {
  language: 'en',
  batchSize: 4,
  normalizer: 'english',
  onRow: ({ id, reference, hypothesis }) => console.log(`${id}: ${reference} | ${hypothesis}`),
});
const { substitutions, deletions, insertions, referenceLength } = result.words;
console.log(`WER ${result.wer.toFixed(2)} %, CER ${result.cer.toFixed(2)} %, loss ${result.loss.toFixed(4)}`);
console.log(
  `${substitutions} words replaced, ${deletions} left out, ${insertions} put in, of ${referenceLength}`,
);
for (const [reason, { count }] of Object.entries(result.dropped))
  console.log(`${count} rows left out: ${reason}`);
await model.dispose();
