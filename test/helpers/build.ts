// Compiles the TypeScript once before the tests: worker threads and the command line run from dist/, everything else from src/.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export default function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs', '--ts'], { cwd: root, stdio: 'inherit' });
}
