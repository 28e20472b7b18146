// gpu-check.sh: what it refuses, and how its report puts the parts together.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { temporaryFolder } from '../cli/fixtures.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();
afterAll(folder.remove);

const keep = (name: string, found: object) =>
  writeFileSync(join(folder.path, `${name}.json`), JSON.stringify({ part: name, ...found }));

it('merges what the parts found into one file, and fails where one did', () => {
  const done = { ok: true, failures: [], skipped: [] };
  keep('environment', {
    ...done,
    ...{ device: 'cuda (NVIDIA H200)', date: '2026-01-02T03:04:05.678Z', commit: 'abc', copy: 4300 },
    products: { ours: { bf16: 600_000 }, torch: { bf16: 790_000 } },
  });
  const row = { who: 'ours', model: 'small', precision: 'bf16', checkpointing: 'none', batch: 64 };
  const rates = { samplesPerSecond: 300, ofMeasured: 0.5, ofNominal: 0.4, peakBytes: 40e9 };
  const steps = [{ ...row, ...rates, optimizer: 'adamw_torch', compile: false }];
  keep('step', { ...done, ok: false, steps, targets: { small: 290 }, skipped: ['PyTorch: no torch'] });
  keep('train', { ...done, ok: false, failures: ['nothing was learned'] });
  const { stdout, status } = spawnSync(
    process.execPath,
    ['scripts/gpu-check/report.mjs', 'environment=0:12', 'step=124:190', 'train=1:3', 'sanitizer=139:1'],
    { cwd: root, encoding: 'utf8', env: { ...process.env, GPU_CHECK_OUT: folder.path } },
  );
  expect(status).toBe(1);
  expect(readdirSync(folder.path)).toEqual(['nvidia-h200-2026-01-02.json']);
  const all = JSON.parse(readFileSync(join(folder.path, 'nvidia-h200-2026-01-02.json'), 'utf8'));
  expect(all).toMatchObject({ gpu: 'NVIDIA H200', commit: 'abc', emulated: false });
  expect(all.parts).toMatchObject({
    environment: { ok: true, seconds: 12, copy: 4300 },
    step: { ok: false, steps, failures: ['out of time after 190 s'] },
    train: { ok: false, failures: ['nothing was learned'] },
    sanitizer: { ok: false, failures: ['ended with exit code 139'] },
  });
  expect(stdout).toContain('a large product, TFLOP/s: ours bf16 600; torch bf16 790');
  expect(stdout).toMatch(/small ours +bf16 +64 +300 +290 +50 % +40 % +40\n/);
  expect(stdout).toMatch(/FAIL +step +190 s +1 failed: out of time after 190 s; skipped PyTorch: no torch\n/);
});

it('refuses a part that it has not', () => {
  const { stderr, status } = spawnSync('bash', ['scripts/gpu-check.sh', 'steps'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toMatch(/^usage: .* parts: environment conformance ops kernels step train sanitizer\n/);
});

it('has a file and a time for every part, nine minutes in all', () => {
  const script = readFileSync(join(root, 'scripts/gpu-check.sh'), 'utf8');
  const caps = [...script.matchAll(/\[(\w+)\]=(\d+)/g)].map(
    ([, name, seconds]) => [name!, Number(seconds)] as const,
  );
  expect(caps).toHaveLength(7);
  for (const [name] of caps)
    expect(existsSync(join(root, 'scripts/gpu-check', `${name}.mjs`)), name).toBe(true);
  expect(caps.reduce((sum, [, seconds]) => sum + seconds, 0)).toBeLessThanOrEqual(540);
});
