// Runs every example in a temporary folder of its own and fails when one does, or when one has grown past 40 lines.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../examples', import.meta.url));
let failed = 0;
for (const name of readdirSync(folder)
  .filter((file) => file.endsWith('.mjs'))
  .sort()) {
  const file = join(folder, name);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').length;
  const work = mkdtempSync(join(tmpdir(), 'whisper-tune-example-'));
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: work, encoding: 'utf8' });
  rmSync(work, { recursive: true });
  const fault =
    status !== 0 ? `exit ${status}\n${stdout}${stderr}` : lines > 40 ? `${lines} lines, at most 40` : '';
  console.log(`${fault ? 'FAIL' : 'ok'}  ${name}${fault ? `: ${fault}` : ''}`);
  if (fault) failed++;
}
process.exit(failed ? 1 : 0);
