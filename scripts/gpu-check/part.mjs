// What the parts of scripts/gpu-check.sh share: what they were told, and the file in which each keeps what it finds.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { GPU_CHECK_OUT, GPU_CHECK_DEVICE, GPU_CHECK_EMULATOR, GPU_CHECK_PYTHON, GPU_CHECK_SECONDS } =
  process.env;

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** Where the results go. */
export const out = GPU_CHECK_OUT;
/** As the engine names it: `cuda:0`, `cuda-emulator`. */
export const device = GPU_CHECK_DEVICE;
/** Whether the emulator is in the GPU's place: everything is then of toy sizes, and no time means anything. */
export const emulated = GPU_CHECK_EMULATOR === '1';
/** A Python that has torch and transformers, if there is one. */
export const python = GPU_CHECK_PYTHON || undefined;

/** Sizes of a model for the emulator: heads of 64, as in every released one, and nothing else a multiple of a tile. */
export const toyDims = {
  ...{ mels: 80, source: 50, target: 32, width: 128, vocab: 333, padding: 290, start: 291 },
  ...{
    encoderLayers: 1,
    encoderHeads: 2,
    encoderFfn: 200,
    decoderLayers: 1,
    decoderHeads: 2,
    decoderFfn: 264,
  },
};

/**
 * Runs a part. Its file says at any time what it has found so far, so that one which is ended early has not run in vain.
 * A part fails by throwing, or by fail() and goes on.
 */
export async function part(name, work) {
  const found = { part: name, ok: false, seconds: 0, failures: [], skipped: [] };
  const elapsed = () => performance.now() / 1000;
  const write = () => {
    found.seconds = elapsed();
    const path = join(out, `${name}.json`);
    writeFileSync(`${path}.partial`, `${JSON.stringify(found, null, 2)}\n`);
    renameSync(`${path}.partial`, path);
  };
  const fail = (reason) => {
    console.log(`FAIL ${reason}`);
    found.failures.push(reason);
    write();
  };
  try {
    write();
    await work({
      fail,
      /** Keeps a value under a name. */
      record(key, value) {
        found[key] = value;
        write();
      },
      /** Adds a row to a list, and prints it. */
      add(key, row) {
        found[key] = [...(found[key] ?? []), row];
        console.log(`${key}: ${JSON.stringify(row)}`);
        write();
      },
      skip(what, why) {
        console.log(`skipped ${what}: ${why}`);
        found.skipped.push(`${what}: ${why}`);
        write();
      },
      /** Seconds until the part is ended from outside. */
      left: () => Number(GPU_CHECK_SECONDS) - elapsed(),
    });
    found.ok = found.failures.length === 0;
  } catch (error) {
    console.log(error);
    fail(firstLine(error));
  }
  write();
  // Threads of the engine and peers must not keep the process.
  process.exit(found.ok ? 0 : 1);
}

export function firstLine(error) {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}
