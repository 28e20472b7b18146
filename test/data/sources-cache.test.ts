// The cache of remote blocks: what is read and when, its bound, damage, a full disk, and two processes.
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockCache } from '../../src/data/sources/block-cache.js';
import { cachedFile } from '../../src/data/sources/remote-cache.js';
import type { RandomAccessFile } from '../../src/files/random-access.js';
import { folder } from './signal.js';

const content = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) % 251);
const key = 'ab'.repeat(32);

/** A file that says which blocks of 100 bytes were read. */
function remote(reads: number[] = [], fail = () => false): RandomAccessFile {
  return {
    name: 'remote',
    size: content.length,
    async read(start, end) {
      reads.push(start / 100);
      if (fail()) throw new Error('the line is down');
      return content.slice(start, end);
    },
    close: async () => {},
  };
}

function cache(root: string, limit = 1e6, notices: string[] = []): BlockCache {
  return new BlockCache({ folder: root, limit, notice: (line) => notices.push(line) });
}

function stored(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(root, name)).isFile())
    .map((name) => name.split('/').at(-1)!)
    .sort((a, b) => Number(a) - Number(b));
}

describe('a file read through the cache', () => {
  it('gives the bytes of any range, in any order', async () => {
    const file = cachedFile(remote(), key, cache(folder()), 100);
    const range = fc
      .tuple(fc.nat(1000), fc.nat(1000))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 8 }), async (ranges) => {
        const found = await Promise.all(ranges.map(([start, end]) => file.read(start, end)));
        expect(found).toEqual(ranges.map(([start, end]) => content.slice(start, end)));
      }),
      { numRuns: 60 },
    );
    await file.close();
  });

  it('is fetched once, in this process and the next', async () => {
    const root = folder();
    const reads: number[] = [];
    const first = cachedFile(remote(reads), key, cache(root), 100);
    for (let at = 0; at < 1000; at += 50) await first.read(at, at + 50);
    await first.close();
    expect(reads.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    reads.length = 0;
    const second = cachedFile(remote(reads), key, cache(root), 100);
    expect(await second.read(0, 1000)).toEqual(content);
    expect(reads).toEqual([]);
    // Another content of the same name is another file.
    await cachedFile(remote(reads), 'cd'.repeat(32), cache(root), 100).read(0, 10);
    expect(reads).toEqual([0]);
  });

  it('has the next block on its way when it is read onward, and not when it is read here and there', async () => {
    const reads: number[] = [];
    const file = cachedFile(remote(reads), key, cache(folder()), 100);
    await file.read(0, 10);
    await file.read(500, 510);
    await file.read(200, 210);
    expect(reads).toEqual([0, 5, 2]);
    await file.read(210, 220);
    await file.close();
    expect(reads).toEqual([0, 5, 2, 3]);
  });

  it('is asked again after a failure', async () => {
    const failures = [true, false];
    const file = cachedFile(
      remote([], () => failures.shift() ?? false),
      key,
      cache(folder()),
      100,
    );
    await expect(file.read(0, 10)).rejects.toThrow('the line is down');
    expect(await file.read(0, 10)).toEqual(content.slice(0, 10));
  });
});

describe('the cache', () => {
  it('keeps what was used last within its limit', async () => {
    const root = folder();
    // Each block takes 104 bytes.
    const blocks = cache(root, 1050);
    for (let i = 0; i < 10; i++) {
      await blocks.put(key, i, content.slice(0, 100));
      utimesSync(join(root, 'ab', key, String(i)), i, i);
    }
    expect(await blocks.get(key, 0, 100)).toEqual(Buffer.from(content.slice(0, 100)));
    await blocks.put(key, 10, content.slice(0, 100));
    // A tenth is freed: 1 and 2 were used longest ago.
    expect(stored(root)).toEqual(['0', '3', '4', '5', '6', '7', '8', '9', '10']);
  });

  it('sees what another process wrote', async () => {
    const root = folder();
    const [one, other] = [cache(root, 2000), cache(root, 2000)];
    for (let i = 0; i < 40; i++) await (i % 2 ? one : other).put(key, i, content.slice(0, 100));
    const bytes = stored(root).length * 104;
    expect(bytes).toBeLessThanOrEqual(2000 + 2 * 2 * 125);
  });

  it('takes no block for whole that is not', async () => {
    const root = folder();
    const blocks = cache(root);
    const path = join(root, 'ab', key, '0');
    const whole = content.slice(0, 100);
    await blocks.put(key, 0, whole);
    const file = readFileSync(path);
    for (const damaged of [
      file.subarray(0, 60),
      Buffer.alloc(104),
      Buffer.concat([file, file]),
      Buffer.alloc(0),
    ]) {
      writeFileSync(path, damaged);
      expect(await blocks.get(key, 0, 100)).toBeUndefined();
      expect(stored(root)).toEqual([]);
    }
    await blocks.put(key, 0, whole);
    expect(await blocks.get(key, 0, 100)).toEqual(Buffer.from(whole));
  });

  it('removes what a crash left unfinished, when it is old', async () => {
    const root = folder({ 'ab/old.part': 'x', 'ab/new.part': 'x' });
    utimesSync(join(root, 'ab/old.part'), 1, 1);
    await cache(root).put(key, 0, content.slice(0, 100));
    expect(stored(root).sort()).toEqual(['0', 'new.part']);
  });

  it('that cannot be written is done without, which is said once', async () => {
    const root = folder({ file: '' });
    const notices: string[] = [];
    const blocks = cache(join(root, 'file', 'cache'), 1e6, notices);
    const file = cachedFile(remote(), key, blocks, 100);
    expect(await file.read(0, 1000)).toEqual(content);
    expect(notices).toEqual([
      expect.stringMatching(/^the cache .* cannot be written \(.*\); going on without it$/),
    ]);
  });

  it('that is as small as nothing keeps nothing', async () => {
    const root = folder();
    mkdirSync(join(root, 'x'));
    const file = cachedFile(remote(), key, cache(root, 0), 100);
    expect(await file.read(0, 1000)).toEqual(content);
    expect(stored(root)).toEqual([]);
  });
});
