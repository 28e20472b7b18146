// From the bytes of an audio file to samples: one decoder per format. Runs on the decoding threads (worker.ts).
import { FLACDecoder } from '@wasm-audio-decoders/flac';
import { OggVorbisDecoder } from '@wasm-audio-decoders/ogg-vorbis';
import { MPEGDecoder } from 'mpg123-decoder';
import { type DecodedAudio, missingAudio, UndecodableAudio } from './audio.js';
import { decodeWithFfmpeg } from './ffmpeg.js';
import { firstFrame, mpegLength } from './mpeg.js';
import { oggDamage } from './ogg.js';
import { decodeOpus, OtherCodec } from './opus.js';
import { flacLength, type OwnFormat, sniff } from './sniff.js';
import { decodeWav } from './wav.js';

/** What the wasm decoders have in common. */
interface WasmDecoded {
  channelData: Float32Array[];
  sampleRate: number;
  errors: { message: string }[];
}

function damaged(errors: WasmDecoded['errors']): string | undefined {
  const first = errors[0];
  return first && `damaged: ${errors.length} errors, the first: ${first.message}`;
}

function result(decoded: WasmDecoded, damage: string | undefined): DecodedAudio {
  const audio: DecodedAudio = { channels: decoded.channelData, sampleRate: decoded.sampleRate };
  if (damage !== undefined) audio.damage = damage;
  return audio;
}

// A decoder is made for each file (1 to 4 ms): one that met a damaged file may be left in any state.
async function decodeMpeg(bytes: Uint8Array) {
  const decoder = new MPEGDecoder();
  await decoder.ready;
  const decoded = decoder.decode(bytes);
  decoder.free();
  return decoded;
}

/** A decoder that makes itself anew at the end of a file, and so serves the next one. */
interface FileDecoder {
  ready: Promise<void>;
  decodeFile(bytes: Uint8Array): Promise<WasmDecoded & { samplesDecoded: number }>;
}

/** Decodes with the decoder of the file before, or with another where that one failed. */
function reusing(make: () => FileDecoder): FileDecoder['decodeFile'] {
  let spare: FileDecoder | undefined;
  return async (bytes) => {
    const decoder = spare ?? make();
    spare = undefined;
    await decoder.ready;
    const decoded = await decoder.decodeFile(bytes);
    spare = decoder;
    return decoded;
  };
}

const decodeWithFlac = reusing(() => new FLACDecoder());
const decodeWithVorbis = reusing(() => new OggVorbisDecoder());

async function decodeMp3(bytes: Uint8Array): Promise<DecodedAudio> {
  const frame = firstFrame(bytes);
  if (!frame) throw new UndecodableAudio('mp3: there is no frame in it');
  const decoded = await decodeMpeg(bytes);
  // libmpg123 is asked for two channels always; those of a mono file are equal.
  if (frame.channels === 1) decoded.channelData.length = Math.min(1, decoded.channelData.length);
  const missing = missingAudio(mpegLength(bytes), decoded.samplesDecoded, 2 * frame.samples);
  return result(decoded, damaged(decoded.errors) ?? missing);
}

async function decodeFlac(bytes: Uint8Array): Promise<DecodedAudio> {
  const decoded = await decodeWithFlac(bytes);
  return result(decoded, damaged(decoded.errors) ?? missingAudio(flacLength(bytes), decoded.samplesDecoded));
}

async function decodeOggFlac(bytes: Uint8Array): Promise<DecodedAudio> {
  const decoded = await decodeWithFlac(bytes);
  return result(decoded, oggDamage(bytes) ?? damaged(decoded.errors));
}

async function decodeVorbis(bytes: Uint8Array): Promise<DecodedAudio> {
  const decoded = await decodeWithVorbis(bytes);
  return result(decoded, oggDamage(bytes) ?? damaged(decoded.errors));
}

const decoders: Record<OwnFormat, (bytes: Uint8Array) => DecodedAudio | Promise<DecodedAudio>> = {
  wav: decodeWav,
  mp3: decodeMp3,
  flac: decodeFlac,
  'ogg/flac': decodeOggFlac,
  'ogg/vorbis': decodeVorbis,
  'ogg/opus': (bytes) => decodeOpus(bytes, 'ogg'),
  webm: (bytes) => decodeOpus(bytes, 'webm'),
};

/**
 * Decodes a whole audio file of any format.
 *
 * @param path where the bytes come from, for ffmpeg, which reads it again
 * @throws UndecodableAudio with the reason
 */
export async function decodeBytes(bytes: Uint8Array, path?: string): Promise<DecodedAudio> {
  if (bytes.length === 0) throw new UndecodableAudio('the file is empty');
  const { format, own } = sniff(bytes);
  const ffmpeg = (name: string) => decodeWithFfmpeg(path === undefined ? { bytes } : { path }, name);
  let decoded: DecodedAudio;
  if (own) {
    try {
      decoded = await decoders[format as OwnFormat](bytes);
    } catch (error) {
      if (error instanceof OtherCodec) decoded = await ffmpeg(error.message);
      else if (error instanceof UndecodableAudio) throw error;
      // The wasm decoders and the demuxer throw all kinds of errors, traps included, on damaged files.
      else {
        const reason = error instanceof Error ? error.message : String(error);
        throw new UndecodableAudio(`${format}: ${(format.startsWith('ogg') && oggDamage(bytes)) || reason}`);
      }
    }
  } else {
    decoded = await ffmpeg(
      format === 'unknown' ? `no known audio format (it begins with ${begins(bytes)})` : format,
    );
  }
  return checked(decoded, format);
}

function checked(decoded: DecodedAudio, format: string): DecodedAudio {
  const { channels, sampleRate, damage } = decoded;
  const samples = channels[0]?.length ?? 0;
  if (samples === 0)
    throw new UndecodableAudio(`${format}: there is no audio in it${damage ? ` (${damage})` : ''}`);
  if (!(sampleRate >= 1000 && sampleRate <= 768_000)) {
    throw new UndecodableAudio(`${format}: a rate of ${sampleRate} Hz`);
  }
  for (const channel of channels) {
    // NaN and infinity, possible in float wav files, would reach the loss.
    if (!allFinite(channel)) throw new UndecodableAudio(`${format}: samples that are no finite numbers`);
  }
  return decoded;
}

/** A number times 0 is 0, but for infinities and NaN; a loop over the sum is ten times as fast as `every`. */
function allFinite(samples: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += samples[i]! * 0;
  return sum === 0;
}

function begins(bytes: Uint8Array): string {
  return JSON.stringify(String.fromCharCode(...bytes.subarray(0, 12)));
}
