// Fine-tunes a model on rows of one's own and saves it: node examples/fine-tune.mjs [MODEL [OUTPUT]]
import { mkdtempSync } from 'node:fs';
import { fromIterable, Trainer, transcribe } from 'whisper-tune';
import { openModel, rows } from './support/tiny.mjs';

const [folder, output = mkdtempSync('fine-tuned-')] = process.argv.slice(2);
const model = await openModel(folder);
console.log(`training on ${model.device}`);

// Any iterable of rows will do: { audio: a path, bytes or samples, text }. `openDataset` reads folders and tables.
const dataset = fromIterable(rows);
const trainer = new Trainer(model, {
  trainDataset: dataset,
  evalDataset: dataset,
  outputDir: output,
  language: 'en',
  maxSteps: 60,
  learningRate: 3e-3,
  warmupSteps: 5,
  loggingSteps: 10,
  evalStrategy: 'steps',
  evalSteps: 30,
  predictWithGenerate: true,
  generationMaxLength: 16,
  saveStrategy: 'no',
  overwriteOutputDir: true,
});
for await (const event of trainer.train()) {
  if (event.type === 'log') console.log(`update ${event.step}: loss ${event.loss.toFixed(3)}`);
  if (event.type === 'evaluate') console.log(`update ${event.step}: WER ${event.wer.toFixed(1)} %`);
}
await model.savePretrained(output);

for (const { text, audio } of rows) {
  const heard = await transcribe(model, audio.samples, { language: 'en' });
  console.log(`${text}: heard "${heard.text}"`);
}
await model.dispose();
