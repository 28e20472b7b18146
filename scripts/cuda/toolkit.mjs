// Whether CUDA is compiled into the addon, by which nvcc, and for which GPUs.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** The oldest nvcc with C++20. */
const LEAST_NVCC = 12;
/** The lowest compute capability that the kernels can be compiled for (native/cuda/driver.h). */
const LEAST_CAPABILITY = 80;
/** For a binary that may go anywhere: Ampere, Hopper, and PTX that the driver translates for what comes later. */
const EVERYWHERE = '80;90a;80+ptx';

/**
 * @typedef {object} Toolkit
 * @property {string} nvcc its path
 * @property {string} version of nvcc, "13.0"
 * @property {string} runtime path of libcudart_static.a
 * @property {Architecture[]} architectures
 *
 * @typedef {object} Architecture
 * @property {string} name "80", "90a"
 * @property {boolean} ptx whether it is PTX, and not machine code
 */

/**
 * What `WHISPER_TUNE_CUDA` and this machine ask for: with 1 CUDA is compiled in, with 0 it is not, and otherwise where both
 * nvcc and an NVIDIA driver are found, for the GPUs that there are.
 *
 * @param {Record<string, string | undefined>} env
 * @returns {Toolkit | undefined} undefined: without CUDA
 * @throws Error in words for people when a variable is wrong, or what it asks for cannot be had
 */
export function cudaToolkit(env) {
  const wanted = env.WHISPER_TUNE_CUDA || undefined;
  if (wanted !== undefined && wanted !== '0' && wanted !== '1')
    throw new Error(`WHISPER_TUNE_CUDA: expected 0 or 1, got "${wanted}"`);
  if (wanted === '0') return undefined;
  const required = wanted === '1';
  const nvcc = findNvcc(env);
  const version = nvcc && versionOf(nvcc);
  if (!version || Number.parseInt(version, 10) < LEAST_NVCC) {
    if (!required) return undefined;
    const found = version
      ? `${nvcc} is of CUDA ${version}`
      : 'no nvcc on the path, in CUDA_PATH, CUDA_HOME or /usr/local/cuda';
    throw new Error(`WHISPER_TUNE_CUDA=1 needs nvcc of CUDA ${LEAST_NVCC} or newer: ${found}`);
  }
  const cards = required ? [] : capabilities(env);
  if (!required && !cards.some((capability) => capability >= LEAST_CAPABILITY)) return undefined;
  const known = knownTo(nvcc);
  const text = env.WHISPER_TUNE_CUDA_ARCHS || (required ? EVERYWHERE : forCards(cards, known));
  return { nvcc, version, runtime: staticRuntime(nvcc), architectures: parseArchitectures(text, known) };
}

/** @returns {string | undefined} */
function findNvcc(env) {
  const folders = [
    ...(env.PATH ?? '').split(delimiter).filter(Boolean),
    ...[env.CUDA_PATH, env.CUDA_HOME, '/usr/local/cuda'].filter(Boolean).map((folder) => join(folder, 'bin')),
  ];
  return folders.map((folder) => join(folder, 'nvcc')).find(executable);
}

function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** "13.0" of nvcc's last lines, undefined where it does not run. */
function versionOf(nvcc) {
  return /release (\d+\.\d+)/.exec(output(nvcc, ['--version']) ?? '')?.[1];
}

function output(command, args, env) {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      env: env && { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
}

/** Compute capabilities of the GPUs of the machine, 90 for 9.0; none without a driver. */
function capabilities(env) {
  const lines = output('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'], env) ?? '';
  return [...lines.matchAll(/^\s*(\d+)\.(\d)\s*$/gm)].map(
    ([, major, minor]) => 10 * Number(major) + Number(minor),
  );
}

/** Machine code of each kind of card; PTX where this nvcc is older than the card. */
function forCards(cards, known) {
  const names = cards
    .filter((capability) => capability >= LEAST_CAPABILITY)
    .map((capability) => (capability === 90 ? '90a' : known.has(capability) ? `${capability}` : '80+ptx'));
  return [...new Set(names)].sort().join(';');
}

/** The numbers of the architectures that nvcc compiles for. */
function knownTo(nvcc) {
  const list = output(nvcc, ['--list-gpu-code']) ?? '';
  return new Set([...list.matchAll(/\bsm_(\d+)\b/g)].map(([, number]) => Number(number)));
}

/**
 * Architectures as `WHISPER_TUNE_CUDA_ARCHS` lists them: `80` for the machine code of sm_80, `90a` with what Hopper alone
 * has, `80+ptx` for what the driver translates when it is loaded; separated by semicolons, commas or spaces.
 *
 * @param {string} text
 * @param {Set<number>} known to nvcc
 * @returns {Architecture[]}
 */
export function parseArchitectures(text, known) {
  const names = [...new Set(text.split(/[;,\s]+/).filter(Boolean))];
  if (names.length === 0)
    throw new Error('WHISPER_TUNE_CUDA_ARCHS: expected architectures as "80;90a", got none');
  return names.map((name) => {
    const [, number, specific = '', ptx] = /^(\d{2,3})([af])?(\+ptx)?$/.exec(name) ?? [];
    if (number === undefined)
      throw new Error(`WHISPER_TUNE_CUDA_ARCHS: expected architectures as 80, 90a or 80+ptx, got "${name}"`);
    if (Number(number) < LEAST_CAPABILITY)
      throw new Error(
        `WHISPER_TUNE_CUDA_ARCHS: ${name} is below ${LEAST_CAPABILITY}, which the kernels need`,
      );
    if (!known.has(Number(number)))
      throw new Error(
        `WHISPER_TUNE_CUDA_ARCHS: this nvcc knows ${[...known].sort((a, b) => a - b).join(', ')}, not ${name}`,
      );
    return { name: `${number}${specific}`, ptx: ptx !== undefined };
  });
}

/** The runtime that is linked into the addon, so that it loads on a machine without CUDA. */
function staticRuntime(nvcc) {
  const top = /^#\$ TOP=(.*)$/m.exec(dryRun(nvcc))?.[1] ?? join(dirname(realpathSync(nvcc)), '..');
  const cpu = process.arch === 'arm64' ? 'sbsa-linux' : 'x86_64-linux';
  const places = [join(top, 'targets', cpu, 'lib'), join(top, 'lib64'), join(top, 'lib')];
  const found = places.map((place) => join(place, 'libcudart_static.a')).find((file) => existsSync(file));
  if (!found) throw new Error(`${nvcc}: no libcudart_static.a in ${places.join(', ')}`);
  return realpathSync(found);
}

/** The commands that nvcc would run, which it writes as errors. */
function dryRun(nvcc) {
  try {
    return execFileSync('sh', ['-c', '"$0" --dryrun -c none.cu 2>&1', nvcc], { encoding: 'utf8' });
  } catch (error) {
    return String(error.stdout ?? '');
  }
}
