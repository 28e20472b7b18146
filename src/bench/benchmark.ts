// What a benchmark is, what it is given, and what it says.
import { WhisperError } from '../errors.js';
import { findSizes } from '../model/sizes.js';
import {
  addon,
  type NativeDims,
  type NativeModel,
  type NativeTrainingOptions,
  type Precision,
} from '../native.js';
import { type Machine, roofOf } from './machine.js';
import { type Clock, type Spread, spreadOf, type Turn, takeTurns } from './measure.js';
import { type Peer, startPeer } from './peer.js';

/** What a benchmark may be asked for. Each has some of them, with defaults of its own. */
export interface Settings {
  /** A released model by name, or a folder; only its sizes are used, as weights are random. */
  model: string;
  device: string;
  precision: Precision;
  /** Rows at a time. */
  batch: number;
  /** Tokens of each row. */
  labels: number;
  /** Only what has this text in its name. */
  only: string;
  /** Which blocks of a training step are computed again. */
  checkpointing: NonNullable<NativeTrainingOptions['checkpointing']>;
  optimizer: NonNullable<NativeTrainingOptions['optimizer']>;
}

/** How a peer does the work, where it has a choice. */
export interface PeerOptions {
  /** Compile each layer of the model (torch.compile). */
  compile?: boolean;
  /** The implementation of scaled-dot-product attention; PyTorch's choice where nothing is said. */
  sdpa?: 'flash' | 'cudnn' | 'efficient' | 'math' | undefined;
}

/** How a benchmark is run. */
export interface Bench extends Settings {
  dims: NativeDims;
  machine: Machine;
  threads: number;
  /** As the back end says it: `cpu (avx2, 2 threads)`, `cuda (NVIDIA H200)`. */
  deviceName: string;
  clock: Clock;
  /** Counted turns of everyone. */
  rounds: number;
  /** A Python for the peer. */
  peer?: string | undefined;
  peerOptions: PeerOptions;
  signal?: AbortSignal | undefined;
  /** Something to know about the result. */
  notice(message: string): void;
  /** What is being measured now. */
  progress(message: string): void;
}

/** What was measured of one side. Fields that mean nothing for the work are left out. */
export interface Measured {
  name: string;
  msPerStep: Spread;
  /** CPU time of all threads, in milliseconds: what other programs hardly disturb. */
  cpuMs?: number;
  samplesPerSecond?: number;
  tokensPerSecond?: number;
  /** Of one more token in every row, without the encoder. */
  msPerToken?: number;
  /** Seconds of audio in a second. */
  realTimeFactor?: number;
  gflops?: number;
  gigabytesPerSecond?: number;
  /** Held by tensors on the device at the most. */
  peakBytes?: number;
  /** The most by which the process's resident memory grew. */
  residentBytes?: number;
}

/** Ours, with what it is beside. */
export interface Result extends Measured {
  /** GFLOP/s that the device's arithmetic reaches in this precision: machine.ts. */
  roof?: number;
  /** The rate, as a multiple of that of the training step. */
  timesTrainingStep?: number;
  peer?: Measured;
  /** The peer's median over ours: how many times as fast we are. */
  ratio?: number;
}

export interface Benchmark {
  name: string;
  summary: string;
  /** The settings it has, and what they are where nothing is said. */
  defaults: Partial<Settings>;
  /** The script in bench/peers that does the same. */
  peer: string;
  /** One result, or a table of them. */
  measure(bench: Bench): Promise<Result | Result[]>;
}

/** Ours beside the peer's. */
export function beside(ours: Result, peer: Measured | undefined): Result {
  if (!peer) return ours;
  return { ...ours, peer, ratio: peer.msPerStep.median / ours.msPerStep.median };
}

/** GFLOP/s, and the roof that they are under. */
export function rateOf(flops: number, { median }: Spread, bench: Bench): { gflops: number; roof: number } {
  return { gflops: flops / median / 1e6, roof: roofOf(bench.machine, bench.precision) };
}

/** Those with the text of `only` in their names. */
export function wanted<T extends { name: string }>({ only }: Bench, things: readonly T[]): T[] {
  return things.filter(({ name }) => name.includes(only));
}

/** @throws WhisperError `ERR_INVALID_ARGUMENT` when there are none */
export function checkWanted(bench: Bench, things: readonly { name: string }[]): void {
  if (wanted(bench, things).length > 0) return;
  const kinds = [...new Set(things.map(({ name }) => name.split(/[ ,]/)[0]))].join(', ');
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `--only must be part of a name (they begin with ${kinds}), got ${JSON.stringify(bench.only)}`,
  );
}

/** Sizes of the model asked for. */
export async function sizesOf(model: string): Promise<NativeDims> {
  return (await findSizes(model)).dims;
}

/** A model of these sizes with random weights, for as long as `use` takes. */
export async function withRandomModel<T>(
  { device, dims, precision }: Bench,
  trainable: boolean,
  use: (model: NativeModel) => Promise<T>,
): Promise<T> {
  const model = await addon().openModel(device, dims, precision, trainable);
  try {
    await model.initialise('hf', 1);
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** Where a peer computes: on the same GPU, and on the CPU beside the engine's CPU and beside the emulator. */
export function peerDevice({ device, deviceName }: Pick<Bench, 'device' | 'deviceName'>): string {
  if (!deviceName.startsWith('cuda (')) return 'cpu';
  return device === 'auto' ? 'cuda' : device;
}

/** The peer that was asked for, for as long as `use` takes. */
export async function withPeer<T>(
  bench: Bench,
  script: string,
  settings: object,
  use: (peer: Peer | undefined) => Promise<T>,
): Promise<T> {
  const { peer: python, threads, peerOptions } = bench;
  if (python === undefined) return use(undefined);
  const peer = await startPeer(python, script, {
    ...{ compile: false, checkpointing: 'none', ...peerOptions },
    ...settings,
    ...{ threads, device: peerDevice(bench) },
  });
  try {
    return await use(peer);
  } finally {
    await peer.close();
  }
}

/** The times of our turns and of the peer's, all interleaved. */
export async function interleave(
  bench: Bench,
  what: string,
  ours: readonly Turn[],
  peers: readonly Turn[],
): Promise<Spread[]> {
  const { rounds, signal, progress } = bench;
  const onRound = (round: number) =>
    progress(`${what}: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`);
  return (await takeTurns([...ours, ...peers], { rounds, signal, onRound })).map(spreadOf);
}
