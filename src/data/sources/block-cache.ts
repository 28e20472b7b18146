// A bounded cache on disk of blocks of remote files. What was used longest ago goes first; several processes may share it,
// a crash leaves nothing that is taken for whole, and where the disk is full reading goes on without it.
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { makeFolder } from '../../files/folders.js';

export interface BlockCacheOptions {
  folder: string;
  /** Bytes on disk; several processes may together go over it by a sixteenth each. */
  limit: number;
  /** Says once that the cache cannot be written. */
  notice: (line: string) => void;
}

/** Bytes of the checksum (CRC-32) at the end of a block's file: after a power cut a file may be long enough and empty. */
const checkBytes = 4;
/** Milliseconds after which a file that was never finished is nobody's. */
const abandoned = 3_600_000;

interface Stored {
  path: string;
  size: number;
  used: number;
}

export class BlockCache {
  readonly #folder: string;
  readonly #limit: number;
  readonly #notice: (line: string) => void;
  /** Bytes on disk at the last look, and written by this process since then. */
  #found: number | undefined;
  #written = 0;
  #tidying: Promise<void> | undefined;
  #broken = false;

  constructor({ folder, limit, notice }: BlockCacheOptions) {
    this.#folder = folder;
    this.#limit = limit;
    this.#notice = notice;
  }

  /** A block of `length` bytes, if it is there and whole. */
  async get(key: string, index: number, length: number): Promise<Uint8Array | undefined> {
    const path = this.#path(key, index);
    const content = await readFile(path).catch(() => undefined);
    if (!content) return undefined;
    const bytes = content.subarray(0, -checkBytes);
    if (bytes.length !== length || content.readUInt32LE(bytes.length) !== crc32(bytes)) {
      await rm(path, { force: true }).catch(() => {});
      return undefined;
    }
    const now = new Date();
    await utimes(path, now, now).catch(() => {});
    return bytes;
  }

  /** Keeps a block, and makes room for it. Never fails: what cannot be kept is fetched again. */
  async put(key: string, index: number, bytes: Uint8Array): Promise<void> {
    if (this.#broken || bytes.length > this.#limit) return;
    const path = this.#path(key, index);
    const unfinished = `${path}.${randomBytes(6).toString('hex')}.part`;
    const check = Buffer.alloc(checkBytes);
    check.writeUInt32LE(crc32(bytes));
    try {
      await makeFolder(dirname(path));
      await writeFile(unfinished, Buffer.concat([bytes, check]));
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {});
      if (!this.#broken)
        this.#notice(
          `the cache ${this.#folder} cannot be written (${(error as Error).message}); going on without it`,
        );
      this.#broken = true;
      return;
    }
    this.#written += bytes.length + checkBytes;
    await this.#makeRoom();
  }

  #path(key: string, index: number): string {
    return join(this.#folder, key.slice(0, 2), key, String(index));
  }

  async #makeRoom(): Promise<void> {
    const known = this.#found !== undefined && this.#written <= this.#limit / 16;
    if (known && this.#found! + this.#written <= this.#limit) return;
    this.#tidying ??= this.#tidy().finally(() => {
      this.#tidying = undefined;
    });
    await this.#tidying;
  }

  /** Looks what is there, and removes what was used longest ago until a tenth of the limit is free. */
  async #tidy(): Promise<void> {
    this.#written = 0;
    const blocks = await this.#stored();
    let bytes = blocks.reduce((sum, { size }) => sum + size, 0);
    if (bytes > this.#limit) {
      for (const { path, size } of blocks.sort((a, b) => a.used - b.used)) {
        if (bytes <= this.#limit * 0.9) break;
        await rm(path, { force: true }).catch(() => {});
        bytes -= size;
      }
    }
    this.#found = bytes;
  }

  async #stored(): Promise<Stored[]> {
    const names = await readdir(this.#folder, { recursive: true }).catch(() => []);
    const blocks: Stored[] = [];
    for (const name of names) {
      const path = join(this.#folder, name);
      const entry = await stat(path).catch(() => undefined);
      if (!entry?.isFile()) continue;
      const unfinished = name.endsWith('.part');
      if (unfinished && Date.now() - entry.mtimeMs > abandoned)
        await rm(path, { force: true }).catch(() => {});
      if (!unfinished) blocks.push({ path, size: entry.size, used: entry.mtimeMs });
    }
    return blocks;
  }
}
