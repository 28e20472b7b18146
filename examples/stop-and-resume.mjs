// Stops a training by a signal and goes on from its checkpoint, to the bits of a run that was never stopped.
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromIterable, Trainer } from 'whisper-tune';
import { openModel, rows } from './support/tiny.mjs';

async function train(outputDir, stopAfter) {
  const model = await openModel();
  const controller = new AbortController();
  const trainer = new Trainer(model, {
    trainDataset: fromIterable(rows),
    outputDir,
    language: 'en',
    maxSteps: 8,
    perDeviceTrainBatchSize: 2,
    shuffleBufferSize: 4,
    learningRate: 1e-3,
    signal: controller.signal,
  });
  for await (const event of trainer.train()) {
    if (event.type === 'start' && event.resumedFrom) console.log(`goes on after update ${event.step}`);
    if (event.type === 'step' && event.step === stopAfter) controller.abort();
    if (event.type === 'end') console.log(`${event.reason} after update ${event.step}`);
  }
  await model.savePretrained(join(outputDir, 'final'));
  await model.dispose();
  return readFileSync(join(outputDir, 'final', 'model.safetensors'));
}

const whole = await train(mkdtempSync('whole-'));
const folder = mkdtempSync('stopped-');
await train(folder, 3);
const resumed = await train(folder);
console.log(resumed.equals(whole) ? 'equal bits' : 'other bits');
if (!resumed.equals(whole)) process.exit(1);
