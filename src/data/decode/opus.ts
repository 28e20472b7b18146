// Opus in Ogg (RFC 7845) or WebM: packets out of the container, decoded by libopus at 48 kHz, Opus' own rate.
import { OpusDecoder } from 'opus-decoder';
import { type DecodedAudio, UndecodableAudio } from './audio.js';
import { readOggPackets } from './ogg.js';
import { readWebm } from './webm.js';

const sampleRate = 48000;

/** The container is read, but what is in it needs another decoder; the message names it. */
export class OtherCodec extends UndecodableAudio {}

interface OpusHead {
  channels: number;
  /** Samples at the start that the encoder needed to get going. */
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
    const channelMappingTable = channels === 2 ? [0, 1] : [0];
    return { channels, preSkip, streamCount: 1, coupledStreamCount: channels - 1, channelMappingTable };
  }
  if (head.length < 21 + channels) throw new UndecodableAudio('opus: the channel mapping is cut off');
  const [streamCount, coupledStreamCount] = [head[19]!, head[20]!];
  const channelMappingTable = [...head.subarray(21, 21 + channels)];
  const streams = streamCount + coupledStreamCount;
  const wrong = channelMappingTable.some((stream) => stream !== 255 && stream >= streams);
  if (streamCount < 1 || coupledStreamCount > streamCount || streams > 255 || wrong) {
    throw new UndecodableAudio('opus: a wrong channel mapping');
  }
  return { channels, preSkip, streamCount, coupledStreamCount, channelMappingTable };
}

/** The longest packet, 120 ms: no more than that is left out at an end. */
const longestPacket = 5760;

interface OpusStream {
  head: OpusHead;
  packets: Uint8Array[];
  /** Samples to leave out at the end, of as many as were decoded (pre-skip included). */
  trim: (decoded: number) => number;
  damage: string | undefined;
}

function fromOgg(bytes: Uint8Array): OpusStream {
  const { packets, end, damage } = readOggPackets(bytes);
  const [head, _tags, ...audio] = packets;
  // The last page's position is less than what was decoded by what to leave out.
  return {
    head: readOpusHead(head ?? new Uint8Array(0)),
    packets: audio,
    trim: (all) => all - (end ?? all),
    damage,
  };
}

function fromWebm(bytes: Uint8Array): OpusStream {
  const { codec, codecPrivate, encoded, packets, discard, damage } = readWebm(bytes);
  if (codec !== 'A_OPUS' || encoded)
    throw new OtherCodec(`webm with ${codec}${encoded ? ', compressed' : ''}`);
  return {
    head: readOpusHead(codecPrivate),
    packets,
    trim: () => Math.round((discard * sampleRate) / 1e9),
    damage,
  };
}

/** Packets decoded at once in pieces: 20 s where they last 20 ms. */
const packetsAtOnce = 1000;

/** What a piece of a stream became, and how many of its packets could not be decoded. */
interface OpusPiece {
  channels: Float32Array[];
  bad: number;
}

/** The stream in pieces; what the encoder put in front (pre-skip) and behind is left out. */
async function* decodeStream(
  { head, packets, trim }: OpusStream,
  atOnce: number,
): AsyncGenerator<OpusPiece, void, void> {
  const { preSkip, ...layout } = head;
  // The decoder copies each packet into 3840 bytes per channel without looking at its length.
  const fits = (packet: Uint8Array): boolean => packet.length > 0 && packet.length <= 3840 * layout.channels;
  const decoder = new OpusDecoder(layout);
  await decoder.ready;
  try {
    let before = 0;
    for (let at = 0; at < packets.length; ) {
      // No piece is shorter than what may be left out at its ends.
      const last = packets.length - at < 2 * atOnce;
      const piece = packets.slice(at, last ? undefined : at + atOnce);
      at += piece.length;
      const fitting = piece.filter(fits);
      const decoded = decoder.decodeFrames(fitting);
      const all = before + decoded.samplesDecoded;
      const behind = last ? trim(all) : 0;
      const end = decoded.samplesDecoded - (behind > 0 && behind <= longestPacket ? behind : 0);
      const front = Math.min(Math.max(0, preSkip - before), Math.max(0, end));
      before = all;
      const channels = decoded.channelData.map((channel) => channel.slice(front, Math.max(0, end)));
      yield { channels, bad: decoded.errors.length + piece.length - fitting.length };
    }
  } finally {
    decoder.free();
  }
}

function openStream(bytes: Uint8Array, container: 'ogg' | 'webm'): OpusStream {
  return container === 'ogg' ? fromOgg(bytes) : fromWebm(bytes);
}

/**
 * Decodes an Opus stream to the sample.
 *
 * @throws UndecodableAudio, and OtherCodec for a WebM file of another codec
 */
export async function decodeOpus(bytes: Uint8Array, container: 'ogg' | 'webm'): Promise<DecodedAudio> {
  const stream = openStream(bytes, container);
  const { packets, damage, head } = stream;
  let decoded: OpusPiece = {
    channels: Array.from({ length: head.channels }, () => new Float32Array(0)),
    bad: 0,
  };
  for await (const piece of decodeStream(stream, Math.max(1, packets.length))) decoded = piece;
  const { channels, bad } = decoded;
  const why =
    damage ?? (bad > 0 ? `damaged: ${bad} of ${packets.length} packets cannot be decoded` : undefined);
  return { channels, sampleRate, ...(why !== undefined && { damage: why }) };
}

/**
 * The same piece by piece.
 *
 * @throws UndecodableAudio, and OtherCodec for a WebM file of another codec
 */
export async function* opusPieces(
  bytes: Uint8Array,
  container: 'ogg' | 'webm',
): AsyncGenerator<DecodedAudio, void, void> {
  for await (const { channels } of decodeStream(openStream(bytes, container), packetsAtOnce))
    yield { channels, sampleRate };
}
