// Which audio format some bytes are, by what they are and not by their name.
import { type AudioLength, UndecodableAudio } from './audio.js';
import { firstFrame, id3Bytes, mpegLength } from './mpeg.js';
import { firstPacket } from './ogg.js';
import { isPlainWav, readWavHeader, wavLength } from './wav.js';

/** Formats with a decoder of their own; everything else goes to ffmpeg. */
export const ownFormats = ['wav', 'mp3', 'flac', 'ogg/vorbis', 'ogg/opus', 'ogg/flac', 'webm'] as const;

export type OwnFormat = (typeof ownFormats)[number];

export interface Sniffed {
  /** In words, for messages: `mp3`, `mp4/m4a`, `unknown`. */
  format: OwnFormat | (string & {});
  own: boolean;
}

function startsWith(bytes: Uint8Array, text: string, at = 0): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function sniffOgg(bytes: Uint8Array): Sniffed {
  const packet = firstPacket(bytes);
  if (startsWith(packet, 'OpusHead')) return { format: 'ogg/opus', own: true };
  if (startsWith(packet, '\x01vorbis')) return { format: 'ogg/vorbis', own: true };
  if (startsWith(packet, '\x7fFLAC')) return { format: 'ogg/flac', own: true };
  return { format: 'ogg with another codec', own: false };
}

/** Names the format from the first bytes (64 KiB are plenty) of a file. */
export function sniff(bytes: Uint8Array): Sniffed {
  if (startsWith(bytes, 'WAVE', 8) && (startsWith(bytes, 'RIFF') || startsWith(bytes, 'RF64'))) {
    const header = readWavHeader(bytes);
    return isPlainWav(header)
      ? { format: 'wav', own: true }
      : { format: `wav with codec ${header.encoding}`, own: false };
  }
  const tagged = id3Bytes(bytes);
  if (startsWith(bytes, 'fLaC') || startsWith(bytes, 'fLaC', tagged)) return { format: 'flac', own: true };
  if (startsWith(bytes, 'OggS')) return sniffOgg(bytes);
  if (startsWith(bytes, '\x1aE\xdf\xa3')) return { format: 'webm', own: true };
  if (startsWith(bytes, 'ftyp', 4)) return { format: 'mp4/m4a', own: false };
  // An ID3 tag may be longer than what is looked at here (a cover picture), and then stands for mp3.
  if (tagged > bytes.length || firstFrame(bytes)) return { format: 'mp3', own: true };
  return { format: 'unknown', own: false };
}

/** The length the first bytes of a file promise, where the format says it exactly. */
export function promisedLength(head: Uint8Array, format: string): AudioLength | undefined {
  try {
    if (format === 'wav') return wavLength(readWavHeader(head));
    if (format === 'mp3') return mpegLength(head);
    if (format === 'flac') return flacLength(head);
  } catch (error) {
    if (!(error instanceof UndecodableAudio)) throw error;
  }
  return undefined;
}

/** STREAMINFO is always the first block: rate 20 bits, channels 3, bits 5, samples 36 (RFC 9639 section 8.2). */
export function flacLength(bytes: Uint8Array): AudioLength | undefined {
  const start = startsWith(bytes, 'fLaC') ? 0 : id3Bytes(bytes);
  if (start + 26 > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start);
  const sampleRate = view.getUint32(18) >>> 12;
  const samples = (view.getUint8(21) & 15) * 2 ** 32 + view.getUint32(22);
  return samples > 0 && sampleRate > 0 ? { samples, sampleRate } : undefined;
}
