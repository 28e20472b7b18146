// Types of the build's scripts, which are plain JavaScript, as far as the tests use them.

declare module '*/cuda/toolkit.mjs' {
  export interface Architecture {
    name: string;
    ptx: boolean;
  }
  export interface Toolkit {
    nvcc: string;
    version: string;
    runtime: string;
    architectures: Architecture[];
  }
  export function cudaToolkit(env: Record<string, string | undefined>): Toolkit | undefined;
  export function parseArchitectures(text: string, known: Set<number>): Architecture[];
}

declare module '*/cuda/registers.mjs' {
  export interface Kernel {
    source: string;
    name: string;
    architecture: string;
    registers: number;
    spilled: number;
  }
  export interface Allowance {
    source: string;
    kernel: string;
    architecture: string;
    bytes: number;
    reason: string;
  }
  export function kernelsOf(source: string, log: string): Kernel[];
  export function complaints(compiled: { source: string; log: string }[], allowances: Allowance[]): string[];
}

declare module '*/build-cuda.mjs' {
  import type { Architecture } from '*/cuda/toolkit.mjs';
  export interface Unit {
    source: string;
    object: string;
    flags: string[];
  }
  export function unitsOf(lists: Record<string, string[]>, architectures: Architecture[]): Unit[];
  export function conformanceUnits(lists: Record<string, string[]>, architectures: Architecture[]): Unit[];
  export function jobsOf(env: Record<string, string | undefined>): number;
}
