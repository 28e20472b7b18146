// Ogg pages (RFC 3533): whether a file is whole. The decoders skip damaged pages without a word.

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

/** What is wrong with an Ogg file; undefined when every page is whole and the last one says that it is the last. */
export function oggDamage(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let ended = false;
  while (at < bytes.length) {
    if (at + 27 > bytes.length) return ended ? undefined : 'cut off in the middle of a page';
    if (!isPage(bytes, at)) return ended ? undefined : `damaged: no page begins at byte ${at}`;
    const segments = bytes[at + 26]!;
    let size = 27 + segments;
    for (let i = 0; i < segments; i++) size += bytes[at + 27 + i] ?? 0;
    if (at + size > bytes.length) return 'cut off in the middle of a page';
    if (pageChecksum(bytes.subarray(at, at + size)) !== view.getUint32(at + 22, true)) {
      return `damaged: the checksum of the page at byte ${at} is wrong`;
    }
    ended = (bytes[at + 5]! & 4) !== 0;
    at += size;
  }
  return ended ? undefined : 'cut off: the page that ends the stream is missing';
}

/** The first packet's first bytes, which name the codec. */
export function firstPacket(bytes: Uint8Array): Uint8Array {
  return isPage(bytes, 0) ? bytes.subarray(27 + (bytes[26] ?? 0)) : new Uint8Array(0);
}
