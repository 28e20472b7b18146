// Packs the main package and the one of this platform, installs both tarballs in an empty folder and uses them from there.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from './pack.mjs';

const work = mkdtempSync(join(tmpdir(), 'whisper-tune-package-'));
const run = (command, ...args) => execFileSync(command, args, { cwd: work, encoding: 'utf8' });
try {
  const tarballs = pack(work);
  writeFileSync(join(work, 'package.json'), '{ "private": true, "type": "module" }\n');
  run('npm', 'install', '--no-audit', '--no-fund', ...tarballs);
  writeFileSync(
    join(work, 'use.mjs'),
    `import { logMel, wordErrorRate } from 'whisper-tune';
     const { frames, mels } = await logMel(new Float32Array(16000), { mels: 80 });
     if (frames !== 100 || mels !== 80) throw new Error('logMel: ' + frames + ' x ' + mels);
     if (wordErrorRate(['a b'], ['a c']).wer !== 50) throw new Error('wordErrorRate');`,
  );
  run(process.execPath, 'use.mjs');
  const env = JSON.parse(run('npx', 'whisper-tune', 'env', '--json'));
  if (!env.forward.ok) throw new Error(`whisper-tune env: ${JSON.stringify(env)}`);
  console.log(
    `installed ${tarballs.length} tarballs in an empty folder; the library and the command line work there`,
  );
} finally {
  rmSync(work, { recursive: true });
}
