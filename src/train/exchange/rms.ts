// The root mean square of a model's parameters, which transformers' Adafactor writes into its state (and does not read).
import { WhisperError } from '../../errors.js';
import { SafetensorsFile } from '../../files/safetensors.js';
import type { StoredTensor } from '../../files/tensor.js';
import { weightFiles } from '../../model/checkpoint.js';

/** The weights of a checkpoint folder, one tensor in memory at a time. */
export class Weights {
  readonly #folder: string;
  readonly #files: readonly SafetensorsFile[];

  private constructor(folder: string, files: readonly SafetensorsFile[]) {
    this.#folder = folder;
    this.#files = files;
  }

  /** @throws WhisperError `ERR_FILE`, `ERR_CONFIG` or `ERR_CORRUPT_FILE` */
  static async open(folder: string): Promise<Weights> {
    const files: SafetensorsFile[] = [];
    try {
      for (const path of await weightFiles(folder)) files.push(await SafetensorsFile.open(path));
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
    return new Weights(folder, files);
  }

  /**
   * `‖p‖₂ / √n` (transformers, optimization.py: Adafactor._rms).
   *
   * @throws WhisperError `ERR_CORRUPT_FILE` when there is no such tensor, or it is no F32, F16 or BF16
   */
  async rms(name: string): Promise<number> {
    const tensor = this.#find(name);
    const values = toFloats(await tensor.read(), tensor.type);
    if (!values) {
      throw new WhisperError(
        'ERR_CORRUPT_FILE',
        `${this.#folder}: tensor ${name}: expected F32, F16 or BF16, got ${tensor.type}`,
      );
    }
    let sum = 0;
    for (const value of values) sum += value * value;
    return Math.sqrt(sum / values.length);
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }

  /** Checkpoints of the bare WhisperModel lack the prefix. */
  #find(name: string): StoredTensor {
    for (const file of this.#files) {
      const tensor = file.find(name) ?? file.find(name.replace(/^model\./, ''));
      if (tensor) return tensor;
    }
    throw new WhisperError('ERR_CORRUPT_FILE', `${this.#folder}: tensor ${name} is missing`);
  }
}

function toFloats(bytes: Uint8Array, type: string): Float32Array | undefined {
  if (type === 'F32') return new Float32Array(bytes.buffer);
  const halves = new Uint16Array(bytes.buffer);
  if (type === 'F16') return Float32Array.from(halves, fromF16);
  // The upper half of an f32.
  return type === 'BF16'
    ? new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer)
    : undefined;
}

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. */
function fromF16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
