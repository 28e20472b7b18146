// Builds what `npm install` in a clone needs: the native addon (node-gyp) and the TypeScript (tsc).
// Flags: --native or --ts build only that part; --force rebuilds the addon from nothing; --cuda is WHISPER_TUNE_CUDA=1.
// CUDA is compiled in where this machine has nvcc and an NVIDIA driver, or where WHISPER_TUNE_CUDA=1 asks for it
// (docs/cuda.md). WHISPER_TUNE_JOBS sets the number of parallel compilers (default: all cores).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildCuda, jobsOf } from './build-cuda.mjs';
import { cudaToolkit } from './cuda/toolkit.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const prefix = join(dirname(process.execPath), '..'); // where this Node is installed
const flags = new Set(process.argv.slice(2));
const all = !flags.has('--native') && !flags.has('--ts');
const started = performance.now();
const built = [];

// npm puts its own node-gyp on the path of scripts; outside npm it lies beside npm itself.
function nodeGyp() {
  const given = process.env.npm_config_node_gyp;
  if (given && existsSync(given)) return given;
  const inside = join('npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const beside = join(prefix, 'lib', 'node_modules', inside);
  if (existsSync(beside)) return beside;
  return join(execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim(), inside);
}

// Node's headers, where they came with it (as in its own archives and in Debian): then nothing needs to be downloaded.
function nodeDir() {
  if (process.env.npm_config_nodedir) return [];
  return existsSync(join(prefix, 'include', 'node', 'common.gypi')) ? [`--nodedir=${prefix}`] : [];
}

function run(name, command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}\n`);
  stop(`${name} failed${result.error ? `: ${result.error.message}` : ''}`);
}

function stop(message) {
  process.stderr.write(`whisper-tune: ${message}\n`);
  process.exit(1);
}

// One build of the addon at a time in this checkout: two at once would write the same object files.
async function lock() {
  const file = join(root, '.build.lock');
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      process.on('exit', () => rmSync(file, { force: true }));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!running(file)) rmSync(file, { force: true });
      else await setTimeout(200);
    }
  }
}

// Whether the process that made the lock still lives: a killed build must not stop the next one.
function running(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    if (pid) process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function buildNative() {
  const jobs = String(jobsOf(process.env));
  const gyp = (...args) =>
    run(
      'building the addon (node-gyp; it needs python3, make and a C++20 compiler)',
      process.execPath,
      [nodeGyp(), ...args],
      { JOBS: jobs, npm_config_jobs: jobs }, // node-gyp's default is one compiler at a time
    );
  if (flags.has('--force')) gyp('clean', '--loglevel=error');
  const cuda = await compileCuda();
  gyp('configure', '--loglevel=error', ...nodeDir(), '--', ...cuda.definitions);
  gyp('build', '--loglevel=error', ...nodeDir());
  built.push(`native addon (${cuda.what})`);
}

// The addon's part for GPUs, where one is asked for, and how binding.gyp is told of it.
async function compileCuda() {
  const env = flags.has('--cuda') ? { ...process.env, WHISPER_TUNE_CUDA: '1' } : process.env;
  try {
    const toolkit = cudaToolkit(env);
    if (!toolkit) return { what: 'CPU', definitions: [] };
    const { object } = await buildCuda(toolkit, jobsOf(env), (line) => console.log(`whisper-tune: ${line}`));
    const names = toolkit.architectures.map(({ name, ptx }) => `${ptx ? 'compute' : 'sm'}_${name}`);
    return {
      what: `CPU and CUDA for ${names.join(', ')}`,
      definitions: [`-Dcuda_object=${object}`, `-Dcuda_runtime=${toolkit.runtime}`],
    };
  } catch (error) {
    return stop(error.message);
  }
}

function buildTypeScript() {
  run('compiling the TypeScript', process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.json',
  ]);
  built.push('TypeScript');
}

// In the tarball there is nothing to compile: the addon comes in a platform package.
if ((all || flags.has('--native')) && existsSync(join(root, 'binding.gyp'))) {
  await lock();
  await buildNative();
}
if ((all || flags.has('--ts')) && existsSync(join(root, 'src'))) buildTypeScript();
const seconds = ((performance.now() - started) / 1000).toFixed(1);
if (all || flags.has('--native'))
  console.log(`whisper-tune: built ${built.join(' and ') || 'nothing'} in ${seconds} s`);
