// WAV files of 16-bit mono audio.

/** A whole file. Samples beyond full scale are clipped. */
export function wavFile(samples: Float32Array, sampleRate = 16000): Buffer {
  const header = 44;
  const file = Buffer.alloc(header + 2 * samples.length);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(file.length - 8, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16); // length of the format
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(1, 22); // channels
  file.writeUInt32LE(sampleRate, 24);
  file.writeUInt32LE(2 * sampleRate, 28); // bytes per second
  file.writeUInt16LE(2, 32); // bytes per sample
  file.writeUInt16LE(16, 34); // bits per sample
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(2 * samples.length, 40);
  for (let i = 0; i < samples.length; i++) {
    const level = Math.round(samples[i]! * 32767);
    file.writeInt16LE(Math.max(-32768, Math.min(32767, level)) || 0, header + 2 * i);
  }
  return file;
}
