// The system's ffmpeg, for formats without a decoder of their own.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type DecodedAudio, UndecodableAudio } from './audio.js';
import { decodeWav } from './wav.js';

const run = promisify(execFile);
let version: Promise<string | undefined> | undefined;

/** The version of the ffmpeg on the PATH; undefined when there is none. Asked once. */
export function ffmpegVersion(): Promise<string | undefined> {
  version ??= run('ffmpeg', ['-version']).then(
    ({ stdout }) => /^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? 'unknown',
    () => undefined,
  );
  return version;
}

/** Containers ffmpeg may open. Not among them: playlists and other formats that name further files to be read. */
export const containers =
  'aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,rm,' +
  'tta,voc,w64,wav,wv';

/** The most audio taken from ffmpeg: 1.5 GB of floats, about 65 minutes of 48 kHz stereo. */
const mostBytes = 1.5e9;

/**
 * Decodes the first audio stream of a file, at its own rate and channels.
 *
 * @param format for messages
 * @throws UndecodableAudio also when there is no ffmpeg
 */
export async function decodeWithFfmpeg(
  input: { path: string } | { bytes: Uint8Array },
  format: string,
): Promise<DecodedAudio> {
  if ((await ffmpegVersion()) === undefined) {
    throw new UndecodableAudio(
      `${format}: needs ffmpeg, which is not on the PATH (wav, mp3, flac, ogg, opus and webm do not)`,
    );
  }
  if ('path' in input) return decodeFile(input.path, format);
  // From a pipe ffmpeg cannot seek, and an mp4 may have its index at the end.
  const folder = await mkdtemp(join(tmpdir(), 'whisper-tune-'));
  try {
    const path = join(folder, 'audio');
    await writeFile(path, input.bytes);
    return await decodeFile(path, format);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function decodeFile(path: string, format: string): Promise<DecodedAudio> {
  const limits = ['-protocol_whitelist', 'file,pipe', '-format_whitelist', containers];
  const args = ['-v', 'error', '-nostdin', ...limits, '-i', `file:${path}`];
  const output = ['-map', '0:a:0', '-c:a', 'pcm_f32le', '-f', 'wav', 'pipe:1'];
  let stdout: Buffer;
  let stderr: Buffer;
  try {
    ({ stdout, stderr } = await run('ffmpeg', [...args, ...output], {
      encoding: 'buffer',
      maxBuffer: mostBytes,
    }));
  } catch (cause) {
    const { code, stderr: said } = cause as { code?: unknown; stderr?: Buffer };
    if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
      throw new UndecodableAudio(`${format}: too long for one piece`);
    const reason = said?.toString().trim().split('\n').at(-1)?.replace(`file:${path}`, 'the file');
    throw new UndecodableAudio(`${format}: ffmpeg cannot decode it${reason ? `: ${reason}` : ''}`);
  }
  const decoded = decodeWav(stdout);
  const complaint = stderr.toString().trim().split('\n')[0];
  if (complaint) decoded.damage = `damaged: ffmpeg says ${complaint}`;
  return decoded;
}
