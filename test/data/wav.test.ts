// The wav reader: every encoding, chunk layouts, cut-off files.
import { describe, expect, it } from 'vitest';
import { decodeWav } from '../../src/data/decode/wav.js';
import { signal, snr, type WavOptions, wav } from './signal.js';

const left = signal(16000, 'left', 0.1);
const right = signal(16000, 'right', 0.1);

describe('decodeWav', () => {
  // Quantisation noise of b bits is about 6 b dB below full scale; the signal's peak is 0.4.
  it.each<[string, WavOptions, number]>([
    ['8 bits', { bits: 8 }, 37],
    ['16 bits', { bits: 16 }, 80],
    ['24 bits', { bits: 24 }, 125],
    ['32 bits', { bits: 32 }, 130],
    ['32-bit floats', { bits: 32, float: true }, Infinity],
    ['64-bit floats', { bits: 64, float: true }, Infinity],
    ['an extensible header', { bits: 24, extensible: true }, 125],
    ['an extensible header with floats', { bits: 32, float: true, extensible: true }, Infinity],
    ['RF64', { bits: 16, rf64: true }, 80],
    ['a writer that could not seek back', { bits: 16, dataBytes: 0xffffffff }, 80],
  ])('reads %s', (_, options, decibels) => {
    const audio = decodeWav(wav([left, right], { rate: 22050, ...options }));
    expect(audio.sampleRate).toBe(22050);
    expect(audio.channels).toHaveLength(2);
    expect(audio.damage).toBeUndefined();
    expect(snr(audio.channels[0]!, left)).toBeGreaterThanOrEqual(decibels);
    expect(snr(audio.channels[1]!, right)).toBeGreaterThanOrEqual(decibels - 3);
  });

  it('keeps the sign and scale of the extremes', () => {
    const file = wav([Float32Array.of(0, 0, 0)], { bits: 24 });
    file.writeIntLE(-(2 ** 23), file.length - 10, 3);
    file.writeIntLE(2 ** 23 - 1, file.length - 7, 3);
    expect([...decodeWav(file).channels[0]!]).toEqual([-1, Math.fround(1 - 2 ** -23), 0]);
  });

  it.each<[string, WavOptions]>([
    ['16 bits', { bits: 16 }],
    ['24 bits', { bits: 24 }],
    ['32-bit floats', { bits: 32, float: true }],
  ])('reads %s wherever the bytes begin', (_, options) => {
    const file = wav([left, right], options);
    const expected = decodeWav(file);
    for (const shift of [0, 1, 2, 3]) {
      const shifted = new Uint8Array(file.length + shift);
      shifted.set(file, shift);
      // Unlike that of a Uint8Array, a Buffer's slice is no copy.
      for (const bytes of [shifted, Buffer.from(shifted.buffer)]) {
        expect(decodeWav(bytes.subarray(shift))).toEqual(expected);
      }
    }
  });

  it('reads what is there of a last sample that is cut in two', () => {
    for (const options of [{ bits: 16 }, { bits: 24 }, { bits: 32, float: true }] as const) {
      const file = wav([left], options);
      expect(decodeWav(file.subarray(0, file.length - 1)).channels[0]).toEqual(
        decodeWav(file).channels[0]!.subarray(0, left.length - 1),
      );
    }
  });

  it('says how much of a cut-off file is there', () => {
    const file = wav([left, right]);
    const audio = decodeWav(file.subarray(0, file.length - 3202));
    expect(audio.damage).toBe('cut off or damaged: its header promises 0.10 s, 0.05 s are there');
    expect(audio.channels[0]).toHaveLength(799);
    expect(audio.channels[1]).toHaveLength(799);
  });

  it.each<[string, (file: Buffer) => void, RegExp]>([
    ['without a data chunk', (file) => file.write('none', 48), /no data chunk/],
    ['of a codec', (file) => file.writeUInt16LE(6, 32), /unknown encoding 6/],
    ['with no channels', (file) => file.writeUInt16LE(0, 34), /0 channels/],
    ['with an absurd rate', (file) => file.writeUInt32LE(3, 36), /rate of 3 Hz/],
    ['with a rate that is not resampled', (file) => file.writeUInt32LE(768_001, 36), /rate of 768001 Hz/],
  ])('refuses a file %s', (_, change, message) => {
    const file = wav([left]);
    change(file);
    expect(() => decodeWav(file)).toThrow(message);
  });
});
