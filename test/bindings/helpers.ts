// A model small enough to train in milliseconds, and scripts that run in a Node process of their own.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { addon, type NativeBatch, type NativeDims, type NativeModel } from '../../src/native.js';

export const dims: NativeDims = {
  mels: 80,
  source: 20,
  target: 16,
  width: 32,
  encoderLayers: 1,
  encoderHeads: 2,
  encoderFfn: 64,
  decoderLayers: 1,
  decoderHeads: 2,
  decoderFfn: 64,
  vocab: 50,
  padding: 40,
  start: 41,
};

/** One row of 0.2 s. */
export const batch: NativeBatch = {
  samples: [Float32Array.from({ length: 3200 }, (_, i) => Math.sin(i / 9) / 3)],
  labels: Int32Array.of(42, 3, 7, 40),
  time: 4,
};

/** `count` micro-batches: a step of thousands lasts long enough to be interrupted. */
export const batches = (count: number): NativeBatch[] => Array.from({ length: count }, () => batch);
export const scales = (count: number): Float32Array => new Float32Array(count).fill(0.25 / count);

export async function open(): Promise<NativeModel> {
  const model = await addon().openModel('cpu', dims, 'f32');
  await model.initialise('fan_in', 1);
  return model;
}

const url = (path: string) => new URL(`../../${path}`, import.meta.url).href;

/** What every script starts with. It uses dist/, which the test run compiles first. */
const prologue = `
  import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
  import { setTimeout } from 'node:timers/promises';
  import { addon } from ${JSON.stringify(url('dist/native.js'))};
  const dims = ${JSON.stringify(dims)};
  const batch = { samples: [new Float32Array(3200).fill(0.1)], labels: Int32Array.of(42, 3, 7, 40), time: 4 };
  const long = [Array(20000).fill(batch), { scales: new Float32Array(20000).fill(1e-6), encoderRate: 1e-5, decoderRate: 1e-5 }];
  const open = async (sizes = {}) => {
    const model = await addon().openModel('cpu', { ...dims, ...sizes }, 'f32');
    await model.initialise('fan_in', 1);
    await model.prepareTraining({});
    return model;
  };
`;

export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Runs an ES module in a Node process of its own, in which a crash is visible as a signal. */
export function run(script: string, ...flags: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', prologue + script], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended: Ended = { code: null, signal: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ended.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ended.stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ...ended, code, signal }));
  });
}
