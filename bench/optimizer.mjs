// Times the optimizers' operations on the CPU over one matrix of random numbers, and beside them, turn by turn in the same
// run, PyTorch's fused optimizers where a Python with torch is given.
//
//   node bench/optimizer.mjs --parameters 16777216 --threads 1,2 --rounds 15 [--peer PYTHON] [--json]
//
// The operations run in a program of their own (bench/lab/optimizer.cpp), which is built with $CXX, or g++, when it is older
// than its sources. Prints a table or, with --json, JSON: milliseconds per step (median, min, max), parameters and bytes per
// second. Bytes are what a step has to read and to write of a parameter, with all of them too many for a cache. The clock
// is the CPU time of the process with one thread and the wall's with more: two threads need an idle machine.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    parameters: { type: 'string', default: String(2 ** 24) },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '15' },
    peer: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const width = 1024;
const rows = Math.max(1, Math.round(Number(flags.parameters) / width));
const rounds = Number(flags.rounds);

/** Bytes per parameter. Every one reads the gradient (4) and reads and writes the value (8). */
const bytes = {
  adamw: 4 + 8 + 16, // and reads and writes two moments of f32
  adamw_8bit: 4 + 8 + 4 + 16 / 256, // two codes, and two absmax per block
  adafactor: 3 * 4 + 8, // reads the gradient three times; its moments are of rows and columns
  sgd: 4 + 8,
};

const root = fileURLToPath(new URL('..', import.meta.url));
const newest = (folder) =>
  Math.max(
    ...readdirSync(join(root, folder), { recursive: true }).map(
      (file) => statSync(join(root, folder, file)).mtimeMs,
    ),
  );

/** Builds bench/lab/optimizer.cpp where that is necessary, and returns the program. */
function build() {
  const program = join(root, 'build', 'lab-optimizer');
  const built = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built > Math.max(newest('native'), newest('bench/lab'))) return program;
  const { variables } = JSON.parse(readFileSync(join(root, 'native', 'sources.gypi'), 'utf8'));
  const sources = variables.native_sources.filter((file) => /^native\/(audio|cpu)\//.test(file));
  mkdirSync(join(root, 'build'), { recursive: true });
  const options = ['-std=c++20', '-O3', '-ffp-contract=off', '-Inative', '-pthread', '-o', program];
  const { status, stderr } = spawnSync(
    process.env.CXX ?? 'g++',
    [...options, 'bench/lab/optimizer.cpp', ...sources],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`bench/lab/optimizer.cpp does not build:\n${stderr}`);
  return program;
}

/** A process that makes one step for each name it is sent and answers with its milliseconds. */
async function start(command, args, env = {}) {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value: name } = await lines.next();
  return {
    name,
    async step(optimizer) {
      child.stdin.write(`${optimizer}\n`);
      return Number((await lines.next()).value);
    },
    close: () => child.stdin.end(),
  };
}

async function measure(threads) {
  const ours = await start(build(), [rows, width].map(String), { WHISPER_TUNE_THREADS: String(threads) });
  const runs = Object.keys(bytes).map((optimizer) => ({ runner: ours, optimizer, times: [] }));
  if (flags.peer) {
    const script = fileURLToPath(new URL('peers/optimizer.py', import.meta.url));
    const torch = await start(flags.peer, [script, JSON.stringify({ rows, width, threads })]);
    for (const optimizer of ['adamw', 'sgd']) runs.push({ runner: torch, optimizer, times: [] });
  }
  for (let round = -2; round < rounds; round++) {
    for (const { runner, optimizer, times } of runs) {
      const ms = await runner.step(optimizer);
      if (round >= 0) times.push(ms); // the first two warm up
    }
  }
  for (const runner of new Set(runs.map((run) => run.runner))) runner.close();
  return runs.map(({ runner, optimizer, times }) => {
    const sorted = times.toSorted((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    const gigaPerSecond = (rows * width) / median / 1e6;
    return {
      ...{ name: runner.name, optimizer, threads },
      msPerStep: { median, min: sorted[0], max: sorted.at(-1) },
      gigaParametersPerSecond: gigaPerSecond,
      gigabytesPerSecond: gigaPerSecond * bytes[optimizer],
    };
  });
}

const results = [];
for (const threads of flags.threads.split(',').map(Number)) results.push(...(await measure(threads)));
if (flags.json) {
  console.log(JSON.stringify({ parameters: rows * width, rounds, results }, undefined, 2));
} else {
  const digits = (x) => Number(x.toPrecision(3));
  console.table(
    results.map((result) => ({
      name: result.name,
      optimizer: result.optimizer,
      'ms per step': digits(result.msPerStep.median),
      best: digits(result.msPerStep.min),
      'Gparameters/s': digits(result.gigaParametersPerSecond),
      'GB/s': digits(result.gigabytesPerSecond),
    })),
  );
}
