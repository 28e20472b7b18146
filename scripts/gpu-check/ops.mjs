// Part `ops`: every test of operations, and of a small model beside the CPU's, on the device.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { device, emulated, part, root } from './part.mjs';

// On the emulator the suite runs elsewhere, as tests of their own.
const FILES = emulated
  ? ['test/ops/add.test.ts', 'test/ops/cast.test.ts']
  : ['test/ops', 'test/model/devices.test.ts'];

await part('ops', async ({ record, fail }) => {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  if (!existsSync(vitest)) return fail('vitest is not here: it comes with `gpu-check.sh pack`');
  const report = join(root, 'build', 'gpu-ops.json');
  rmSync(report, { force: true });
  const config = join('scripts', 'gpu-check', 'vitest.config.mjs');
  const args = [vitest, 'run', `--config=${config}`, `--root=${root}`, ...FILES];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...args, '--reporter=json', `--outputFile=${report}`],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, WHISPER_TUNE_TEST_DEVICE: device },
      maxBuffer: 1 << 28,
    },
  );
  if (!existsSync(report)) return fail(`vitest ended with ${status}: ${(stderr || stdout).slice(-500)}`);
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  record('tests', { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests });
  const files = testResults.map(({ name, startTime, endTime }) => [
    name.slice(root.length),
    endTime - startTime,
  ]);
  record('milliseconds', Object.fromEntries(files));
  if (numPassedTests === 0) fail('no test ran');
  for (const { name, status, message, assertionResults } of testResults) {
    if (status === 'failed' && assertionResults.length === 0) fail(`${name.slice(root.length)}: ${message}`);
    for (const { status, fullName, failureMessages } of assertionResults)
      if (status === 'failed')
        fail(`${name.slice(root.length)}: ${fullName}: ${failureMessages[0]?.split('\n')[0]}`);
  }
});
