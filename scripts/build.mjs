// Builds what `npm install` in a clone needs: the native addon (node-gyp) and the TypeScript (tsc).
// Flags: --native or --ts build only that part; --force rebuilds the addon from nothing.
// The addon is CPU-only today; WHISPER_TUNE_JOBS sets the number of parallel compilers (default: all cores).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const flags = new Set(process.argv.slice(2));
const all = !flags.has('--native') && !flags.has('--ts');
const started = performance.now();
const built = [];

// npm puts its own node-gyp on the path of scripts; outside npm it lies beside npm itself.
function nodeGyp() {
  const beside = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const given = process.env.npm_config_node_gyp;
  if (given && existsSync(given)) return given;
  if (existsSync(beside)) return beside;
  const npm = execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim();
  return join(npm, 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
}

function run(name, command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}\n`);
  process.stderr.write(`whisper-tune: ${name} failed${result.error ? `: ${result.error.message}` : ''}\n`);
  process.exit(1);
}

if (all || flags.has('--native')) {
  // In the tarball there is nothing to compile: the addon comes in a platform package.
  if (existsSync(join(root, 'binding.gyp'))) {
    const jobs = process.env.WHISPER_TUNE_JOBS ?? String(availableParallelism());
    // node-gyp's default is one compiler at a time.
    run('building the addon (node-gyp; it needs python3, make and a C++20 compiler)', process.execPath,
      [nodeGyp(), flags.has('--force') ? 'rebuild' : 'configure', ...(flags.has('--force') ? [] : ['build']), '--loglevel=error'],
      { JOBS: jobs, npm_config_jobs: jobs });
    built.push('native addon (CPU)');
  }
}
if (all || flags.has('--ts')) {
  if (existsSync(join(root, 'src'))) {
    run('compiling the TypeScript', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json']);
    built.push('TypeScript');
  }
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
if (all || flags.has('--native')) console.log(`whisper-tune: built ${built.join(' and ')} in ${seconds} s`);
