// What the benchmarks say of times and of work: spreads, turns, floating-point operations, and their reports.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { peerDevice } from '../../src/bench/benchmark.js';
import { attention, encoderFlops, forwardFlops, stepFlops } from '../../src/bench/flops.js';
import type { Report } from '../../src/bench/index.js';
import { clockOf, spreadOf, takeTurns } from '../../src/bench/measure.js';
import { startPeer } from '../../src/bench/peer.js';
import { uniform } from '../../src/bench/random.js';
import { describeReport, saveReport } from '../../src/bench/report.js';
import { releasedDims } from '../../src/model/released.js';
import { temporaryFolder } from '../cli/fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);

describe('spreadOf', () => {
  it('finds the middle and the ends in any order', () => {
    expect(spreadOf([3])).toEqual({ median: 3, min: 3, max: 3 });
    expect(spreadOf([9, 1, 10])).toEqual({ median: 9, min: 1, max: 10 });
    expect(spreadOf([4, 1, 100, 2])).toEqual({ median: 3, min: 1, max: 100 });
  });
});

describe('takeTurns', () => {
  it('takes one turn of each in every round and does not count the first', async () => {
    const order: string[] = [];
    const rounds: number[] = [];
    const turn = (name: string) => async () => {
      order.push(name);
      return [order.length, order.length + 0.5];
    };
    const times = await takeTurns([turn('a'), turn('b')], {
      rounds: 2,
      onRound: (round) => rounds.push(round),
    });
    expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(times).toEqual([
      [3, 3.5, 5, 5.5],
      [4, 4.5, 6, 6.5],
    ]);
    expect(rounds).toEqual([0, 1, 2]);
  });

  it('ends when it is asked to', async () => {
    const stop = new AbortController();
    let turns = 0;
    const turn = async () => {
      if (++turns === 2) stop.abort();
      return [1];
    };
    await expect(takeTurns([turn], { rounds: 9, signal: stop.signal })).rejects.toMatchObject({
      code: 'ERR_CANCELLED',
    });
    expect(turns).toBe(2);
  });

  it('calls a turn that fails by that what it is, cancelled or a failure', async () => {
    const stop = new AbortController();
    const failing = async () => {
      throw new Error('the peer ended');
    };
    const options = { rounds: 1, signal: stop.signal };
    await expect(takeTurns([failing], options)).rejects.toThrow('the peer ended');
    stop.abort();
    await expect(takeTurns([failing], options)).rejects.toMatchObject({ code: 'ERR_CANCELLED' });
  });
});

it('times one thread of the CPU by CPU time, more of them and a GPU by the wall', () => {
  expect([1, 2, 64].map((threads) => clockOf('cpu (avx2, …)', threads))).toEqual(['cpu', 'wall', 'wall']);
  expect([1, 2].map((threads) => clockOf('cuda (NVIDIA H200)', threads))).toEqual(['wall', 'wall']);
});

it('makes noise that is never zero and does not repeat from row to row', () => {
  const noise = uniform(200_000, 0.5);
  expect(noise.every((x) => x !== 0 && Math.abs(x) <= 0.5)).toBe(true);
  expect(noise.slice(0, 1024)).not.toEqual(noise.slice(65536, 65536 + 1024));
});

it('says in one line that a package without the peers has none', async () => {
  await expect(startPeer(process.execPath, 'none.py', {})).rejects.toMatchObject({
    code: 'ERR_FILE',
    message: expect.stringMatching(
      /^--peer needs .*none\.py, which a published package leaves out: run it in a checkout/,
    ),
  });
});

it('has a peer compute on the same GPU, and on the CPU beside everything else', () => {
  const on = (device: string, deviceName: string) => peerDevice({ device, deviceName });
  expect(on('cuda:1', 'cuda (NVIDIA H200)')).toBe('cuda:1');
  expect(on('auto', 'cuda (NVIDIA H200)')).toBe('cuda');
  expect(on('auto', 'cpu (avx2, 2 threads)')).toBe('cpu');
  expect(on('cuda-emulator', 'cuda-emulator (emulated)')).toBe('cpu');
});

describe('FLOPs', () => {
  // By hand for whisper-tiny: convolutions 3000·240·384 + 1500·1152·384 multiply-adds, four blocks.
  const tiny = releasedDims('tiny')!;
  const giga = (flops: number) => flops / 1e9;

  it('are those counted by hand', () => {
    const convolutions = 2 * (3000 * 240 * 384 + 1500 * 1152 * 384);
    const block = 2 * 1500 * 12 * 384 * 384 + 4 * 1500 * 1500 * 384;
    expect(encoderFlops(tiny)).toBe(convolutions + 4 * block);
    expect(attention(2, 3, 5)).toBe(2 * (2 * 3 * 5) * 2);
  });

  it.each([
    ['tiny', 70.5, 211],
    ['base', 149.8, 449],
    ['small', 539.6, 1618],
    ['medium', 1728, 5183],
  ])('of a row of %s: %f forward and %f in a step, in 10⁹', (name, forward, step) => {
    const dims = releasedDims(name)!;
    expect(giga(forwardFlops(dims, 448)) / forward).toBeCloseTo(1, 3);
    expect(giga(stepFlops(dims, 448)) / step).toBeCloseTo(1, 2);
  });

  // Published counts of flash attention take five products for its backward pass: those of the scores are made again.
  it.each([
    ['small', 1.33],
    ['medium', 4.36],
    ['large-v3', 8.68],
  ])('of a step of %s with 128 labels are %f·10¹² with the scores made again', (name, tera) => {
    const dims = releasedDims(name)!;
    const { source, width, encoderLayers, decoderLayers } = dims;
    const decoder = attention(128, 128, width) / 2 + attention(128, source, width);
    const scores = encoderLayers * attention(source, source, width) + decoderLayers * decoder;
    expect((stepFlops(dims, 128) + scores / 2) / 1e12).toBeCloseTo(tera, 2);
  });

  it('of a step leave out the gradient of the features', () => {
    expect(stepFlops(tiny, 7)).toBe(3 * forwardFlops(tiny, 7) - 2 * 3000 * 240 * 384);
  });

  it('grow with the labels by what the decoder does with each', () => {
    const [short, long] = [forwardFlops(tiny, 1), forwardFlops(tiny, 2)];
    // Logits, products of four blocks, cross-attention, and a causal half of self-attention: 2² - 1² pairs more.
    const one = 2 * 384 * 51865 + 4 * (2 * 14 * 384 * 384 + 4 * 1500 * 384 + (4 * 3 * 384) / 2);
    expect(long - short).toBe(one);
  });
});

describe('a report', () => {
  const spread = { median: 2, min: 1, max: 1234.5 };
  const report: Report = {
    benchmark: 'step',
    date: '2026-01-02T03:04:05.678Z',
    settings: { model: 'tiny', threads: 2, isa: 'avx2', rounds: 5, clock: 'wall' },
    machine: {
      cpu: 'Some CPU (R) @ 3 GHz',
      isa: 'avx2',
      cores: 4,
      memory: 2 ** 34,
      node: 'v20',
      os: 'Linux',
      roofs: { f32: { oneThread: 100, allThreads: 200 } },
    },
    name: 'ours',
    msPerStep: spread,
    gflops: 50,
    roof: 200,
    peer: { name: 'theirs', msPerStep: { ...spread, median: 5 } },
    ratio: 2.5,
  };

  it('is a table with the peer below', () => {
    const text = describeReport(report);
    expect(text).toContain('Some CPU (R) @ 3 GHz, avx2, 2 of 4 cores');
    expect(text.split('\n').slice(-5)).toEqual([
      '        ms (min, max)  GFLOP/s  of roof',
      'ours      2 (1, 1235)       50     25 %',
      'theirs    5 (1, 1235)',
      'ratio of the medians: 2.5',
      '',
    ]);
  });

  it('of a GPU says what its large product reaches, and is kept under its name', async () => {
    const gpu = { name: 'cuda (NVIDIA H200)', products: { bf16: 612_345 } };
    const onGpu = { ...report, machine: { ...report.machine, gpu } };
    expect(describeReport(onGpu)).toContain('\ncuda (NVIDIA H200): a large product, GFLOP/s: bf16 612345\n');
    const path = await saveReport(onGpu, join(folder.path, 'gpu'));
    expect(path).toMatch(/step-cuda-nvidia-h200-20260102T030405Z\.json$/);
  });

  it('of several things has the peer beside each', () => {
    const {
      name,
      msPerStep,
      peer,
      ratio,
      gflops: _,
      roof: __,
      ...head
    } = report as Extract<Report, { name: string }>;
    const alone = { name: 'alone', msPerStep };
    const text = describeReport({
      ...head,
      results: [{ name, msPerStep, peer: peer!, ratio: ratio! }, alone],
    });
    expect(text.split('\n').slice(-5)).toEqual([
      '       ms (min, max)  peer, ms (min, max)  ratio',
      'ours     2 (1, 1235)          5 (1, 1235)    2.5',
      'alone    2 (1, 1235)',
      'the peer is theirs',
      '',
    ]);
  });

  it('is kept under a name that says what, where and when, and replaces none', async () => {
    const path = await saveReport(report, join(folder.path, 'results'));
    expect(path).toBe(join(folder.path, 'results', 'step-some-cpu-r-3-ghz-20260102T030405Z.json'));
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report);
    await expect(saveReport(report, join(folder.path, 'results'))).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
    expect(existsSync(path)).toBe(true);
  });
});
