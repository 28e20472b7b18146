// bench: what it reports of a tiny model, beside a peer that speaks the lines of bench/peers, and what it refuses.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCheckout } from '../../src/bench/machine.js';
import { addon } from '../../src/native.js';
import { makeModel, run, temporaryFolder } from './fixtures.js';
import { refused } from './mistakes.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
beforeAll(async () => {
  await makeModel(at('model'));
});

/** A peer that needs no Python: started as `peer SCRIPT SETTINGS`. */
function peer(answer: string): string {
  const path = at('peer.mjs');
  const lines = [
    '#!/usr/bin/env node',
    "import { createInterface } from 'node:readline';",
    'const settings = JSON.parse(process.argv[3]);',
    "console.log('a peer on ' + settings.threads + ' threads');",
    `for await (const line of createInterface({ input: process.stdin })) { ${answer} }`,
  ];
  writeFileSync(path, lines.join('\n'));
  chmodSync(path, 0o755);
  return path;
}

const bench = async (...args: string[]) => {
  const { code, out, err } = await run('bench', ...args, '--rounds=1', '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out);
};

/** Every number in it is above zero. */
function expectNoZeros(value: unknown, path = ''): void {
  if (typeof value === 'number') expect(value, path).toBeGreaterThan(0);
  else if (value !== null && typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) expectNoZeros(inner, `${path}.${key}`);
  }
}

const spread = { median: expect.any(Number), min: expect.any(Number), max: expect.any(Number) };
const circumstances = (benchmark: string) => ({
  benchmark,
  date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  ...(isCheckout() ? { commit: expect.stringMatching(/^[0-9a-f]{40}(-dirty)?$/) } : {}),
  machine: {
    cpu: expect.any(String),
    isa: addon().deviceInfo().isa,
    cores: expect.any(Number),
    memory: expect.any(Number),
    node: process.version,
    os: expect.any(String),
    roofs: { f32: { oneThread: expect.any(Number), allThreads: expect.any(Number) } },
  },
});
const { threads, isa } = addon().deviceInfo();
const settings = { threads, isa, rounds: 1, clock: threads === 1 ? 'cpu' : 'wall' };

describe('bench', () => {
  it.each(['f32', 'bf16', 'f16'])('step reports rates, memory and the roof in %s', async (precision) => {
    const report = await bench(
      'step',
      `--model=${at('model')}`,
      '--batch=2',
      '--labels=8',
      `--precision=${precision}`,
    );
    expect(report).toMatchObject({
      ...circumstances('step'),
      settings: { ...settings, model: at('model'), device: 'cpu', precision, batch: 2, labels: 8 },
      msPerStep: spread,
      samplesPerSecond: expect.any(Number),
      realTimeFactor: expect.any(Number),
      gflops: expect.any(Number),
      roof: expect.any(Number),
      peakBytes: expect.any(Number),
    });
    expectNoZeros({ ...report, residentBytes: 1 }); // a small step may take no page that was not there
    // Windows of one second.
    expect(report.realTimeFactor).toBeCloseTo(report.samplesPerSecond);
    expect(report.samplesPerSecond).toBeCloseTo(2000 / report.msPerStep.median);
    expect(report).not.toHaveProperty('peer');
  });

  it('puts a peer beside it, turn by turn', async () => {
    const python = peer("console.log(line === 'bytes' ? '[4096]' : '[1e6, 3e6]');");
    const report = await bench(
      'step',
      `--model=${at('model')}`,
      '--batch=1',
      '--labels=4',
      `--peer=${python}`,
    );
    expect(report.peer).toEqual({
      name: `a peer on ${threads} threads`,
      msPerStep: { median: 2e6, min: 1e6, max: 3e6 },
      samplesPerSecond: 0.0005,
      realTimeFactor: 0.0005,
      residentBytes: 4096,
    });
    expect(report.ratio).toBeCloseTo(2e6 / report.msPerStep.median);
  });

  it('encode and decode report theirs', async () => {
    const encode = await bench('encode', `--model=${at('model')}`, '--batch=2', '--precision=bf16');
    expect(encode).toMatchObject({
      ...circumstances('encode'),
      msPerStep: spread,
      samplesPerSecond: expect.any(Number),
      realTimeFactor: expect.any(Number),
      gflops: expect.any(Number),
      roof: expect.any(Number),
      peakBytes: expect.any(Number),
    });
    expectNoZeros(encode);
    const decode = await bench('decode', `--model=${at('model')}`, '--batch=2', '--labels=20');
    expect(decode).toMatchObject({
      ...circumstances('decode'),
      settings: { ...settings, batch: 2, labels: 20 },
      msPerStep: spread,
      tokensPerSecond: expect.any(Number),
      msPerToken: expect.any(Number),
      peakBytes: expect.any(Number),
    });
    expect(decode.tokensPerSecond).toBeCloseTo(40_000 / decode.msPerStep.median);
  });

  it('ops and optimizer report every operation, and only those asked for', async () => {
    const report = await bench('ops', `--model=${at('model')}`, '--labels=8', '--precision=bf16');
    expect(report).toMatchObject(circumstances('ops'));
    const names: string[] = report.results.map(({ name }: { name: string }) => name.split(' ')[0]);
    expect([...new Set(names)]).toEqual([
      'linear',
      'linear-gelu',
      'attention',
      'classifier',
      'layernorm',
      'gelu',
    ]);
    for (const result of report.results) {
      expect(result).toMatchObject({ msPerStep: spread });
      expect(result).toHaveProperty(result.gflops ? 'roof' : 'gigabytesPerSecond');
    }
    expectNoZeros(report.results);

    const sgd = await bench('optimizer', '--only=sgd', '--precision=bf16');
    expect(sgd.results).toMatchObject([
      { name: 'sgd', msPerStep: spread, gigabytesPerSecond: expect.any(Number) },
    ]);
  });

  it('data reports the path of clips beside the training step', async () => {
    const report = await bench('data', `--model=${at('model')}`, '--labels=8', '--batch=1', '--only=wav');
    expect(report).toMatchObject(circumstances('data'));
    const [step, wav] = report.results;
    expect(step).toMatchObject({ name: 'training step', samplesPerSecond: expect.any(Number) });
    expect(wav).toMatchObject({ name: expect.stringMatching(/^wav, 5 s at 48000 Hz/), msPerStep: spread });
    expect(wav.realTimeFactor).toBeCloseTo(5 * wav.samplesPerSecond);
    expect(wav.timesTrainingStep).toBeCloseTo(wav.samplesPerSecond / step.samplesPerSecond);
  });

  it('is a table without --json', async () => {
    const { code, out } = await run('bench', 'encode', `--model=${at('model')}`, '--rounds=1');
    expect(code).toBe(0);
    expect(out).toMatch(/^encode: model .*, rounds 1; /);
    expect(out).toMatch(/\nwhisper-tune \S+ +[\d.]+ \([\d.]+, [\d.]+\) /);
  });
});

describe('bench refuses', () => {
  const model = () => `--model=${at('model')}`;
  it.each<[string, () => string[], string | RegExp, number?]>([
    ['no name', () => [], 'bench needs one of step, encode, decode, ops, optimizer, data, got none'],
    ['a name that is none', () => ['steps'], 'got steps'],
    ['two names', () => ['step', 'ops'], 'unexpected argument "ops"'],
    [
      'settings of another benchmark',
      () => ['encode', '--labels=3'],
      'bench encode has no --labels, but --model, --device, --precision, --batch',
    ],
    ['a flag that is none', () => ['step', '--batches=3'], 'unknown flag --batches: did you mean --batch?'],
    ['no rows', () => ['step', '--batch=0'], '--batch must be a whole number of at least 1, got 0'],
    ['no rounds', () => ['step', '--rounds=0'], '--rounds must be a whole number of at least 1, got 0'],
    [
      'a wrong precision',
      () => ['step', '--precision=int8'],
      '--precision must be one of f32, f32-fast, f16, bf16',
    ],
    [
      'a wrong device',
      () => ['encode', model(), '--device=tpu'],
      'device: expected auto, cpu, cuda or cuda:N, got "tpu"',
    ],
    [
      'long labels',
      () => ['step', model(), '--labels=33'],
      '--labels must be at most 32 (max_target_positions), got 33',
    ],
    ['one token to decode', () => ['decode', model(), '--labels=1'], '--labels must be from 2 to 28'],
    ['operations that are none', () => ['ops', model(), '--only=conv'], '--only must be part of a name'],
    [
      'formats that are none',
      () => ['data', model(), '--labels=4', '--only=aiff'],
      '(they begin with wav, flac, mp3',
    ],
    [
      'other threads than the process has',
      () => ['encode', model(), `--threads=${threads + 1}`],
      `--threads must be ${threads}, which the engine of this process has already, got ${threads + 1}`,
    ],
    ['a model that is none', () => ['step', '--model=huge'], 'no such folder, and no released model', 1],
    [
      'a peer that is not there',
      () => ['encode', model(), `--peer=${at('python')}`],
      /cannot start the peer .*python: no such file or folder$/,
      1,
    ],
    [
      'a peer that fails',
      () => ['encode', model(), `--peer=${peer("console.error('no torch'); process.exit(3);")}`],
      /the peer .*encode\.py ended with exit code 3: no torch$/,
    ],
    [
      'a peer that says something else',
      () => ['encode', model(), `--peer=${peer("console.log('later');")}`],
      /encode\.py answered "later" to "turn": expected a list of numbers$/,
    ],
  ])('%s', async (_, args, message, code = 2) => {
    await refused(run('bench', ...args()), code, message);
  });
});
