// Part `sanitizer`: a small model trained and decoded under compute-sanitizer, which sees every access that the GPU makes.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { emulated, part, root } from './part.mjs';

// Where the emulator computes there is nothing to look at for these: the work itself is run.
const TOOLS = emulated ? [undefined] : ['memcheck', 'racecheck'];

await part('sanitizer', async ({ record, fail, skip, left }) => {
  const work = [process.execPath, join(root, 'scripts', 'gpu-check', 'toy.mjs')];
  if (!emulated && spawnSync('compute-sanitizer', ['--version']).error)
    return skip(TOOLS.join(' and '), 'compute-sanitizer is not here');
  for (const [i, tool] of TOOLS.entries()) {
    const [command, ...args] = tool
      ? ['compute-sanitizer', `--tool=${tool}`, '--error-exitcode=9', ...work]
      : work;
    const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
      ...{ cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 },
      timeout: Math.max(1000, Math.round((1000 * (left() - 2)) / (TOOLS.length - i))),
    });
    const said = `${stdout ?? ''}${stderr ?? ''}`;
    console.log(said);
    const lines = said.split('\n').filter((line) => line.startsWith('========='));
    const name = tool ?? 'no tool';
    record(name, { status, signal, summary: lines.at(-1) ?? said.trim().split('\n').at(-1) });
    const errors = lines.filter((line) => /Error|Invalid|hazard|ERROR SUMMARY/.test(line));
    if (error?.code === 'ETIMEDOUT' && errors.length === 0)
      skip(name, 'out of time, without an error so far');
    else if (status !== 0)
      fail(
        `${name} ended with ${error?.code ?? signal ?? status}: ${errors.slice(0, 6).join(' ') || said.slice(-300)}`,
      );
  }
});
