// Writes what make.py needs into a folder: the run's inputs, its initial weights, and every row's samples and labels.
// node test/golden/train/export.mjs FOLDER
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Whisper } from '../../../dist/index.js';
import { hyper, rows, writeInputs } from './run.mjs';

const folder = process.argv[2];
writeInputs(folder);
const model = await Whisper.fromConfig(join(folder, 'untrained'), {
  device: 'cpu',
  initialisation: 'fan_in',
  seed: hyper.seed,
});
await model.savePretrained(join(folder, 'initial'));
writeFileSync(
  join(folder, 'rows.json'),
  JSON.stringify({
    hyper,
    rows: rows.map(({ sentence, samples }) => ({
      samples: [...samples],
      labels: model.tokenizer.labels(sentence, { language: 'en', task: 'transcribe' }).slice(1),
    })),
  }),
);
await model.dispose();
