// Transcribes a file, or a tone where none is given: node examples/transcribe.mjs [MODEL FILE]
import { transcribe } from 'whisper-tune';
import { openModel, tone } from './support/tiny.mjs';

const [folder, file] = process.argv.slice(2);
const model = await openModel(folder);

// Control-C ends it between two steps of decoding.
const controller = new AbortController();
process.once('SIGINT', () => controller.abort());

const { text, segments, duration } = await transcribe(model, file ?? tone(440), {
  language: 'en',
  signal: controller.signal,
  onProgress: (done, total) => console.error(`${done.toFixed(1)} of ${total.toFixed(1)} s`),
});
console.log(`${duration.toFixed(2)} s: ${text}`);
for (const { start, end, text } of segments) {
  console.log(`[${start.toFixed(2)} – ${end.toFixed(2)}] ${text}`);
}
await model.dispose();
