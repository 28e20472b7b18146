// Finding the addon: what is tried, and what is said when nothing works.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { dims } from './helpers.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const platform = `@whisper-tune/${process.platform}-${process.arch}`;

/** An installed package: the loader without an addon beside it. */
function installation(use: (folder: string) => void): void {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'whisper-tune-')));
  try {
    mkdirSync(join(folder, 'dist'));
    for (const file of ['package.json', 'dist/native.js', 'dist/errors.js'])
      copyFileSync(join(root, file), join(folder, file));
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function load(folder: string, environment: Record<string, string> = {}): Record<string, string> {
  const script = `import { addon } from './dist/native.js';
    try { console.log(JSON.stringify({ version: addon().version })); }
    catch ({ name, code, message }) { console.log(JSON.stringify({ name, code, message })); }`;
  const { WHISPER_TUNE_ADDON: _, ...inherited } = process.env;
  const env = { ...inherited, ...environment };
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      env,
      encoding: 'utf8',
    }),
  );
}

function addPlatformPackage(folder: string, content: string): void {
  const path = join(folder, 'node_modules', platform);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name: platform, main: 'main.cjs' }));
  writeFileSync(join(path, 'main.cjs'), content);
}

describe('the addon', () => {
  it('is loaded once', () => expect(addon()).toBe(addon()));

  it('says what this machine and this binary offer', () => {
    const info = addon().deviceInfo();
    expect(info.devices[0]).toBe('cpu');
    expect(info.isas).toContain(info.isa);
    expect(info.isas[0]).toBe('generic');
    expect(info.threads).toBeGreaterThanOrEqual(1);
    expect(info.version).toBe(addon().version);
  });

  it('explains what it tried and what to do', () => {
    installation((folder) => {
      const { name, code, message } = load(folder);
      expect([name, code]).toEqual(['WhisperError', 'ERR_ADDON']);
      expect(message).toContain(`${folder}/build/Release/whisper_tune.node: Cannot find module`);
      expect(message).toContain(`${platform}: Cannot find module`);
      expect(message).toContain('`npm run build:native`');
      expect(message).toContain(`npm install ${platform}`);
      expect(message).not.toContain('\n');
    });
  });

  it('comes from the package of the platform', () => {
    installation((folder) => {
      addPlatformPackage(folder, `module.exports = { version: '${addon().version}', setErrorClass() {} };`);
      expect(load(folder)).toEqual({ version: addon().version });
    });
  });

  it('must be of the same version', () => {
    installation((folder) => {
      addPlatformPackage(folder, "module.exports = { version: '9.9.9', setErrorClass() {} };");
      expect(load(folder).message).toContain(`${platform}: it is of version 9.9.9, not ${addon().version}`);
    });
  });

  it('comes from WHISPER_TUNE_ADDON alone when that is set', () => {
    installation((folder) => {
      addPlatformPackage(folder, `module.exports = { version: '${addon().version}', setErrorClass() {} };`);
      const { message } = load(folder, { WHISPER_TUNE_ADDON: join(folder, 'package.json') });
      expect(message).toContain(`${join(folder, 'package.json')}: `);
      expect(message).not.toContain(platform);
    });
  });

  it('plans without allocating', async () => {
    const large = {
      ...dims,
      width: 1280,
      encoderLayers: 32,
      decoderLayers: 32,
      encoderFfn: 5120,
      decoderFfn: 5120,
      encoderHeads: 20,
      decoderHeads: 20,
      vocab: 51866,
      mels: 128,
      source: 1500,
      target: 448,
    };
    const before = process.memoryUsage().rss;
    const plain = await addon().plan(large, { batch: 4, labels: 448, training: true });
    const checkpointed = await addon().plan(large, {
      batch: 4,
      labels: 448,
      training: true,
      options: { checkpointing: 'all' },
    });
    expect(plain.parameters).toBeGreaterThan(1.5e9);
    expect(plain.peak).toBeGreaterThan(4 * 4 * plain.trainable);
    expect(checkpointed.activations).toBeLessThan(plain.activations / 2);
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
  });

  it('resamples and makes features away from the main thread', async () => {
    const tone = Float32Array.from({ length: 48000 }, (_, i) => Math.sin((2 * Math.PI * 440 * i) / 48000));
    const silence = new Float32Array(48000);
    const mono = await addon().resample([tone, silence], 48000, 16000);
    expect(mono.length).toBe(16000);
    expect(Math.max(...mono)).toBeCloseTo(0.5, 3);
    const { data, frames, mels } = await addon().logMel(mono, 80);
    expect([frames, mels, data.length]).toEqual([100, 80, 8000]);
    expect(await addon().logMel(mono.subarray(0, 159), 80)).toEqual({
      data: new Float32Array(0),
      frames: 0,
      mels: 80,
    });
  });
});
