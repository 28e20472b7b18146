// Packs what a machine without Node and network needs for scripts/gpu-check.sh into build/gpu/pack.tar.xz: Node itself, the
// modules that the command line and the tests import, the compiled TypeScript, the addons with CUDA and the emulator, and
// the program of the wrappers' conformance with what it expects.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './part.mjs';

/** What such a machine takes along with a checkout, at the most. */
const MOST = 56 * 2 ** 20;

const manifest = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** Folders of the modules that `names` need, from the root and as node_modules has them flat. */
function closure(names) {
  const found = new Set();
  const visit = (name) => {
    const folder = join(root, 'node_modules', name);
    // Optional ones of other platforms are not installed.
    if (found.has(name) || !existsSync(folder)) return;
    found.add(name);
    const { dependencies, optionalDependencies } = manifest(folder);
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) visit(needed);
  };
  names.forEach(visit);
  return [...found];
}

const addon = process.env.WHISPER_TUNE_ADDON ?? join(root, 'build', 'Release', 'whisper_tune.node');
if (!existsSync(addon) || !readFileSync(addon).includes('.nv_fatbin'))
  throw new Error(`${addon} has no CUDA: run npm run build:cuda`);
const emulator = join(root, 'build', 'emulator', 'Release', 'cuda_emulator.node');
if (!existsSync(emulator)) throw new Error(`${emulator} is not there: run npm run build:emulator`);
const run = (program, ...rest) => execFileSync(program, rest, { cwd: root, stdio: 'inherit' });
run(process.execPath, 'scripts/build.mjs', '--ts');
run(process.execPath, 'scripts/build-cuda.mjs', '--conformance');
const conformance = join(root, 'build', 'cuda', 'conformance');
run('cmake', '--build', 'build/emulator', '--target', 'emulator_conformance');

const { commit } = await import('../../dist/bench/machine.js'); // which was just compiled

const stage = mkdtempSync(join(tmpdir(), 'whisper-tune-pack-'));
try {
  const modules = closure([...Object.keys(manifest(root).dependencies), 'vitest']);
  const useless = /\.(map|d\.[cm]?ts|md)$/;
  for (const name of modules)
    cpSync(join(root, 'node_modules', name), join(stage, 'node_modules', name), {
      recursive: true,
      dereference: true,
      filter: (file) => !useless.test(file),
    });
  cpSync(join(root, 'dist'), join(stage, 'dist'), { recursive: true, filter: (file) => !useless.test(file) });
  mkdirSync(join(stage, 'build', 'gpu'), { recursive: true });
  const binaries = {
    ...{ node: process.execPath, 'whisper_tune.node': addon, 'cuda_emulator.node': emulator },
    conformance,
  };
  for (const [name, from] of Object.entries(binaries)) {
    copyFileSync(from, join(stage, 'build', 'gpu', name));
    execFileSync('strip', [join(stage, 'build', 'gpu', name)]);
  }
  run('build/emulator/emulator_conformance', join(stage, 'build', 'gpu', 'conformance.expected'), '--write');
  writeFileSync(join(stage, 'build', 'gpu', 'commit'), commit() ?? '');
  const archive = join(root, 'build', 'gpu', 'pack.tar.xz');
  rmSync(join(root, 'build', 'gpu'), { recursive: true, force: true });
  mkdirSync(join(root, 'build', 'gpu'), { recursive: true });
  execFileSync('tar', ['-cJf', archive, 'build', 'dist', 'node_modules'], {
    cwd: stage,
    env: { XZ_OPT: '-6 -T0', ...process.env },
  });
  const { size } = statSync(archive);
  console.log(`${archive}: ${(size / 2 ** 20).toFixed(1)} MiB, with ${modules.length} modules`);
  if (size > MOST) throw new Error(`at most ${MOST / 2 ** 20} MiB travel`);
} finally {
  rmSync(stage, { recursive: true });
}
