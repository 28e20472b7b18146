// Timing single operations of native/ops.def, each beside the same one of the peer.
import { addon, type NativeOpTimes } from '../native.js';
import {
  type Bench,
  beside,
  checkWanted,
  interleave,
  type Measured,
  type Result,
  wanted,
  withPeer,
} from './benchmark.js';
import { roofOf } from './machine.js';
import type { Spread } from './measure.js';
import type { Peer } from './peer.js';

/** An operation on operands of certain sizes. */
export interface Operation {
  name: string;
  /** What it computes, where arithmetic is what takes time … */
  flops?: number;
  /** … and what it has to read and to write, where memory is. */
  bytes?: number;
  /** What a peer is told to do, which it times itself; absent where it has nothing like it. */
  peer?: Record<string, string | number | boolean>;
  /** Makes the operands, and returns what runs it on them. */
  prepare(): (times: NativeOpTimes) => Float64Array;
}

/** A turn repeats an operation for about so many milliseconds, but not more often than that. */
const TURN = 100;
const MOST_REPEATS = 50;
/** On a GPU calls are queued in a row for about so many milliseconds, beside which the wait for them is nothing. */
const QUEUED = 10;
const MOST_CALLS = 100;

/**
 * Times every operation whose name has the text of `only` in it.
 *
 * @param script of the peer, which is sent an operation's `peer` with `repeats` and `calls` (addon().opTimes) as JSON
 */
export async function measureOperations(
  bench: Bench,
  operations: readonly Operation[],
  script: string,
  settings: object,
): Promise<Result[]> {
  checkWanted(bench, operations);
  return withPeer(bench, script, settings, async (peer) => {
    const results: Result[] = [];
    for (const operation of wanted(bench, operations))
      results.push(await measureOperation(bench, operation, peer));
    return results;
  });
}

/** Times an operation, beside the peer where that has the same. */
export async function measureOperation(
  bench: Bench,
  operation: Operation,
  peer: Peer | undefined,
): Promise<Result> {
  const { device, deviceName } = bench;
  const fast = bench.precision === 'f32-fast';
  const run = operation.prepare();
  const once = run(addon().opTimes(device, 1, 1, fast))[0]!;
  const calls = deviceName.startsWith('cpu') ? 1 : within(MOST_CALLS, QUEUED / once);
  const repeats = within(MOST_REPEATS, TURN / (once * calls));
  const times = addon().opTimes(device, repeats, calls, fast);
  const asked = peer && operation.peer;
  const command = JSON.stringify({ ...operation.peer, repeats, calls });
  const [ours, theirs] = await interleave(
    bench,
    operation.name,
    [async () => [...run(times)]],
    asked ? [() => peer.turn(command)] : [],
  );
  const roof = operation.flops === undefined ? {} : { roof: roofOf(bench.machine, bench.precision) };
  return beside(
    { ...measured(operation.name, operation, ours!), ...roof },
    asked && measured(peer.name, operation, theirs!),
  );
}

/** The nearest whole number from 1 to `most`. */
function within(most: number, x: number): number {
  return Math.max(1, Math.min(most, Math.round(x)));
}

function measured(name: string, { flops, bytes }: Operation, msPerStep: Spread): Measured {
  return {
    name,
    msPerStep,
    ...(flops === undefined ? {} : { gflops: flops / msPerStep.median / 1e6 }),
    ...(bytes === undefined ? {} : { gigabytesPerSecond: bytes / msPerStep.median / 1e6 }),
  };
}
