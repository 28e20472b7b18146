// Remote files read in blocks: those near each other come in one request, those read once come from the disk, and when a
// file is read from front to back the next block is on its way.
import type { RandomAccessFile } from '../../files/random-access.js';
import type { BlockCache } from './block-cache.js';

/** Bytes of a block: at 100 ms for a request, 4 MiB take as long to come at 40 MB/s. */
export const blockBytes = 4 * 1024 * 1024;
/** Blocks of a file kept in memory, and fetched at the same time. */
const inMemory = 4;

/**
 * The same file, read through the cache.
 *
 * @param key what the content is known by: never the same for two contents
 */
export function cachedFile(
  file: RandomAccessFile,
  key: string,
  cache: BlockCache,
  bytes = blockBytes,
): RandomAccessFile {
  const blocks = Math.ceil(file.size / bytes);
  const recent = new Map<number, Promise<Uint8Array>>();
  let last = -2;

  const load = async (index: number): Promise<Uint8Array> => {
    const start = index * bytes;
    const end = Math.min(file.size, start + bytes);
    const kept = await cache.get(key, index, end - start);
    if (kept) return kept;
    const fetched = await file.read(start, end);
    await cache.put(key, index, fetched);
    return fetched;
  };
  const block = (index: number): Promise<Uint8Array> => {
    const loaded = recent.get(index) ?? load(index);
    // What failed is tried anew the next time; whoever waits is told, and nobody may.
    loaded.catch(() => {
      if (recent.get(index) === loaded) recent.delete(index);
    });
    recent.delete(index);
    recent.set(index, loaded);
    for (const oldest of recent.keys()) {
      if (recent.size <= inMemory) break;
      recent.delete(oldest);
    }
    return loaded;
  };

  return {
    name: file.name,
    size: file.size,
    async read(start, end) {
      const out = new Uint8Array(end - start);
      if (end <= start) return out;
      const first = Math.floor(start / bytes);
      const final = Math.floor((end - 1) / bytes);
      const onward = first === last || first === last + 1;
      last = final;
      for (let index = first; index <= final; index++) {
        // The blocks after it are asked for before this one is waited for.
        const ahead = Math.min(final, index + inMemory - 1);
        for (let next = index; next <= ahead; next++) block(next);
        const content = await block(index);
        const from = Math.max(start - index * bytes, 0);
        out.set(content.subarray(from, end - index * bytes), Math.max(index * bytes - start, 0));
      }
      if (onward && final + 1 < blocks) block(final + 1);
      return out;
    },
    async close() {
      await file.close();
      await Promise.allSettled(recent.values());
      recent.clear();
    },
  };
}
