// Zip archives of stored entries: written and read, beyond 4 GiB too, and every kind of damage refused.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BinaryFile, Sink, writeWhole } from '../../src/files/binary.js';
import { ZipArchive } from '../../src/files/zip.js';
import { ZipWriter } from '../../src/files/zip-writer.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'whisper-tune-zip-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const entries: Record<string, Buffer> = {
  'a/first': Buffer.from('one'),
  'a/ünïcode': Buffer.alloc(1000, 7),
  'a/empty': Buffer.alloc(0),
  'a/last': Buffer.alloc(64, 'x'),
};

async function addAll(writer: ZipWriter): Promise<void> {
  for (const [name, content] of Object.entries(entries)) {
    await writer.add(name, content.length, [content.subarray(0, 2), content.subarray(2)]);
  }
  await writer.finish();
}

async function write(name: string): Promise<string> {
  const path = join(folder, name);
  await writeWhole(path, (sink) => addAll(new ZipWriter(sink)));
  return path;
}

async function readAll(path: string): Promise<Record<string, Buffer>> {
  const file = await BinaryFile.open(path);
  try {
    const archive = await ZipArchive.open(file);
    const found: Record<string, Buffer> = {};
    for (const name of archive.names) found[name] = await archive.read(name);
    return found;
  } finally {
    await file.close();
  }
}

describe('an archive', () => {
  it('is read as it was written', async () => {
    expect(await readAll(await write('plain.zip'))).toEqual(entries);
  });

  it('has the bytes of each entry at a multiple of 64', async () => {
    const path = join(folder, 'aligned.zip');
    const names = Array.from({ length: 70 }, (_, i) => 'n'.repeat(i + 1));
    await writeWhole(path, async (sink) => {
      const writer = new ZipWriter(sink);
      for (const name of names) await writer.add(name, 9, [Buffer.from('<content>')]);
      await writer.finish();
    });
    const places = [...readFileSync(path, 'latin1').matchAll(/<content>/g)].map(({ index }) => index % 64);
    expect(places).toEqual(names.map(() => 0));
  });

  it('is one that Python reads', async () => {
    const path = await write('python.zip');
    const script =
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), *[len(z.read(n)) for n in z.namelist()])';
    expect(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' })).toBe('None 3 1000 0 64\n');
  });

  it('may reach beyond 4 GiB', async () => {
    // A file with a hole of four gigabytes, which takes no space.
    const path = join(folder, 'large.zip');
    const handle = await open(path, 'w');
    const sink = new Sink(handle, undefined);
    const writer = new ZipWriter(sink);
    await writer.add('a/before', 1, [Buffer.from('b')]);
    sink.position = 2 ** 32 + 1000;
    await addAll(writer);
    await handle.close();
    expect(await readAll(path)).toEqual({ 'a/before': Buffer.from('b'), ...entries });
    const script =
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(z.read("a/first"), z.getinfo("a/last").header_offset > 2**32)';
    expect(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' })).toBe("b'one' True\n");
  });

  it('may end with a comment', async () => {
    const bytes = readFileSync(await write('comment.zip'));
    bytes.writeUInt16LE(5, bytes.length - 2);
    const path = join(folder, 'comment.zip');
    writeFileSync(path, Buffer.concat([bytes, Buffer.from('hello')]));
    expect(await readAll(path)).toEqual(entries);
  });

  it('is written with as many bytes as were promised', async () => {
    const path = join(folder, 'short.zip');
    const add = writeWhole(path, (sink) => new ZipWriter(sink).add('a', 3, [Buffer.from('ab')]));
    await expect(add).rejects.toThrow('a: 2 bytes, expected 3');
  });
});

describe('a damaged archive', () => {
  /** The position of an entry's header in the directory. */
  const central = (bytes: Buffer, name: string) => bytes.lastIndexOf(name) - 46;

  it.each<[string, (bytes: Buffer) => Buffer | undefined, RegExp]>([
    ['cut off', (b) => b.subarray(0, b.length - 1), /not, or not all of, a zip archive/],
    ['of nothing', () => Buffer.alloc(0), /not, or not all of, a zip archive/],
    [
      'with other bytes',
      (b) => void b.writeUInt8(0, b.indexOf('one')),
      /a\/first: its checksum is \w{8}, the directory says/,
    ],
    [
      'with another name',
      (b) => void b.write('b', b.indexOf('a/first')),
      /a\/first: what lies at byte 0 is not this entry/,
    ],
    [
      'with a compressed entry',
      (b) => void b.writeUInt16LE(8, central(b, 'a/last') + 10),
      /a\/last: compressed \(method 8\)/,
    ],
    [
      'with an encrypted entry',
      (b) => void b.writeUInt16LE(0x809, central(b, 'a/last') + 8),
      /a\/last: encrypted/,
    ],
    [
      'with two sizes',
      (b) => void b.writeUInt32LE(63, central(b, 'a/last') + 20),
      /its zip directory is damaged/,
    ],
    [
      'with an entry that is too long',
      (b) => {
        for (const field of [20, 24]) b.writeUInt32LE(6400, central(b, 'a/last') + field);
      },
      /a\/last: its 6400 bytes reach into the zip directory/,
    ],
    [
      'with a number beyond 32 bits that is nowhere',
      (b) => void b.writeUInt32LE(0xffffffff, central(b, 'a/last') + 42),
      /its zip directory is damaged/,
    ],
    [
      'with two entries of a name',
      (b) => void b.write('a/first', b.lastIndexOf('a/empty')),
      /two entries named a\/first/,
    ],
    [
      'with fewer entries than it says',
      (b) => void b.writeBigUInt64LE(9n, b.length - 22 - 20 - 56 + 32),
      /directory is damaged/,
    ],
    [
      'whose directory is elsewhere',
      (b) => void b.writeBigUInt64LE(1n << 60n, b.length - 22 - 20 - 56 + 48),
      /speaks of byte/,
    ],
    ['in two parts', (b) => void b.writeUInt16LE(1, b.length - 22 + 4), /in several parts/],
  ])('%s', async (_, spoil, message) => {
    const path = await write('damaged.zip');
    const bytes = readFileSync(path);
    writeFileSync(path, spoil(bytes) ?? bytes);
    await expect(readAll(path)).rejects.toMatchObject({
      code: 'ERR_CORRUPT_FILE',
      message: expect.stringMatching(message),
    });
  });
});

describe('a file', () => {
  it('that cannot be read', async () => {
    await expect(BinaryFile.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(BinaryFile.open(folder)).rejects.toMatchObject({
      message: expect.stringContaining('it is a folder'),
    });
  });

  it('that is not written stays as it was', async () => {
    const path = join(folder, 'kept');
    writeFileSync(path, 'before');
    const controller = new AbortController();
    const interrupted = writeWhole(
      path,
      async (sink) => {
        await sink.write(Buffer.from('after'));
        controller.abort();
        await sink.write(Buffer.from('all'));
      },
      controller.signal,
    );
    await expect(interrupted).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
    expect(readFileSync(path, 'utf8')).toBe('before');
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    await expect(writeWhole(join(folder, 'none/file'), async () => {})).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
  });
});
