// A tiny model and a data set of tones for the command line's tests, made on the spot, and a way to run commands.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from '../../src/cli/main.js';
import { Whisper } from '../../src/model/whisper.js';
import { wav } from '../helpers/wav.mjs';

const quickstart = fileURLToPath(new URL('../../scripts/quickstart/model', import.meta.url));

/** A folder that is deleted with everything in it by `remove`. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'whisper-tune-cli-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Changes keys of a JSON file; undefined removes one. */
export function editJson(path: string, changes: Record<string, unknown>): void {
  const content = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...content, ...changes }));
}

/**
 * The quickstart's tokenizer on a model of width 32 with one layer each and windows of one second.
 *
 * @param config what its config.json has instead
 */
export async function makeModel(folder: string, seed = 1, config: object = {}): Promise<string> {
  cpSync(quickstart, folder, { recursive: true });
  editJson(join(folder, 'config.json'), {
    d_model: 32,
    encoder_layers: 1,
    decoder_layers: 1,
    num_hidden_layers: 1,
    encoder_ffn_dim: 64,
    decoder_ffn_dim: 64,
    max_source_positions: 50,
    max_target_positions: 32,
    max_length: 32,
    ...config,
  });
  rmSync(join(folder, 'preprocessor_config.json'));
  const model = await Whisper.fromConfig(folder, { initialisation: 'fan_in', seed });
  await model.savePretrained(folder);
  await model.dispose();
  return folder;
}

/** A tone whose pitch says which word it is. */
export function tone(pitch: number, seconds = 0.5): Float32Array {
  return Float32Array.from(
    { length: Math.round(16000 * seconds) },
    (_, i) => 0.5 * Math.sin(0.4 * pitch * Math.sqrt(i)),
  );
}

export const WORDS = ['red', 'green', 'blue', 'white'];

/** A Common Voice folder: `train` and `test` rows of four words, each its own tone. */
export function makeDataset(folder: string, train = 12, test = 5): string {
  mkdirSync(join(folder, 'clips'), { recursive: true });
  for (const [split, count] of [
    ['train', train],
    ['test', test],
  ] as const) {
    const lines = ['client_id\tpath\tsentence'];
    for (let i = 0; i < count; i++) {
      const name = `${split}_${i}.wav`;
      writeFileSync(join(folder, 'clips', name), wav(tone(1 + (i % 4), 0.4 + 0.02 * i)));
      lines.push(`speaker\t${name}\t${WORDS[i % 4]}`);
    }
    writeFileSync(join(folder, `${split}.tsv`), `${lines.join('\n')}\n`);
  }
  return folder;
}

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Runs a command in this process. */
export async function run(...args: string[]): Promise<Outcome> {
  let [out, err] = ['', ''];
  const code = await main(args, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}
