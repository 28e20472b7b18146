// WAV files as flite writes them: a 44-byte header, then 16-bit mono samples at 16 kHz.
export const sampleRate = 16000;
const headerBytes = 44;
const bytesPerSample = 2;

/** The same sound after `seconds` of digital silence; sizes in the header are corrected. */
export function prependSilence(wav, seconds) {
  const silence = Math.round(seconds * sampleRate) * bytesPerSample;
  const longer = new Uint8Array(wav.length + silence);
  longer.set(wav.subarray(0, headerBytes));
  longer.set(wav.subarray(headerBytes), headerBytes + silence);
  const header = new DataView(longer.buffer);
  header.setUint32(4, longer.length - 8, true);
  header.setUint32(40, longer.length - headerBytes, true);
  return longer;
}

/** Duration in seconds, from the file's size. */
export function wavSeconds(wav) {
  return (wav.length - headerBytes) / bytesPerSample / sampleRate;
}
