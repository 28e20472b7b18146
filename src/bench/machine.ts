// What a number was measured on: the machine, the state of the source code, and the machine's roof.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addon, type Precision } from '../native.js';
import { productRate } from './device.js';

/** The package's root: a checkout, or a folder of node_modules. */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Whether this is a checkout of the repository and not an installed package. */
export function isCheckout(): boolean {
  return existsSync(join(packageRoot, '.git'));
}

/** GFLOP/s in registers, on one thread and on all that are used. */
export interface Roof {
  oneThread: number;
  allThreads: number;
}

/** What a GPU reaches by the engine's own operations (device.ts). */
export interface Gpu {
  name: string;
  /** GFLOP/s of a large square product, by the dtype of its factors: of the precision that was asked for. */
  products: Record<string, number>;
}

export interface Machine {
  cpu: string;
  isa: string;
  /** That this process may use. */
  cores: number;
  /** Bytes. */
  memory: number;
  node: string;
  os: string;
  /** Of the CPU, by the dtype of the factors. */
  roofs: Record<string, Roof>;
  /** Where a GPU computes. */
  gpu?: Gpu;
}

/** Measures the roofs of the CPU and, where it is not what computes, of the device: some tenths of a second each. */
export async function describeMachine(
  device: string,
  deviceName: string,
  precision: Precision,
): Promise<Machine> {
  const { isa } = addon().deviceInfo();
  const giga = ({ oneThread, allThreads }: Roof): Roof => ({
    oneThread: oneThread / 1e9,
    allThreads: allThreads / 1e9,
  });
  const roofs = Object.entries(await addon().roofs()).map(([dtype, roof]) => [dtype, giga(roof)]);
  return {
    cpu: cpus()[0]?.model.trim() || process.arch,
    isa,
    cores: availableParallelism(),
    memory: totalmem(),
    node: process.version,
    os: `${type()} ${release()} ${process.arch}`,
    roofs: Object.fromEntries(roofs),
    ...(deviceName.startsWith('cpu')
      ? {}
      : { gpu: { name: deviceName, products: { [precision]: productRate(device, deviceName, precision) } } }),
  };
}

/**
 * The roof of products in a precision, GFLOP/s: on a GPU a large product's; on the CPU that of all threads in registers,
 * where 16 bits are storage only that of f32, and of f32-fast, whose products are three of bf16 each, a third of bf16's.
 */
export function roofOf({ roofs, gpu }: Machine, precision: Precision): number {
  if (gpu) return gpu.products[precision]!;
  if (precision === 'f32-fast' && roofs.bf16) return roofs.bf16.allThreads / 3;
  return (roofs[precision] ?? roofs.f32!).allThreads;
}

/** The commit that is checked out, with `-dirty` where files differ from it; undefined outside of a checkout. */
export function commit(): string | undefined {
  if (!isCheckout()) return undefined;
  try {
    const args = ['describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'];
    return execFileSync('git', ['-C', packageRoot, ...args], { encoding: 'utf8' }).trim();
  } catch {
    return undefined; // no git on this machine
  }
}
