// A thousand damaged audio files: each is decoded or refused, in bounded time, and the thread goes on.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DecoderPool } from '../../src/data/decode/pool.js';
import { RandomStream } from '../../src/data/random.js';
import { folder, golden, signal, wav } from './signal.js';

const random = new RandomStream(20, 0);

/** Bytes changed anywhere or only in the headers, to anything or to extremes; or an end cut off. */
function damage(file: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(file);
  if (random.below(4) === 0) return bytes.subarray(0, random.below(bytes.length));
  const reach = random.below(2) === 0 ? Math.min(200, bytes.length) : bytes.length;
  const extremes = [0, 255, 128, 127];
  const anything = random.below(2) === 0;
  for (let changes = 1 + random.below(20); changes > 0; changes--) {
    bytes[random.below(reach)] = anything ? random.below(256) : extremes[random.below(4)]!;
  }
  return bytes;
}

it('survives 1,000 damaged files', { timeout: 300_000 }, async () => {
  const names = [
    'mono.mp3',
    'stereo.mp3',
    'mono.flac',
    'mono.ogg',
    'stereo.ogg',
    'mono.opus',
    'stereo.opus',
    'mono.webm',
  ];
  const files: [string, Uint8Array][] = names.map((name) => [name, readFileSync(golden(name))]);
  const clip = [signal(8000, 'left', 0.2), signal(8000, 'right', 0.2)];
  files.push(['wav', wav(clip)], ['extensible wav', wav(clip, { bits: 24, extensible: true })]);

  // Without ffmpeg: what is no known format any more would cost a process each.
  const path = process.env.PATH;
  process.env.PATH = folder();
  const pool = new DecoderPool({ threads: 2 });
  const outcomes = { decoded: 0, damaged: 0, undecodable: 0 };
  try {
    const check = async (index: number): Promise<void> => {
      const [name, file] = files[index % files.length]!;
      const reply = await pool.decode({ bytes: damage(file), ...(index % 2 === 0 && { sampleRate: 16000 }) });
      if (reply.outcome === 'decoded') {
        const { channels, sampleRate, damage } = reply.audio;
        outcomes[damage === undefined ? 'decoded' : 'damaged'] += 1;
        expect(sampleRate, name).toBeGreaterThan(0);
        for (const channel of channels) {
          expect(channel.length, name).toBe(channels[0]!.length);
          // No file of at most 16 KB becomes minutes of audio.
          expect(channel.length, name).toBeLessThan(60 * 48000);
        }
      } else if (reply.outcome === 'undecodable') {
        outcomes.undecodable += 1;
        expect(reply.detail, name).not.toMatch(/not decoded within/);
      } else throw new Error(`${name}: ${reply.outcome}`);
    };
    for (let index = 0; index < 1000; index += 4) {
      await Promise.all([0, 1, 2, 3].map((i) => check(index + i)));
    }
    // The threads are as good as new.
    expect((await pool.decode({ path: golden('mono.mp3') })).outcome).toBe('decoded');
  } finally {
    process.env.PATH = path;
    await pool.close();
  }
  expect(outcomes.decoded + outcomes.damaged + outcomes.undecodable).toBe(1000);
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(50);
});
