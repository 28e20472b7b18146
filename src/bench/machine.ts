// What a number was measured on: the machine, the state of the source code, and the machine's roof.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addon, type Precision } from '../native.js';

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

export interface Machine {
  cpu: string;
  isa: string;
  /** That this process may use. */
  cores: number;
  /** Bytes. */
  memory: number;
  node: string;
  os: string;
  /** By the dtype of the factors. */
  roofs: Record<string, Roof>;
}

/** Measures the roofs, which takes some tenths of a second. */
export async function describeMachine(): Promise<Machine> {
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
  };
}

/**
 * The roof of products in a precision, GFLOP/s on all threads: where 16 bits are storage only that of f32, and of f32-fast,
 * whose products are three of bf16 each, a third of bf16's.
 */
export function roofOf({ roofs }: Machine, precision: Precision): number {
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
