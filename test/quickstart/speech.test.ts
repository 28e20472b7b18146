// The quickstart's speech: the same samples everywhere, and no clip longer than the model's window.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { compileFlite, openFlite } from '../../scripts/quickstart/flite.mjs';
import type { Clip } from '../../scripts/quickstart/sets.mjs';
import { baseClips, newVoiceClips } from '../../scripts/quickstart/sets.mjs';
import { openSpeaker } from '../../scripts/quickstart/speaker.mjs';
import { prependSilence, sampleRate, wavSeconds } from '../../scripts/quickstart/wav.mjs';

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const clips = [...baseClips(), ...newVoiceClips()];

let module: Awaited<ReturnType<typeof compileFlite>>;
let speak: (clip: Clip) => Uint8Array;
beforeAll(async () => {
  module = await compileFlite();
  speak = await openSpeaker(module);
});

describe('flite', () => {
  it.each([
    ['base_train_0000.wav', '467c1169a140c4345b1e65cb9890fe3e'],
    ['base_train_0001.wav', 'cdecf9e3fd9587df931ac1f86a86b503'],
    ['base_train_0002.wav', '15261d16b866afcee4f4d1c1c01932f2'],
    ['new_test_0000.wav', 'd80eb0fe5f9ce8056fa6b68e7663af1d'],
  ])('says %s as ever', (file, expected) => {
    expect(md5(speak(clips.find((clip) => clip.file === file)!))).toBe(expected);
  });

  it('says a clip the same in a fresh instance and after others', async () => {
    const clip = clips[0]!;
    const first = md5(speak(clip));
    for (const other of clips.slice(1, 6)) expect(md5(speak(other))).not.toBe(first);
    expect(md5(speak(clip))).toBe(first);
    const fresh = await openSpeaker(module);
    expect(md5(fresh(clip))).toBe(first);
  });

  it('writes 16 kHz mono 16-bit WAV', async () => {
    const wav = (await openFlite(module))('slt', 'one two');
    const header = new DataView(wav.buffer, wav.byteOffset);
    const name = (offset: number) => String.fromCharCode(...wav.subarray(offset, offset + 4));
    expect([name(0), name(8), name(12), name(36)]).toEqual(['RIFF', 'WAVE', 'fmt ', 'data']);
    const [format, channels, bits] = [20, 22, 34].map((offset) => header.getUint16(offset, true));
    expect([format, channels, bits]).toEqual([1, 1, 16]);
    expect(header.getUint32(24, true)).toBe(sampleRate);
    expect(header.getUint32(40, true)).toBe(wav.length - 44);
    expect(wav.subarray(44).some((byte) => byte !== 0)).toBe(true);
  });

  it('refuses a voice it does not have', async () => {
    const synthesise = await openFlite(module);
    expect(() => synthesise('nobody', 'one')).toThrow('flite has no voice "nobody"');
  });
});

describe('clips', () => {
  it('start with their silence', async () => {
    const plain = (await openFlite(module))('kal16', 'seven', { duration_stretch: 0.9 });
    const delayed = prependSilence(plain, 0.125);
    expect(wavSeconds(delayed)).toBeCloseTo(wavSeconds(plain) + 0.125, 9);
    expect(delayed.subarray(44, 44 + 4000).every((byte) => byte === 0)).toBe(true);
    expect(md5(delayed.subarray(44 + 4000))).toBe(md5(plain.subarray(44)));
    const header = new DataView(delayed.buffer);
    expect([header.getUint32(4, true), header.getUint32(40, true)]).toEqual([
      delayed.length - 8,
      delayed.length - 44,
    ]);
  });

  it('fit into 3 seconds', () => {
    // Measured: seconds a letter at normal speed. The clips that should be longest are spoken.
    const pace: Record<string, number> = { slt: 0.086, rms: 0.095, awb: 0.08, kal16: 0.075 };
    const expectedSeconds = (clip: Clip) => clip.lead + pace[clip.voice]! * clip.text.length * clip.stretch;
    const slowest = [...clips].sort((a, b) => expectedSeconds(b) - expectedSeconds(a)).slice(0, 16);
    const longest = Math.max(...slowest.map((clip) => wavSeconds(speak(clip))));
    expect(longest).toBeLessThan(3);
    // The longest of all 3,280, found by speaking them all once.
    expect(longest).toBeCloseTo(2.954, 3);
  });
});
