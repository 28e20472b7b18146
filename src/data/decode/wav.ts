// WAV files: RIFF and RF64, integer PCM of 8 to 32 bits and floats of 32 and 64, plain and extensible headers.
// Layout: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (1991), EBU Tech 3306 (RF64).
import { type AudioLength, type DecodedAudio, missingAudio, UndecodableAudio } from './audio.js';

const pcm = 1;
const float = 3;
const extensible = 0xfffe;
/** The size a writer leaves that could not go back to fill it in. */
const unknownSize = 0xffffffff;

export interface WavHeader {
  /** The format tag: 1 integers, 3 floats; others are codecs that are not read here. */
  encoding: number;
  channels: number;
  sampleRate: number;
  bits: number;
  /** Where the samples begin, and how many bytes the header promises; undefined when it does not know. */
  dataStart: number;
  dataBytes: number | undefined;
}

function tag(bytes: Uint8Array, offset: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + 4));
}

/**
 * Reads the header; `bytes` may be only the first part of the file, as long as the data chunk begins in it.
 *
 * @throws UndecodableAudio
 */
export function readWavHeader(bytes: Uint8Array): WavHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: Omit<WavHeader, 'dataStart' | 'dataBytes'> | undefined;
  let wideData: number | undefined;
  let offset = 12;
  while (offset + 8 <= bytes.length) {
    const name = tag(bytes, offset);
    const size = view.getUint32(offset + 4, true);
    const start = offset + 8;
    if (name === 'ds64' && start + 16 <= bytes.length) wideData = Number(view.getBigUint64(start + 8, true));
    if (name === 'fmt ') {
      if (size < 16 || start + size > bytes.length)
        throw new UndecodableAudio('wav: the fmt chunk is cut off');
      let encoding = view.getUint16(start, true);
      // The first two bytes of an extensible header's GUID are the plain tag.
      if (encoding === extensible && size >= 26) encoding = view.getUint16(start + 24, true);
      format = {
        encoding,
        channels: view.getUint16(start + 2, true),
        sampleRate: view.getUint32(start + 4, true),
        bits: view.getUint16(start + 14, true),
      };
    }
    if (name === 'data') {
      if (!format) throw new UndecodableAudio('wav: there is no fmt chunk before the data chunk');
      const dataBytes = size === unknownSize ? wideData : size;
      return { ...format, dataStart: start, dataBytes: dataBytes === unknownSize ? undefined : dataBytes };
    }
    offset = start + size + (size % 2);
  }
  throw new UndecodableAudio('wav: there is no data chunk');
}

/** True when {@link decodeWav} reads this encoding; the rest (A-law, ADPCM, …) needs a codec. */
export function isPlainWav({ encoding, bits }: WavHeader): boolean {
  return (
    (encoding === pcm && [8, 16, 24, 32].includes(bits)) ||
    (encoding === float && (bits === 32 || bits === 64))
  );
}

/** The length the header promises. */
export function wavLength({ channels, bits, sampleRate, dataBytes }: WavHeader): AudioLength | undefined {
  if (dataBytes === undefined) return undefined;
  return { samples: Math.floor(dataBytes / ((channels * bits) / 8)), sampleRate };
}

/** Reads one sample at a byte offset as a number in [-1, 1). */
function sampleReader(view: DataView, { encoding, bits }: WavHeader): (offset: number) => number {
  if (encoding === float) {
    return bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  }
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 32768;
  if (bits === 24) return (at) => (view.getUint16(at, true) | (view.getInt8(at + 2) << 16)) / 8388608;
  return (at) => view.getInt32(at, true) / 2147483648;
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The commonest encodings as a typed array, which is read several times as fast, and what full scale is in them. */
function asTypedArray(
  data: Uint8Array,
  { encoding, bits }: WavHeader,
): { numbers: Int16Array | Float32Array; scale: number } | undefined {
  const shorts = encoding === pcm && bits === 16;
  if (!littleEndian || !(shorts || (encoding === float && bits === 32))) return undefined;
  const width = bits / 8;
  // Typed arrays begin at multiples of their width.
  const { buffer, byteOffset, length } = data.byteOffset % width === 0 ? data : new Uint8Array(data);
  const count = Math.floor(length / width);
  return shorts
    ? { numbers: new Int16Array(buffer, byteOffset, count), scale: 32768 }
    : { numbers: new Float32Array(buffer, byteOffset, count), scale: 1 };
}

/** One channel of interleaved samples as numbers in [-1, 1). */
function readChannel(bytes: Uint8Array, header: WavHeader, channel: number, samples: number): Float32Array {
  const { channels, bits, dataStart } = header;
  const out = new Float32Array(samples);
  const typed = asTypedArray(bytes.subarray(dataStart), header);
  if (typed) {
    const { numbers, scale } = typed;
    for (let i = 0, at = channel; i < samples; i++, at += channels) out[i] = numbers[at]! / scale;
    return out;
  }
  const width = bits / 8;
  const read = sampleReader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), header);
  const stride = channels * width;
  for (let i = 0, at = dataStart + channel * width; i < samples; i++, at += stride) out[i] = read(at);
  return out;
}

/** @throws UndecodableAudio for a broken header or a codec that is not PCM. */
export function decodeWav(bytes: Uint8Array): DecodedAudio {
  const header = readWavHeader(bytes);
  const { channels: count, sampleRate, bits, dataStart } = header;
  if (!isPlainWav(header))
    throw new UndecodableAudio(`wav: unknown encoding ${header.encoding} with ${bits} bits`);
  if (count < 1 || count > 64) throw new UndecodableAudio(`wav: ${count} channels`);
  if (sampleRate < 1000 || sampleRate > 768_000)
    throw new UndecodableAudio(`wav: a rate of ${sampleRate} Hz`);
  const width = bits / 8;
  const promised = wavLength(header);
  const present = Math.floor((bytes.length - dataStart) / (count * width));
  const samples = Math.min(present, promised?.samples ?? present);
  const channels = Array.from({ length: count }, (_, channel) =>
    readChannel(bytes, header, channel, samples),
  );
  const decoded: DecodedAudio = { channels, sampleRate };
  const damage = missingAudio(promised, present);
  if (damage !== undefined) decoded.damage = damage;
  return decoded;
}

/** Decodes samples without their header, as they lie in the data chunk. */
export function decodeWavData(data: Uint8Array, header: WavHeader): Float32Array[] {
  const { channels, bits } = header;
  const samples = Math.floor(data.length / ((channels * bits) / 8));
  const alone = { ...header, dataStart: 0 };
  return Array.from({ length: channels }, (_, channel) => readChannel(data, alone, channel, samples));
}

/** The 44 bytes before the samples of a file with nothing but them. */
export function wavHeader({
  encoding,
  channels,
  sampleRate,
  bits,
  dataBytes = 0,
}: Omit<WavHeader, 'dataStart'>): Uint8Array {
  const header = Buffer.alloc(44);
  const frame = (channels * bits) / 8;
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(Math.min(dataBytes + 36, unknownSize), 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(encoding, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(sampleRate, 24);
  header.writeUInt32LE(sampleRate * frame, 28);
  header.writeUInt16LE(frame, 32);
  header.writeUInt16LE(bits, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(Math.min(dataBytes, unknownSize), 40);
  return header;
}
