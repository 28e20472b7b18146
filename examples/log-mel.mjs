// Log-mel features of a tone: which band is the loudest.
import { logMel } from 'whisper-tune';
import { tone } from './support/tiny.mjs';

for (const hertz of [220, 440, 880, 1760]) {
  const { data, frames, mels } = await logMel(tone(hertz), { mels: 80 });
  // Frames-major: the bands of a frame lie together.
  const middle = data.subarray(Math.floor(frames / 2) * mels).subarray(0, mels);
  const loudest = middle.indexOf(Math.max(...middle));
  console.log(`${hertz} Hz: ${frames} frames of ${mels} bands, band ${loudest} is the loudest`);
}
