// MPEG audio frame headers: where the first one is, and the length the Xing or LAME header of a file promises.
// Layout: ISO/IEC 11172-3, 13818-3; Xing/LAME: http://gabriel.mp3-tech.org/mp3infotag.html
import type { AudioLength } from './audio.js';

const bitratesV1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const bitratesV2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const rates = [44100, 48000, 32000];

export interface MpegFrame {
  offset: number;
  bytes: number;
  sampleRate: number;
  channels: number;
  samples: number;
  /** MPEG 1, or the half-rate versions 2 and 2.5. */
  version1: boolean;
}

/** The layer III frame whose header is at `offset`, or undefined when there is none. */
function frameAt(bytes: Uint8Array, offset: number): MpegFrame | undefined {
  if (offset + 4 > bytes.length || bytes[offset] !== 0xff) return undefined;
  const [, second, third, fourth] = bytes.subarray(offset, offset + 4) as unknown as [
    number,
    number,
    number,
    number,
  ];
  const version = (second >> 3) & 3;
  const layer = (second >> 1) & 3;
  if ((second & 0xe0) !== 0xe0 || version === 1 || layer !== 1) return undefined;
  const version1 = version === 3;
  const bitrate = (version1 ? bitratesV1 : bitratesV2)[third >> 4];
  const rate = rates[(third >> 2) & 3];
  if (!bitrate || rate === undefined) return undefined;
  const sampleRate = version1 ? rate : version === 2 ? rate / 2 : rate / 4;
  const samples = version1 ? 1152 : 576;
  const size = Math.floor(((samples / 8) * bitrate * 1000) / sampleRate) + ((third >> 1) & 1);
  return { offset, bytes: size, sampleRate, channels: fourth >> 6 === 3 ? 1 : 2, samples, version1 };
}

/** The bytes an ID3v2 tag at the start of the file takes; 0 without one. */
export function id3Bytes(bytes: Uint8Array): number {
  if (bytes.length < 10 || bytes[0] !== 0x49 || bytes[1] !== 0x44 || bytes[2] !== 0x33) return 0;
  const size = (bytes[6]! << 21) | (bytes[7]! << 14) | (bytes[8]! << 7) | bytes[9]!;
  return 10 + size + (bytes[5]! & 0x10 ? 10 : 0);
}

/**
 * The first frame of layer III: a header followed by another where it says the next one is, or by the end of the bytes.
 * Up to 64 KiB of something else may come before it.
 */
export function firstFrame(bytes: Uint8Array): MpegFrame | undefined {
  const start = id3Bytes(bytes);
  const end = Math.min(bytes.length, start + 65536);
  for (
    let offset = bytes.indexOf(0xff, start);
    offset >= 0 && offset < end;
    offset = bytes.indexOf(0xff, offset + 1)
  ) {
    const frame = frameAt(bytes, offset);
    if (!frame) continue;
    const following = offset + frame.bytes;
    // At the very start one header is enough: a short file may hold only one frame.
    if (
      following >= bytes.length
        ? offset === start
        : frameAt(bytes, following)?.sampleRate === frame.sampleRate
    ) {
      return frame;
    }
  }
  return undefined;
}

/** The length the Xing or Info header in the first frame promises, encoder delay and padding taken off. */
export function mpegLength(bytes: Uint8Array): AudioLength | undefined {
  const frame = firstFrame(bytes);
  if (!frame) return undefined;
  const { offset, sampleRate, version1, channels } = frame;
  const sideInfo = version1 ? (channels === 1 ? 17 : 32) : channels === 1 ? 9 : 17;
  const at = offset + 4 + sideInfo;
  if (at + 120 > bytes.length) return undefined;
  const name = String.fromCharCode(...bytes.subarray(at, at + 4));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint32(at + 4);
  if ((name !== 'Xing' && name !== 'Info') || (flags & 1) === 0) return undefined;
  const frames = view.getUint32(at + 8);
  // After the optional fields (frames 4, bytes 4, index 100, quality 4) LAME puts 9 bytes of its name and, 12 further, the delays.
  const lame = at + 8 + 4 + (flags & 2 ? 4 : 0) + (flags & 4 ? 100 : 0) + (flags & 8 ? 4 : 0);
  const delays = lame + 21;
  // Other writers leave these bytes undefined, and then the length is not known to the sample.
  const writer = String.fromCharCode(...bytes.subarray(lame, lame + 3));
  if (delays + 3 > bytes.length || !['LAM', 'Lav'].includes(writer)) return undefined;
  const delay = (bytes[delays]! << 4) | (bytes[delays + 1]! >> 4);
  const padding = ((bytes[delays + 1]! & 15) << 8) | bytes[delays + 2]!;
  return { samples: Math.max(0, frames * frame.samples - delay - padding), sampleRate };
}
