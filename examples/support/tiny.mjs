// What the examples work on where no model is given: a small model with random weights, and clips that are tones.
import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Whisper } from 'whisper-tune';

const untrained = fileURLToPath(new URL('../../scripts/quickstart/model', import.meta.url));

/** The model in a folder; without one, 0.4 million random weights that know nothing. */
export function openModel(folder) {
  if (folder) return Whisper.fromPretrained(folder);
  return Whisper.fromConfig(untrained, { initialisation: 'fan_in', seed: 1 });
}

/** A folder with such a model's configuration and tokenizer, to be written to. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'whisper-tune-'));
  cpSync(untrained, folder, { recursive: true });
  return folder;
}

/** Half a second of a tone at 16 kHz. */
export function tone(hertz) {
  return Float32Array.from({ length: 8000 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / 16000));
}

/** Rows as a data set has them: a tone for each of four colours. */
export const rows = ['red', 'green', 'blue', 'white'].map((text, i) => ({
  text,
  audio: { samples: tone(200 * 2 ** i), sampleRate: 16000 },
}));
