// What is read from the environment when a back end is opened: threads and instruction sets. The number of threads holds
// for a whole process, so each number is tried in a process of its own.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { backends, modelDevice, openWith } from '../helpers/native.js';

const program = fileURLToPath(new URL('./digests.mjs', import.meta.url));

function run(environment: Record<string, string>, ...args: string[]) {
  return spawnSync(process.execPath, [program, ...args], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
    timeout: 50_000,
  });
}

describe('the number of threads', () => {
  it('changes no bit of any result', () => {
    const [one, ...others] = ['1', '2', '3', '7'].map((threads) => {
      const { status, stdout, stderr } = run({ WHISPER_TUNE_THREADS: threads });
      expect(status, stderr).toBe(0);
      const { device, digests } = JSON.parse(stdout) as { device: string; digests: Record<string, string> };
      expect(device).toMatch(threads === '1' ? /, 1 thread\)$/ : new RegExp(`, ${threads} threads\\)$`));
      return digests;
    });
    expect(Object.keys(one!).length).toBeGreaterThan(5);
    for (const other of others) expect(other).toEqual(one);
  });

  it('may exceed the cores, and two threads of JavaScript may compute at once', () => {
    const { status, stdout, stderr } = run({ WHISPER_TUNE_THREADS: '9' }, 'workers');
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ same: true });
  });

  it.each(['0', '-1', 'two', '2.5', '99999'])('is refused when it is %s', (threads) => {
    const { status, stderr } = run({ WHISPER_TUNE_THREADS: threads });
    expect(status).toBe(1);
    expect(stderr).toContain(`WHISPER_TUNE_THREADS: expected a number from 1 to 1024, got "${threads}"`);
  });
});

describe('the instruction set', () => {
  it('is the one WHISPER_TUNE_ISA names, and the widest without it', () => {
    const { isas } = addon().deviceInfo();
    expect(isas[0]).toBe('generic');
    for (const isa of isas)
      expect(openWith({ WHISPER_TUNE_ISA: isa }, 'cpu').device).toContain(`cpu (${isa}, `);
    expect(openWith({ WHISPER_TUNE_ISA: '' }, 'cpu').device).toContain(`cpu (${isas.at(-1)}, `);
    const tested = backends.filter(({ name }) => name.startsWith('cpu ')).length;
    expect(tested).toBe(modelDevice === 'cpu' ? isas.length : 0);
  });

  it('is refused when this machine lacks it', () => {
    expect(() => openWith({ WHISPER_TUNE_ISA: 'mmx' }, 'cpu')).toThrow(
      /WHISPER_TUNE_ISA: this machine can run generic.*, not "mmx"/,
    );
  });
});

describe('the device', () => {
  it.each(['gpu', 'cuda:', 'cuda:x', 'cuda:-1', 'cuda:1x', ''])('is refused when it is "%s"', (device) => {
    expect(() => addon().ops(device)).toThrow(`device: expected auto, cpu, cuda or cuda:N, got "${device}"`);
  });

  it('is unavailable, and says so, when there is no such GPU', () => {
    expect(() => addon().ops('cuda:4095')).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE_UNAVAILABLE' }),
    );
  });
});
