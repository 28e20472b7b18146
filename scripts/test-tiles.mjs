// Runs the tests of products, attention and the model on the table of AMX with emulated tiles: those of the addon that
// `npm run build:cmake` makes for it. More arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const addon = `${root}build/cmake/Release/emulated_tiles.node`;
const tests = [
  ...['linear', 'classifier', 'attention'].map((name) => `test/ops/${name}`),
  ...['parity', 'precision', 'f32-fast'].map((name) => `test/model/${name}`),
];

if (!existsSync(addon)) {
  console.error(`${addon} is not there: run \`npm run build:cmake\` first`);
  process.exit(1);
}
const { isas } = createRequire(import.meta.url)(addon).deviceInfo();
if (!isas.includes('amx')) {
  console.log(`emulated tiles: not tested, they need AVX512_BF16 and this machine has ${isas.join(', ')}`);
  process.exit(0);
}
const { status } = spawnSync('npx', ['vitest', 'run', ...tests, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, WHISPER_TUNE_ADDON: addon, WHISPER_TUNE_ISA: 'amx' },
});
process.exit(status ?? 1);
