// The benchmarks, by name, and running one.
import { WhisperError } from '../errors.js';
import { addon } from '../native.js';
import { type Bench, type Benchmark, type Result, type Settings, sizesOf } from './benchmark.js';
import { data } from './data.js';
import { decode } from './decode.js';
import { encode } from './encode.js';
import { commit, describeMachine, type Machine } from './machine.js';
import { type Clock, clockOf } from './measure.js';
import { ops } from './ops.js';
import { optimizer } from './optimizer.js';
import { step } from './step.js';

export const benchmarks: readonly Benchmark[] = [step, encode, decode, ops, optimizer, data];

/** What a benchmark found, and under what circumstances: what `--json` prints. */
export type Report = {
  benchmark: string;
  date: string;
  commit?: string;
  settings: Partial<Settings> & { threads: number; isa: string; rounds: number; clock: Clock };
  machine: Machine;
} & (Result | { results: Result[] });

export type RunOptions = Partial<Settings> &
  Pick<Bench, 'rounds' | 'peer' | 'peerOptions' | 'signal' | 'notice' | 'progress'>;

/**
 * Runs a benchmark on random data: one round to warm up and then `rounds` that count, in each of which everyone has a turn.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for settings that make no sense, a peer that fails, `ERR_FILE` for a model or
 *   a peer that is not there, `ERR_CANCELLED`
 */
export async function runBenchmark(benchmark: Benchmark, options: RunOptions): Promise<Report> {
  const { rounds, peer, peerOptions, signal, notice, progress, ...given } = options;
  const settings = { ...benchmark.defaults, ...given };
  const dims = await sizesOf(settings.model ?? 'tiny');
  if (given.labels !== undefined && given.labels > dims.target) {
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `--labels must be at most ${dims.target} (max_target_positions), got ${given.labels}`,
    );
  }
  if (settings.labels !== undefined) settings.labels = Math.min(settings.labels, dims.target);
  const { threads, isa } = addon().deviceInfo();
  const { device = 'cpu', precision = 'f32' } = settings;
  const deviceName = addon().ops(device).device;
  const clock = clockOf(deviceName, threads);
  const machine = await describeMachine(device, deviceName, precision);
  const bench: Bench = {
    ...{ model: 'tiny', batch: 1, labels: 1, only: '', checkpointing: 'none', optimizer: 'adamw_torch' },
    ...settings,
    ...{ device, precision, dims, machine, threads, deviceName, clock },
    ...{ rounds, peer, peerOptions, signal, notice, progress },
  };
  const date = new Date().toISOString();
  const measured = await benchmark.measure(bench);
  const state = commit();
  return {
    benchmark: benchmark.name,
    date,
    ...(state === undefined ? {} : { commit: state }),
    settings: { ...settings, threads, isa, rounds, clock },
    machine,
    ...(Array.isArray(measured) ? { results: measured } : measured),
  };
}
