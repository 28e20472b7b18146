// Ogg (RFC 3533): its pages, whether all of them are whole, and the packets in them.

/** CRC-32 with polynomial 0x04c11db7, not reflected, as Ogg uses it. */
const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

/** The checksum of a page, its own checksum field (bytes 22 to 25) taken as zero. */
export function pageChecksum(page: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= 22 && i < 26 ? 0 : page[i]!;
    crc = (crc << 8) ^ crcTable[(crc >>> 24) ^ byte]!;
  }
  return crc >>> 0;
}

function isPage(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x4f && bytes[at + 1] === 0x67 && bytes[at + 2] === 0x67 && bytes[at + 3] === 0x53;
}

interface Page {
  at: number;
  /** 1: begins in the middle of a packet; 2: first page of the stream; 4: last. */
  flags: number;
  /** The codec's position at the end of the page; -1 when no packet ends on it. */
  granule: number;
  serial: number;
  segments: Uint8Array;
  /** What the segments hold; shorter than they say when the file is cut off. */
  body: Uint8Array;
  /** Undefined when the page is whole. */
  damage: string | undefined;
}

/** Every page of a file. Something else between them is skipped up to the next page and told of with that page. */
function* readPages(bytes: Uint8Array): Generator<Page, void, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let skipped: string | undefined;
  for (let at = 0; at + 27 <= bytes.length; ) {
    if (!isPage(bytes, at)) {
      skipped ??= `damaged: no page begins at byte ${at}`;
      at = bytes.indexOf(0x4f, at + 1);
      if (at < 0) return;
      continue;
    }
    const start = at + 27 + bytes[at + 26]!;
    const segments = bytes.subarray(at + 27, start);
    const end = start + segments.reduce((sum, size) => sum + size, 0);
    let damage = skipped;
    if (end > bytes.length) damage ??= 'cut off in the middle of a page';
    else if (pageChecksum(bytes.subarray(at, end)) !== view.getUint32(at + 22, true)) {
      damage ??= `damaged: the checksum of the page at byte ${at} is wrong`;
    }
    skipped = undefined;
    yield {
      at,
      flags: bytes[at + 5]!,
      granule: Number(view.getBigInt64(at + 6, true)),
      serial: view.getUint32(at + 14, true),
      segments,
      body: bytes.subarray(start, end),
      damage,
    };
    at = damage === undefined || end > bytes.length ? end : at + 4;
  }
}

/** What is wrong with an Ogg file; undefined when every page is whole and the last one says that it is the last. */
export function oggDamage(bytes: Uint8Array): string | undefined {
  let last: Page | undefined;
  for (const page of readPages(bytes)) {
    if (page.damage !== undefined) return page.damage;
    last = page;
  }
  if (last && last.flags & 4) return undefined;
  return 'cut off: the page that ends the stream is missing';
}

export interface OggPackets {
  /** Header packets included. */
  packets: Uint8Array[];
  /** The codec's position at the end of the stream, or undefined when the end is missing. */
  end: number | undefined;
  damage: string | undefined;
}

/** The packets of the stream that begins with the file's first page; damaged pages are left out. */
export function readOggPackets(bytes: Uint8Array): OggPackets {
  const packets: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let serial: number | undefined;
  let end: number | undefined;
  let damage: string | undefined;
  for (const page of readPages(bytes)) {
    damage ??= page.damage;
    serial ??= page.serial;
    if (page.damage?.startsWith('damaged: the checksum')) parts = [];
    else if (page.serial === serial) {
      // A packet goes on in the next segment when its own is full, over the end of the page too.
      if ((page.flags & 1) === 0) parts = [];
      const lost = (page.flags & 1) !== 0 && parts.length === 0;
      let at = 0;
      let first = true;
      for (const size of page.segments) {
        if (at + size > page.body.length) break;
        parts.push(page.body.subarray(at, at + size));
        at += size;
        if (size === 255) continue;
        if (!(first && lost)) packets.push(Buffer.concat(parts));
        parts = [];
        first = false;
      }
      if (page.flags & 4) end = page.granule;
      if (page.flags & 4) break;
    }
  }
  if (end === undefined) damage ??= 'cut off: the page that ends the stream is missing';
  return { packets, end, damage };
}

/** The first packet's first bytes, which name the codec. */
export function firstPacket(bytes: Uint8Array): Uint8Array {
  return isPage(bytes, 0) ? bytes.subarray(27 + (bytes[26] ?? 0)) : new Uint8Array(0);
}
