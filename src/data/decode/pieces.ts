// Long recordings decoded piece by piece, so that memory does not grow with their length. Runs on a thread (long-worker.ts).
import { type ChildProcess, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { FLACDecoder } from '@wasm-audio-decoders/flac';
import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { MPEGDecoder } from 'mpg123-decoder';
import { type DecodedAudio, UndecodableAudio } from './audio.js';
import { containers, ffmpegVersion } from './ffmpeg.js';
import { firstFrame } from './mpeg.js';
import { OtherCodec, opusPieces } from './opus.js';
import { sniff } from './sniff.js';
import { decodeWavData, readWavHeader } from './wav.js';

/** Bytes of a file read at once; half a minute of a common mp3. */
const chunkBytes = 512 * 1024;
const headBytes = 64 * 1024;

export type Pieces = AsyncGenerator<DecodedAudio, void, void>;

/** The file's bytes in order. */
async function* chunksOf(path: string, from = 0): AsyncGenerator<Uint8Array, void, void> {
  const file = await open(path, 'r');
  try {
    for (let at = from; ; ) {
      const chunk = new Uint8Array(chunkBytes);
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function readHead(path: string): Promise<Uint8Array> {
  for await (const chunk of chunksOf(path)) return chunk.subarray(0, headBytes);
  throw new UndecodableAudio('the file is empty');
}

/** Samples of a wav file, or of ffmpeg's output, which is one whose length nobody knows yet. */
async function* wavPieces(chunks: AsyncIterable<Uint8Array>): Pieces {
  let rest: Uint8Array = new Uint8Array(0);
  let header: ReturnType<typeof readWavHeader> | undefined;
  let left = Number.POSITIVE_INFINITY;
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!header) {
      if (rest.length < 4096 && chunk.length > 0 && !hasData(rest)) continue;
      header = readWavHeader(rest);
      left = header.dataBytes ?? left;
      rest = rest.subarray(header.dataStart);
    }
    const frame = (header.channels * header.bits) / 8;
    const whole = Math.min(left, Math.floor(rest.length / frame) * frame);
    if (whole > 0)
      yield { channels: decodeWavData(rest.subarray(0, whole), header), sampleRate: header.sampleRate };
    rest = rest.slice(whole);
    left -= whole;
    if (left < frame) return;
  }
}

function hasData(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes('data');
}

interface StreamDecoder {
  ready: Promise<void>;
  decode(bytes: Uint8Array): Promise<Decoded> | Decoded;
  flush?(): Promise<Decoded>;
  free(): void;
}
type Decoded = { channelData: Float32Array[]; sampleRate: number; samplesDecoded: number };

/** @param most channels that are real: libmpg123 gives two of a mono file */
async function* streamed(path: string, decoder: StreamDecoder, most = Infinity): Pieces {
  await decoder.ready;
  try {
    const piece = ({ channelData, sampleRate }: Decoded): DecodedAudio => ({
      // The decoder uses its memory again.
      channels: channelData.slice(0, most).map((channel) => channel.slice()),
      sampleRate,
    });
    for await (const chunk of chunksOf(path)) {
      const decoded = await decoder.decode(chunk);
      if (decoded.samplesDecoded > 0) yield piece(decoded);
    }
    const last = await decoder.flush?.();
    if (last && last.samplesDecoded > 0) yield piece(last);
  } finally {
    decoder.free();
  }
}

/** What ffmpeg makes of a file, for formats without a decoder of their own. */
async function* ffmpegPieces(path: string, format: string): Pieces {
  if ((await ffmpegVersion()) === undefined)
    throw new UndecodableAudio(`${format}: needs ffmpeg, which is not on the PATH`);
  const limits = ['-protocol_whitelist', 'file,pipe', '-format_whitelist', containers];
  const output = ['-map', '0:a:0', '-c:a', 'pcm_f32le', '-f', 'wav', 'pipe:1'];
  const child: ChildProcess = spawn(
    'ffmpeg',
    ['-v', 'error', '-nostdin', ...limits, '-i', `file:${path}`, ...output],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  child.stderr!.on('data', (text) => {
    said = `${said}${text}`.slice(0, 2000);
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  try {
    yield* wavPieces(child.stdout!);
  } finally {
    child.kill();
  }
  if ((await ended) !== 0 && said !== '')
    throw new UndecodableAudio(`${format}: ffmpeg cannot decode it: ${said.trim().split('\n').at(-1)}`);
}

async function readWhole(path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(path)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * The audio of a file, piece by piece.
 *
 * @throws UndecodableAudio with the reason
 */
export async function* decodePieces(path: string): Pieces {
  const head = await readHead(path);
  const { format } = sniff(head);
  if (format === 'wav') yield* wavPieces(chunksOf(path));
  else if (format === 'mp3') yield* streamed(path, new MPEGDecoder(), firstFrame(head)?.channels);
  else if (format === 'flac' || format === 'ogg/flac') yield* streamed(path, new FLACDecoder());
  else if (format === 'ogg/vorbis') yield* streamed(path, new OggVorbisDecoder());
  else if (format === 'ogg/opus' || format === 'webm') {
    // Compressed it fits into memory: 100 hours of speech are a gigabyte.
    try {
      yield* opusPieces(await readWhole(path), format === 'webm' ? 'webm' : 'ogg');
    } catch (error) {
      if (!(error instanceof OtherCodec)) throw error;
      yield* ffmpegPieces(path, error.message);
    }
  } else yield* ffmpegPieces(path, format);
}
