// Opus in Ogg or WebM: mediabunny takes the packets out, libopus decodes them at 48 kHz.
import { type DecodedAudio, UndecodableAudio } from './audio.js';
import { oggDamage } from './ogg.js';

interface OpusHead {
  channels: number;
  preSkip: number;
  streamCount: number;
  coupledStreamCount: number;
  channelMappingTable: number[];
}

/** The identification header, RFC 7845 section 5.1. */
function readOpusHead(head: Uint8Array): OpusHead {
  if (head.length < 19) throw new UndecodableAudio('opus: the identification header is cut off');
  const channels = head[9]!;
  const preSkip = head[10]! | (head[11]! << 8);
  const family = head[18]!;
  if (channels < 1) throw new UndecodableAudio('opus: no channels');
  if (family === 0) {
    if (channels > 2) throw new UndecodableAudio(`opus: ${channels} channels without a channel mapping`);
    return {
      channels,
      preSkip,
      streamCount: 1,
      coupledStreamCount: channels - 1,
      channelMappingTable: channels === 2 ? [0, 1] : [0],
    };
  }
  if (head.length < 21 + channels) throw new UndecodableAudio('opus: the channel mapping is cut off');
  const [streamCount, coupledStreamCount] = [head[19]!, head[20]!];
  // libopus trusts these numbers as far as memory goes.
  if (streamCount < 1 || coupledStreamCount > streamCount || streamCount + coupledStreamCount > 255) {
    throw new UndecodableAudio('opus: a wrong channel mapping');
  }
  return {
    channels,
    preSkip,
    streamCount,
    coupledStreamCount,
    channelMappingTable: [...head.subarray(21, 21 + channels)],
  };
}

/** One EBML number (RFC 8794 section 4): its value and its length in bytes; -1 stands for "unknown". */
function ebmlNumber(bytes: Uint8Array, at: number, keepMarker: boolean): { value: number; length: number } {
  const first = bytes[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (length > 8) return { value: -1, length: 1 };
  let value = keepMarker ? first : first & (0xff >> length);
  let ones = value === 0xff >> length;
  for (let i = 1; i < length; i++) {
    value = value * 256 + (bytes[at + i] ?? 0);
    ones &&= bytes[at + i] === 0xff;
  }
  return { value: ones && !keepMarker ? -1 : value, length };
}

/** A WebM file whose segment says it is longer than the file. A live recording does not say. */
function webmDamage(bytes: Uint8Array): string | undefined {
  let at = 0;
  while (at < bytes.length) {
    const id = ebmlNumber(bytes, at, true);
    const size = ebmlNumber(bytes, at + id.length, false);
    if (size.value < 0) return undefined;
    at += id.length + size.length + size.value;
  }
  return at > bytes.length ? `cut off: ${at} bytes are promised, ${bytes.length} are there` : undefined;
}

/** Opus packets hold at most 120 ms. */
const longestPacket = 5760;

/**
 * Decodes the first Opus track. What the encoder put in front (pre-skip) is dropped, and in Ogg what follows the end
 * that the last page names; WebM does not say it to the sample, so up to 20 ms of silence may follow.
 *
 * @throws UndecodableAudio also when the track is of another codec; `otherCodec` is then its name
 */
export async function decodeOpus(bytes: Uint8Array, format: 'ogg/opus' | 'webm'): Promise<DecodedAudio> {
  const [mediabunny, { OpusDecoder }] = await Promise.all([import('mediabunny'), import('opus-decoder')]);
  const { BufferSource, EncodedPacketSink, Input, MATROSKA, OGG, WEBM } = mediabunny;
  using input = new Input({ source: new BufferSource(bytes), formats: [OGG, WEBM, MATROSKA] });
  const track = await input.getPrimaryAudioTrack();
  if (!track) throw new UndecodableAudio(`${format}: there is no audio track in it`);
  const codec = await track.getCodec();
  if (codec !== 'opus') throw new OtherCodec(`${format} with ${codec ?? 'an unknown codec'}`);
  const config = await track.getDecoderConfig();
  const head = config?.description;
  if (!head) throw new UndecodableAudio(`${format}: the identification header is missing`);
  const { preSkip, ...layout } = readOpusHead(
    ArrayBuffer.isView(head)
      ? new Uint8Array(head.buffer, head.byteOffset, head.byteLength)
      : new Uint8Array(head),
  );
  const packets: Uint8Array[] = [];
  for await (const packet of new EncodedPacketSink(track).packets()) packets.push(packet.data);
  if (packets.length === 0) throw new UndecodableAudio(`${format}: there is no audio in it`);

  const decoder = new OpusDecoder(layout);
  await decoder.ready;
  try {
    // libopus takes a packet of any length, its wasm wrapper has room for 64 kB of each channel's 120 ms.
    const room = 3840 * layout.channels;
    const fitting = packets.filter((packet) => packet.length <= room);
    const decoded = decoder.decodeFrames(fitting);
    let end = decoded.samplesDecoded;
    if (format === 'ogg/opus') {
      const promised = Math.round((await track.computeDuration()) * 48000);
      if (promised > 0 && end - preSkip - promised <= longestPacket) end = Math.min(end, preSkip + promised);
    }
    const channels = decoded.channelData.map((channel) => channel.slice(Math.min(preSkip, end), end));
    const bad = decoded.errors.length + packets.length - fitting.length;
    const damage =
      (format === 'ogg/opus' ? oggDamage(bytes) : webmDamage(bytes)) ??
      (bad > 0 ? `damaged: ${bad} of ${packets.length} packets cannot be decoded` : undefined);
    return { channels, sampleRate: 48000, ...(damage !== undefined && { damage }) };
  } finally {
    decoder.free();
  }
}

/** The container is read, but what is in it needs another decoder; the message names it. */
export class OtherCodec extends UndecodableAudio {}
