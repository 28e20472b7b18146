// Runs the project's own command line as a user would, in a process of its own.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const entry = join('dist', 'cli', 'main.js');

/** Flags of an options object, as `--name=value`. */
export function flagsOf(options) {
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`);
}

/** What the user would type, wrapped to the width of a terminal. */
export function shown(args, width = 100) {
  const lines = ['$ whisper-tune'];
  for (const arg of args) {
    const longer = `${lines.at(-1)} ${arg}`;
    if (longer.length + 2 <= width) lines[lines.length - 1] = longer;
    else lines.push(`    ${arg}`);
  }
  return lines.join(' \\\n');
}

/**
 * Runs `whisper-tune` in the repository's root. Its progress goes to our stderr.
 *
 * @param {string[]} args
 * @returns {Promise<string>} what it wrote to stdout
 */
export function whisperTune(args) {
  if (!existsSync(join(root, entry))) {
    return Promise.reject(new Error(`${entry} is missing: run \`npm install\` or \`npm run build\` first`));
  }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    // Ctrl-C reaches the child by itself: stay until it has saved and gone. Other signals reach only us.
    const wait = () => {};
    const pass = (signal) => child.kill(signal);
    process.on('SIGINT', wait).on('SIGTERM', pass);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait).off('SIGTERM', pass);
      if (code === 0) resolve(output);
      else reject(new Error(`whisper-tune ${args[0]} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/** Trains; everything to see is in its progress on stderr and in its output folder. */
export async function train(options) {
  const args = ['train', ...flagsOf(options)];
  console.log(shown(args));
  await whisperTune(args);
}

/**
 * Word and character error rates in percent of a model on the test sentences of a data set.
 *
 * @returns {Promise<{ wer: number, cer: number, samples: number }>}
 */
export async function evaluate(model, dataSet) {
  const args = ['evaluate', `--model_id=${model}`, `--dataset=${dataSet}`, '--split=test', '--language=en'];
  return JSON.parse(await whisperTune([...args, '--batch_size=60', '--json']));
}

/** The text a model hears in a sound file. */
export async function transcribe(model, file) {
  const args = ['transcribe', file, `--model_name_or_path=${model}`, '--language=en', '--json'];
  return JSON.parse(await whisperTune(args)).text;
}
