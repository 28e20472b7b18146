// Worker thread: speaks its share of the clips into a folder and reports the duration of each in seconds.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { openSpeaker } from './speaker.mjs';
import { wavSeconds } from './wav.mjs';

const { module, folder, clips } = workerData;
const speak = await openSpeaker(module);
for (const clip of clips) {
  const wav = speak(clip);
  writeFileSync(join(folder, clip.file), wav);
  parentPort.postMessage(wavSeconds(wav));
}
