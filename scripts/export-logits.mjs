// Writes the logits of a checkpoint on a fixed batch as JSON, for scripts/check-transformers.py.
// node scripts/export-logits.mjs CHECKPOINT OUTPUT.json
import { writeFileSync } from 'node:fs';
import { Whisper } from '../dist/index.js';
import { clip } from '../test/golden/model/clips.mjs';

const [checkpoint, output] = process.argv.slice(2);
const model = await Whisper.fromPretrained(checkpoint, { device: 'cpu' });
const samples = [clip(0, 20000), clip(1, 40000)];
const labels = [5, 6, 7, 8, 9, 10];
const { shape, data } = await model.native.logits({
  samples,
  time: labels.length,
  labels: Int32Array.from([...labels, ...labels]),
});
writeFileSync(
  output,
  JSON.stringify({ samples: samples.map((s) => [...s]), labels, shape, logits: [...data] }),
);
await model.dispose();
