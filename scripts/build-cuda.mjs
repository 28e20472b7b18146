// Compiles the CUDA part of the addon (native/sources.gypi) by nvcc into one object, build/cuda/cuda.o, which binding.gyp
// links in absent.cpp's place: several files at a time, and only those that changed.
//
//   node scripts/build-cuda.mjs                 compiles, whether or not this machine has a GPU
//   node scripts/build-cuda.mjs --check-spills  and fails on warnings and on register spills that spills.json does not allow
//   node scripts/build-cuda.mjs --registers     and lists the registers of every kernel
//   node scripts/build-cuda.mjs --conformance   makes build/cuda/conformance, which compares the GPU with the emulator
//
// WHISPER_TUNE_CUDA_ARCHS says for which GPUs ("80;90a;80+ptx"), WHISPER_TUNE_JOBS how many files at a time.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { complaints, kernelsOf } from './cuda/registers.mjs';
import { cudaToolkit } from './cuda/toolkit.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'build', 'cuda');

/** Products and sums are fused where the kernels say fmaf() and nowhere else, as on the emulator. */
const FLAGS = [
  ...['-std=c++20', '-O3', '-fmad=false', '--expt-relaxed-constexpr', '-Xptxas', '-v'],
  ...['-Xcompiler', '-fPIC,-fvisibility=hidden,-ffp-contract=off', '-Inative', '-Inative/cuda'],
];

/** The program of the wrappers' conformance: its own files, and the device without the back end. */
const CONFORMANCE = {
  folder: 'test/emulator/conformance',
  everywhere: ['main.cu', 'numbers.cu', 'warps.cu'],
  hopper: ['hopper.cu'],
  beside: ['driver.cpp', 'failure.cpp', 'grid.cpp', 'settings.cpp'].map((name) => `native/cuda/${name}`),
  backend: 'native/cuda/open.cu',
};

/** @typedef {{ source: string, object: string, flags: string[] }} Unit a file to compile */

/**
 * What is compiled for some architectures. Those of the CUDA sources that are for Hopper alone are compiled for sm_90a, and
 * where that is not among them the files that say so take their place.
 *
 * @param {Record<string, string[]>} lists of native/sources.gypi
 * @param {import('./cuda/toolkit.mjs').Architecture[]} architectures
 * @returns {Unit[]}
 */
export function unitsOf(lists, architectures) {
  const { cuda_sources, gpu_sources, hopper_sources = [], no_hopper_sources = [] } = lists;
  const everywhere = [...cuda_sources, ...gpu_sources].filter((source) => !hopper_sources.includes(source));
  const hopper = architectures.filter(isHopper);
  return [
    ...units(everywhere, architectures),
    ...(hopper.length > 0 ? units(hopper_sources, hopper) : units(no_hopper_sources, architectures)),
  ];
}

/**
 * What the program of the wrappers' conformance is made of.
 *
 * @param {Record<string, string[]>} lists of native/sources.gypi
 * @param {import('./cuda/toolkit.mjs').Architecture[]} architectures
 * @returns {Unit[]}
 */
export function conformanceUnits({ gpu_sources }, architectures) {
  const own = (names) => names.map((name) => `${CONFORMANCE.folder}/${name}`);
  const device = [...CONFORMANCE.beside, ...gpu_sources.filter((source) => source !== CONFORMANCE.backend)];
  const hopper = architectures.filter(isHopper);
  return [
    ...units([...own(CONFORMANCE.everywhere), ...device], architectures),
    ...(hopper.length > 0 ? units(own(CONFORMANCE.hopper), hopper) : []),
  ];
}

const isHopper = ({ name, ptx }) => name === '90a' && !ptx;

function units(sources, architectures) {
  const place = (source) => (source.startsWith('native/cuda/') ? relative('native/cuda', source) : source);
  return sources.map((source) => ({
    source,
    object: join(folder, `${place(source)}.o`),
    flags: [...FLAGS, ...architectures.flatMap(codeOf)],
  }));
}

function codeOf({ name, ptx }) {
  return ['-gencode', `arch=compute_${name},code=${ptx ? 'compute' : 'sm'}_${name}`];
}

/**
 * @param {import('./cuda/toolkit.mjs').Toolkit} toolkit
 * @param {number} jobs files at a time
 * @param {(line: string) => void} say
 * @returns {Promise<{ object: string, compiled: { source: string, log: string }[] }>}
 * @throws Error with the compiler's words
 */
export async function buildCuda(toolkit, jobs, say) {
  const units = unitsOf(sourceLists(), toolkit.architectures);
  await compileChanged(units, toolkit, jobs, say);
  const object = join(folder, 'cuda.o');
  const objects = units.map((unit) => unit.object);
  const list = createHash('sha256').update(objects.join('\n')).digest('hex');
  const newest = Math.max(...objects.map((file) => statSync(file).mtimeMs));
  if (!existsSync(object) || statSync(object).mtimeMs <= newest || read(`${object}.key`) !== list) {
    const { status, stderr } = spawnSync('ld', ['-r', '-o', object, ...objects], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ld -r: ${stderr}`);
    writeFileSync(`${object}.key`, list);
  }
  return { object, compiled: logsOf(units) };
}

/**
 * The program that runs the wrappers of native/cuda/gpu on a GPU and compares what they do with what the emulator wrote
 * down: test/emulator/conformance.
 *
 * @param {import('./cuda/toolkit.mjs').Toolkit} toolkit
 * @param {number} jobs files at a time
 * @param {(line: string) => void} say
 * @returns {Promise<{ program: string, compiled: { source: string, log: string }[] }>}
 * @throws Error with the compiler's words
 */
export async function buildConformance(toolkit, jobs, say) {
  const units = conformanceUnits(sourceLists(), toolkit.architectures);
  await compileChanged(units, toolkit, jobs, say);
  const program = join(folder, 'conformance');
  // The machine that it runs on may have an older C++ library.
  const statically = ['-cudart', 'static', '-Xcompiler', '-static-libstdc++,-static-libgcc'];
  const objects = units.map((unit) => unit.object);
  const { status, stderr } = spawnSync(toolkit.nvcc, ['-o', program, ...objects, ...statically], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program}: nvcc failed\n${stderr}`);
  return { program, compiled: logsOf(units) };
}

function sourceLists() {
  return JSON.parse(readFileSync(join(root, 'native', 'sources.gypi'), 'utf8')).variables;
}

const logsOf = (units) => units.map(({ source, object }) => ({ source, log: read(`${object}.log`) }));

/** Compiles what is not current. */
async function compileChanged(units, toolkit, jobs, say) {
  const changed = units.filter((unit) => !current(unit, toolkit));
  // Where there are more processors than files, nvcc compiles for several architectures at once.
  const threads = Math.max(1, Math.floor(jobs / Math.max(1, changed.length)));
  let done = 0;
  const queue = [...changed];
  const worker = async () => {
    for (let unit = queue.shift(); unit; unit = queue.shift()) {
      const started = performance.now();
      await compile(unit, toolkit, threads);
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      say(`CUDA ${++done}/${changed.length} ${unit.source} (${seconds} s)`);
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, worker));
  } finally {
    queue.length = 0;
  }
}

function keyOf({ flags }, { nvcc, version }) {
  return JSON.stringify([nvcc, version, ...flags]);
}

/** Whether an object is of this compiler, of these flags, and newer than all it was made of. */
function current(unit, toolkit) {
  if (!existsSync(unit.object) || read(`${unit.object}.key`) !== keyOf(unit, toolkit)) return false;
  const { mtimeMs } = statSync(unit.object);
  const [, files = ''] = read(`${unit.object}.d`).split(/:\s/);
  const parts = files.replaceAll('\\\n', ' ').split(/\s+/).filter(Boolean);
  return (
    parts.length > 0 &&
    parts.every((file) => existsSync(join(root, file)) && statSync(join(root, file)).mtimeMs < mtimeMs)
  );
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

function compile(unit, toolkit, threads) {
  const { source, object, flags } = unit;
  mkdirSync(dirname(object), { recursive: true });
  rmSync(`${object}.key`, { force: true }); // until it is made, it is not
  const args = [
    ...flags,
    '--threads',
    `${threads}`,
    '-MMD',
    '-MF',
    `${object}.d`,
    '-c',
    source,
    '-o',
    object,
  ];
  return new Promise((resolve, reject) => {
    const compiler = spawn(toolkit.nvcc, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [compiler.stdout, compiler.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        log += text;
      });
    }
    compiler.on('error', reject);
    compiler.on('close', (status) => {
      if (status !== 0) return reject(new Error(`${source}: nvcc failed\n${log}`));
      writeFileSync(`${object}.log`, log);
      writeFileSync(`${object}.key`, keyOf(unit, toolkit));
      resolve();
    });
  });
}

/** Files at a time: `WHISPER_TUNE_JOBS`, or as many as there are processors. */
export function jobsOf(env) {
  return Math.max(1, Number(env.WHISPER_TUNE_JOBS) || availableParallelism());
}

async function main(flags) {
  const say = (line) => console.log(`whisper-tune: ${line}`);
  const started = performance.now();
  const toolkit = cudaToolkit({ ...process.env, WHISPER_TUNE_CUDA: '1' });
  const build = flags.has('--conformance') ? buildConformance : buildCuda;
  const { compiled } = await build(toolkit, jobsOf(process.env), say);
  const kernels = compiled.flatMap(({ source, log }) => kernelsOf(source, log));
  if (flags.has('--registers')) {
    for (const { source, name, architecture, registers, spilled } of kernels)
      say(`${source} ${name} ${architecture}: ${registers} registers, ${spilled} bytes spilled`);
  }
  if (flags.has('--check-spills')) {
    const wrong = complaints(compiled, JSON.parse(read(join(root, 'scripts', 'cuda', 'spills.json'))));
    for (const line of wrong) say(line);
    if (wrong.length > 0) process.exitCode = 1;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(`compiled ${kernels.length} kernels of ${compiled.length} files in ${seconds} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(new Set(process.argv.slice(2)));
  } catch (error) {
    console.error(`whisper-tune: ${error.message}`);
    process.exit(1);
  }
}
