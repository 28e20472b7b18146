// Loads the addon that was built here in other versions of Node and trains a step with it: one binary serves them all,
// because it uses Node-API only. The versions come from npm as packages of Node's own binaries.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24'];
const binary = `node-${process.platform}-${process.arch}`;

const use = `
  import { addon } from './dist/native.js';
  const dims = { mels: 80, source: 20, target: 16, width: 32, encoderLayers: 1, encoderHeads: 2, encoderFfn: 64,
    decoderLayers: 1, decoderHeads: 2, decoderFfn: 64, vocab: 50, padding: 40, start: 41 };
  const batch = { samples: [new Float32Array(3200).fill(0.1)], labels: Int32Array.of(42, 3, 7, 40), time: 4 };
  const model = await addon().openModel('cpu', dims, 'f32');
  await model.initialise('fan_in', 1);
  await model.prepareTraining({});
  const { finite } = await model.step([batch], { scales: Float32Array.of(0.25), encoderRate: 1e-3, decoderRate: 1e-3 });
  if (!finite) throw new Error('the loss is not finite');
  await model.dispose();
  console.log('Node ' + process.version + ': ' + model.device);`;

const work = mkdtempSync(join(tmpdir(), 'whisper-tune-node-'));
try {
  for (const version of [process.versions.node, ...versions]) {
    let node = process.execPath;
    if (version !== process.versions.node) {
      execFileSync(
        'npm',
        [
          'install',
          '--prefix',
          work,
          '--no-save',
          '--ignore-scripts',
          '--no-audit',
          '--no-fund',
          `${binary}@${version}`,
        ],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      );
      node = join(work, 'node_modules', binary, 'bin', 'node');
    }
    execFileSync(node, ['--input-type=module', '-e', use], { cwd: root, stdio: 'inherit' });
  }
} finally {
  rmSync(work, { recursive: true });
}
