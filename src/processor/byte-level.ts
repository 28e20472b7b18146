// The byte-level alphabet of GPT-2: every byte as one printable character, in which BPE vocabularies are spelled.

/** Byte of each character of the alphabet. Printable Latin-1 stands for itself, the rest for U+0100 onwards. */
export const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = alphabet();

function alphabet(): Map<string, number> {
  const bytes = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    bytes.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return bytes;
}

/** The bytes a token stands for; one that leaves the alphabet (an added token) stands for its own UTF-8. */
export function tokenBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
