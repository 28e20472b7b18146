// Times log-mel and resampling of random audio, as multiples of real time.
//
//   WHISPER_TUNE_THREADS=1 node bench/audio.mjs
//
// One call handles 30 s for log-mel and 60 s for resampling; the median of 15 calls, the copies to and from the engine included.
import { addon } from '../dist/native.js';

const native = addon();
const noise = (n) => Float32Array.from({ length: n }, () => 0.2 * Math.random() - 0.1);

async function realTimeFactor(seconds, call) {
  const times = [];
  for (let i = 0; i < 16; i++) {
    const started = performance.now();
    await call();
    if (i > 0) times.push(performance.now() - started); // the first call warms up
  }
  const median = times.sort((a, b) => a - b)[7];
  return Math.round((1000 * seconds) / median);
}

const results = {};
const window = noise(30 * 16000);
for (const mels of [80, 128]) {
  results[`log-mel, ${mels} bands`] = await realTimeFactor(30, () => native.logMel(window, mels));
}
for (const from of [8000, 22050, 32000, 44100, 48000, 96000]) {
  const channel = noise(60 * from);
  results[`resample ${from} -> 16000`] = await realTimeFactor(60, () =>
    native.resample([channel], from, 16000),
  );
}
const { isa, threads } = native.deviceInfo();
console.log(JSON.stringify({ isa, threads, timesRealTime: results }, undefined, 2));
