// The noise of a folder of audio files: decoded once, in 16 bits, in memory that the decoding threads share.
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileError, WhisperError } from '../errors.js';
import { mapInOrder } from './ahead.js';
import { type Decoder, decoderPool } from './decode/pool.js';
import { loadSamples } from './decode/samples.js';

/** At 16 kHz in 16 bits: 2.2 hours in 256 MB. More is shared out, each file giving its beginning. */
const mostSamples = 128e6;

const endings = ['.wav', '.mp3', '.flac', '.ogg', '.oga', '.opus', '.webm', '.m4a'];

/**
 * Reads all audio files in a folder and in those below it.
 *
 * @returns a clip for each file in the order of their names, as loud as 16 bits can hold
 * @throws WhisperError `ERR_FILE` for no such folder, `ERR_DATA` for one without audio files, and for a file that cannot
 *   be decoded or is silent
 */
export async function loadNoise(
  folder: string,
  decoder: Decoder = decoderPool(),
  most = mostSamples,
): Promise<Int16Array[]> {
  const paths = await audioFiles(folder);
  const longest = Math.max(1, Math.floor(most / paths.length));
  async function* each() {
    yield* paths;
  }
  const clips: Int16Array[] = [];
  const load = (path: string) => loadClip(path, longest, decoder);
  for await (const clip of mapInOrder(each(), decoder.threads, load)) clips.push(clip);
  return clips;
}

async function audioFiles(folder: string): Promise<string[]> {
  let entries: string[];
  try {
    entries = await readdir(folder, { recursive: true });
  } catch (cause) {
    throw fileError('read the noise folder', folder, cause);
  }
  const paths = entries.filter((entry) => endings.includes(extname(entry).toLowerCase())).sort();
  if (paths.length > 0) return paths.map((path) => join(folder, path));
  throw new WhisperError('ERR_DATA', `${folder} has no audio files to add as noise (${endings.join(', ')})`);
}

async function loadClip(path: string, longest: number, decoder: Decoder): Promise<Int16Array> {
  const loaded = await loadSamples({ path }, { decoder });
  if ('fault' in loaded) throw unusable(path, loaded.detail);
  const samples = loaded.samples.subarray(0, longest);
  let peak = 0;
  for (const value of samples) peak = Math.max(peak, Math.abs(value));
  if (peak === 0) throw unusable(path, 'it is silent');
  const clip = new Int16Array(new SharedArrayBuffer(2 * samples.length));
  for (let i = 0; i < samples.length; i++) clip[i] = Math.round((samples[i]! / peak) * 32767);
  return clip;
}

function unusable(path: string, why: string): WhisperError {
  return new WhisperError('ERR_DATA', `${path} cannot be added as noise: ${why}; take it out of the folder`);
}
