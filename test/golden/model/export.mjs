// Writes what make.py needs into a folder: the golden model's initial weights (by the engine), its configuration and the batch.
// node test/golden/model/export.mjs FOLDER
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '../../../dist/native.js';
import { batch, dims, prompted, seed } from './clips.mjs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
const model = await addon().openModel('cpu', dims, 'f32');
await model.initialise('fan_in', seed);
await model.save(join(folder, 'model.safetensors'), { format: 'pt' });
await model.dispose();
writeFileSync(join(folder, 'dims.json'), JSON.stringify(dims));
writeFileSync(
  join(folder, 'batch.json'),
  JSON.stringify({
    time: batch.time,
    labels: [...batch.labels],
    samples: batch.samples.map((s) => [...s]),
    prompted: { inputs: [...prompted.inputs], labels: [...prompted.labels] },
  }),
);
