// Tar archives for tests of data sets, written with tar-stream; headers it would not write are made by hand.
import { Buffer } from 'node:buffer';
import { type Header, pack } from 'tar-stream';

export type Entry = [name: string, content: string | Uint8Array, headers?: Partial<Header>];

/** An archive with these entries, in their order. */
export async function tarFile(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content, headers] of entries)
    archive.entry({ name, ...headers }, Buffer.from(content as Uint8Array));
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Writes a field of the header that begins at a byte, and its checksum. */
export function patchHeader(archive: Buffer, header: number, at: number, field: string): Buffer {
  archive.write(field, header + at, 'latin1');
  archive.fill(' ', header + 148, header + 156);
  const sum = archive.subarray(header, header + 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, header + 148, 'latin1');
  return archive;
}

/** An archive with GNU's way of writing a long name: an entry of type L before it. */
export async function gnuLongName(name: string, content: string): Promise<Buffer> {
  const archive = await tarFile([
    ['././@LongLink', `${name}\0`],
    [name.slice(0, 90), content],
  ]);
  return patchHeader(archive, 0, 156, 'L');
}
