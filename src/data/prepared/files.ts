// A folder of prepared rows: audio in a few large files, a line of JSON for each row, where each line ends, and a state
// that says how much of all that counts. What was written after the state is cut off when preparing goes on.
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { fileError, WhisperError } from '../../errors.js';
import { makeFolder } from '../../files/folders.js';
import { readJson } from '../../files/json.js';
import type { Cursor, Row } from '../dataset.js';
import { type PcmReference, toPcm } from '../decode/pcm.js';
import type { AudioFault } from '../decode/samples.js';

/** A file of audio is closed once it has this many bytes: 1 GiB, about nine hours. */
const audioFileBytes = 2 ** 30;

/** A prepared row: its audio as `[file, byte offset, samples]`, or why it has none that can be used. */
export type Line = Omit<Row, 'audio'> & {
  audio?: [file: number, offset: number, length: number];
  fault?: [reason: AudioFault, detail: string];
};

const stateSchema = z.strictObject({
  version: z.literal(1),
  /** Of what: for people who look into the folder. */
  source: z.string(),
  rows: z.int().nonnegative(),
  /** Bytes of `rows.jsonl`. */
  rowBytes: z.int().nonnegative(),
  /** The audio file that is written to, and its bytes. */
  file: z.int().nonnegative(),
  fileBytes: z.int().nonnegative(),
  audioBytes: z.int().nonnegative(),
  /** Where reading the source goes on. */
  cursor: z.custom<Cursor>(),
  complete: z.boolean(),
});

export type PreparedState = z.infer<typeof stateSchema>;

export function pcmFile(folder: string, file: number): string {
  return join(folder, `audio-${String(file).padStart(5, '0')}.pcm`);
}

export const rowsFile = (folder: string) => join(folder, 'rows.jsonl');
/** The byte that each line ends at, as 64-bit floats, which are whole numbers far beyond any file's size. */
export const indexFile = (folder: string) => join(folder, 'rows.index');
const stateFile = (folder: string) => join(folder, 'state.json');

/**
 * The state of a folder; undefined when there is none.
 *
 * @throws WhisperError ERR_CONFIG naming the file and the key
 */
export async function readState(folder: string): Promise<PreparedState | undefined> {
  const path = stateFile(folder);
  const there = await readFile(path).then(
    () => true,
    () => false,
  );
  return there ? readJson(path, stateSchema) : undefined;
}

/** Refuses to write into a folder that another process writes into. */
async function lock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'lock');
  for (;;) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return () => rm(path, { force: true });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError('write', path, cause);
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    if (holder > 0 && isRunning(holder)) {
      throw new WhisperError(
        'ERR_FILE',
        `process ${holder} prepares the same data in ${folder}: wait for it, or remove ${path} if it does not`,
      );
    }
    // Left behind by a process that was killed.
    await rm(path, { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Writes prepared rows; what was added is safe once `commit` has ended. */
export class PreparedWriter {
  readonly #folder: string;
  readonly #unlock: () => Promise<void>;
  #state: PreparedState;
  /** What has been added since the last commit. */
  #audio: Buffer[] = [];
  #audioBytes = 0;
  #lines: string[] = [];

  private constructor(folder: string, state: PreparedState, unlock: () => Promise<void>) {
    this.#folder = folder;
    this.#state = state;
    this.#unlock = unlock;
  }

  /** Begins a folder, or goes on where its state says. */
  static async open(folder: string, source: string): Promise<PreparedWriter> {
    await makeFolder(folder);
    const unlock = await lock(folder);
    const start: PreparedState = {
      ...{ version: 1, source, rows: 0, rowBytes: 0, file: 0, fileBytes: 0, audioBytes: 0 },
      ...{ cursor: null, complete: false },
    };
    try {
      return new PreparedWriter(folder, (await readState(folder)) ?? start, unlock);
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  get state(): Readonly<PreparedState> {
    return this.#state;
  }

  /** Bytes that wait for a commit. */
  get waiting(): number {
    return this.#audioBytes;
  }

  /** Adds a row with its samples, or with the reason why there are none. */
  add(
    { audio: _, ...row }: Row,
    content: { samples: Float32Array } | { fault: AudioFault; detail: string },
  ): void {
    if ('fault' in content) {
      this.#lines.push(JSON.stringify({ ...row, fault: [content.fault, content.detail] } satisfies Line));
      return;
    }
    const pcm = toPcm(content.samples);
    const { file, fileBytes } = this.#nextFile();
    const audio: Line['audio'] = [file, fileBytes + this.#audioBytes, content.samples.length];
    this.#lines.push(JSON.stringify({ ...row, audio } satisfies Line));
    this.#audio.push(pcm);
    this.#audioBytes += pcm.length;
  }

  /**
   * Makes what was added last: audio, lines and index first, then the state that counts them.
   *
   * @throws WhisperError ERR_FILE, as when the disk is full; what was committed before stays
   */
  async commit(cursor: Cursor, complete: boolean): Promise<void> {
    const { rows, rowBytes, audioBytes } = this.#state;
    const { file, fileBytes } = this.#nextFile();
    const ends: number[] = [];
    let end = rowBytes;
    const lines = this.#lines.map((line) => {
      const bytes = Buffer.from(`${line}\n`);
      end += bytes.length;
      ends.push(end);
      return bytes;
    });
    await writeAt(pcmFile(this.#folder, file), fileBytes, Buffer.concat(this.#audio));
    await writeAt(rowsFile(this.#folder), rowBytes, Buffer.concat(lines));
    await writeAt(indexFile(this.#folder), 8 * rows, Buffer.from(Float64Array.from(ends).buffer));
    const state: PreparedState = {
      ...this.#state,
      ...{ rows: rows + lines.length, rowBytes: end, cursor, complete },
      ...{ file, fileBytes: fileBytes + this.#audioBytes, audioBytes: audioBytes + this.#audioBytes },
    };
    const path = stateFile(this.#folder);
    const temporary = `${path}.tmp`;
    await writeAt(temporary, 0, Buffer.from(`${JSON.stringify(state)}\n`));
    await rename(temporary, path).catch((cause) => {
      throw fileError('write', path, cause);
    });
    this.#state = state;
    this.#audio = [];
    this.#audioBytes = 0;
    this.#lines = [];
  }

  async close(): Promise<void> {
    await this.#unlock();
  }

  /** Where what waits will be written: in one file, another one when that of the state is full. */
  #nextFile(): { file: number; fileBytes: number } {
    const { file, fileBytes } = this.#state;
    return fileBytes < audioFileBytes ? { file, fileBytes } : { file: file + 1, fileBytes: 0 };
  }
}

/** Cuts a file off at a byte and writes on from there, down to the disk. */
async function writeAt(path: string, offset: number, bytes: Buffer): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, offset === 0 ? 'w' : 'r+');
    const { size } = await file.stat();
    if (size < offset) throw new Error(`it has ${size} bytes and had ${offset}`);
    await file.truncate(offset);
    for (let written = 0; written < bytes.length; )
      written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
    await file.datasync();
  } catch (cause) {
    throw fileError('write', path, cause);
  } finally {
    await file?.close();
  }
}

/** The audio of a line, as a row refers to it. */
export function audioOf(
  folder: string,
  { audio, fault }: Line,
): PcmReference | { fault: AudioFault; detail: string } {
  if (audio) return { pcm: pcmFile(folder, audio[0]), offset: audio[1], length: audio[2] };
  return { fault: fault![0], detail: fault![1] };
}
