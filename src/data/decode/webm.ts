// WebM and Matroska: the packets of the first audio track. Elements are read one after the other, without a tree, so that
// a damaged file costs no more time than a whole one. Layout: RFC 8794 (EBML), RFC 9559 (Matroska).
import { UndecodableAudio } from './audio.js';

const ids = {
  segment: 0x18538067,
  tracks: 0x1654ae6b,
  track: 0xae,
  trackNumber: 0xd7,
  trackType: 0x83,
  codec: 0x86,
  codecPrivate: 0x63a2,
  contentEncodings: 0x6d80,
  cluster: 0x1f43b675,
  simpleBlock: 0xa3,
  blockGroup: 0xa0,
  block: 0xa1,
  discardPadding: 0x75a2,
};

/** Elements that hold other elements and are gone into; all others are leaves here. */
const containers: ReadonlySet<number> = new Set([
  ids.segment,
  ids.tracks,
  ids.track,
  ids.cluster,
  ids.blockGroup,
]);

const audioTrack = 2;

interface Track {
  number: number;
  type: number;
  codec: string;
  codecPrivate: Uint8Array;
  /** Compressed or encrypted blocks. */
  encoded: boolean;
}

export interface WebmPackets {
  /** Matroska's name, such as A_OPUS. */
  codec: string;
  /** For Opus the identification header. */
  codecPrivate: Uint8Array;
  encoded: boolean;
  packets: Uint8Array[];
  /** Nanoseconds to leave out at the end. */
  discard: number;
  damage: string | undefined;
}

/** A number of variable length: the leading zeros of the first byte say how many follow. Undefined when cut off. */
function readNumber(bytes: Uint8Array, at: number, marker: 'keep' | 'drop') {
  const first = bytes[at];
  if (first === undefined || first === 0) return undefined;
  const length = Math.clz32(first) - 23;
  if (at + length > bytes.length) return undefined;
  let value = marker === 'keep' ? first : first & (0xff >> length);
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]!;
  // All ones are "unknown": the element lasts as long as what is in it.
  return { value, length, unknown: marker === 'drop' && value === 2 ** (7 * length) - 1 };
}

function unsigned(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** The frames in one block, which holds several when it is laced (RFC 9559 section 10.3). Undefined when it is broken. */
export function readFrames(block: Uint8Array): Uint8Array[] | undefined {
  const number = readNumber(block, 0, 'drop');
  if (!number || number.length + 3 > block.length) return undefined;
  let at = number.length + 3;
  const lacing = (block[at - 1]! >> 1) & 3;
  if (lacing === 0) return [block.subarray(at)];
  const count = (block[at++] ?? 0) + 1;
  const sizes: number[] = [];
  for (let i = 0; i < count - 1; i++) {
    if (lacing === 1) {
      let size = 0;
      let byte: number | undefined;
      do {
        byte = block[at++];
        size += byte ?? 0;
      } while (byte === 255);
      sizes.push(size);
    } else if (lacing === 2) {
      sizes.push((block.length - at) / count);
    } else {
      const step = readNumber(block, at, 'drop');
      if (!step) return undefined;
      at += step.length;
      // After the first, sizes are signed differences around the middle of the number's range.
      sizes.push(i === 0 ? step.value : sizes[i - 1]! + step.value - (2 ** (7 * step.length - 1) - 1));
    }
  }
  const frames: Uint8Array[] = [];
  for (const size of sizes) {
    if (!Number.isInteger(size) || size < 0 || at + size > block.length) return undefined;
    frames.push(block.subarray(at, at + size));
    at += size;
  }
  frames.push(block.subarray(at));
  return frames;
}

/**
 * Reads the first audio track.
 *
 * @throws UndecodableAudio when there is none
 */
export function readWebm(bytes: Uint8Array): WebmPackets {
  const tracks: Track[] = [];
  const packets: Uint8Array[] = [];
  let discard = 0;
  let damage: string | undefined;
  const chosen = () => tracks.find(({ type }) => type === audioTrack);
  for (let at = 0; at < bytes.length; ) {
    const id = readNumber(bytes, at, 'keep');
    const size = id && readNumber(bytes, at + id.length, 'drop');
    if (!id || id.length > 4 || !size) {
      damage ??= `damaged: no element begins at byte ${at}`;
      break;
    }
    const start = at + id.length + size.length;
    const end = size.unknown ? Number.POSITIVE_INFINITY : start + size.value;
    if (!size.unknown && end > bytes.length)
      damage ??= `cut off: ${end} bytes are promised, ${bytes.length} are there`;
    at = containers.has(id.value) ? start : end;
    const content = bytes.subarray(start, Math.min(end, bytes.length));
    const track = tracks.at(-1);
    if (id.value === ids.track) {
      tracks.push({ number: 0, type: 0, codec: '', codecPrivate: new Uint8Array(0), encoded: false });
    } else if (id.value === ids.trackNumber && track) track.number = unsigned(content);
    else if (id.value === ids.trackType && track) track.type = unsigned(content);
    else if (id.value === ids.codec && track) track.codec = String.fromCharCode(...content.subarray(0, 64));
    else if (id.value === ids.codecPrivate && track) track.codecPrivate = content;
    else if (id.value === ids.contentEncodings && track) track.encoded = true;
    else if (id.value === ids.discardPadding) discard = Math.max(0, unsigned(content));
    else if (id.value === ids.simpleBlock || id.value === ids.block) {
      if (readNumber(content, 0, 'drop')?.value !== chosen()?.number || end > bytes.length) continue;
      const frames = readFrames(content);
      if (!frames) damage ??= `damaged: the block at byte ${start} is broken`;
      for (const frame of frames ?? []) packets.push(frame);
      discard = 0;
    }
  }
  const track = chosen();
  if (!track)
    throw new UndecodableAudio(`webm: there is no audio track in it${damage ? ` (${damage})` : ''}`);
  const { codec, codecPrivate, encoded } = track;
  return { codec, codecPrivate, encoded, packets, discard, damage };
}
