// One step of each optimizer over one matrix of random parameters, more of them than caches hold.
import type { NativeOperand } from '../native.js';
import type { Benchmark } from './benchmark.js';
import { measureOperations, type Operation } from './operations.js';
import { uniform } from './random.js';

const ROWS = 16384;
const WIDTH = 1024;
const SIZE = ROWS * WIDTH;
/** Elements that share an absmax. */
const BLOCK = 256;

export const optimizer: Benchmark = {
  name: 'optimizer',
  summary: `a step of each optimizer over ${SIZE.toLocaleString('en')} parameters`,
  defaults: { device: 'cpu', only: '' },
  peer: 'optimizer.py',
  measure: (bench) => measureOperations(bench, OPTIMIZERS, 'optimizer.py', { rows: ROWS, width: WIDTH }),
};

const matrix = (scale: number): NativeOperand => ({ data: uniform(SIZE, scale), shape: [ROWS, WIDTH] });
const positive = (size: number, scale: number): NativeOperand => ({
  data: uniform(size, scale).map(Math.abs),
  shape: [size],
});
const codes = (): NativeOperand => ({
  data: Uint8Array.from({ length: SIZE }, () => Math.floor(256 * Math.random())),
  shape: [ROWS, WIDTH],
});
const gradient = () => matrix(1e-3);
const weights = () => matrix(0.05);
const scale = (): NativeOperand => ({ data: Float32Array.of(1), shape: [1] });
const adamw = { lr: 1e-5, decay: 0.01, t: 10 };

/** Bytes: each reads the gradient (4 of a parameter) and reads and writes the value (8). */
const OPTIMIZERS: readonly Operation[] = [
  {
    name: 'adamw_torch',
    bytes: SIZE * (4 + 8 + 16), // reads and writes two moments of f32
    peer: { optimizer: 'adamw' },
    prepare: () => {
      const secondMoment = { ...positive(SIZE, 1e-6), shape: [ROWS, WIDTH] };
      const operands = [weights(), matrix(1e-3), secondMoment, gradient(), scale()];
      return (times) => times.adamw!(...operands, adamw, null);
    },
  },
  {
    name: 'adamw_bnb_8bit',
    bytes: SIZE * (4 + 8 + 4 + 16 / BLOCK), // two codes, and an absmax of each in every block
    prepare: () => {
      const absmax = [positive(SIZE / BLOCK, 1e-3), positive(SIZE / BLOCK, 1e-6)];
      const operands = [weights(), codes(), codes(), ...absmax, gradient(), scale()];
      return (times) => times.adamw8bit!(...operands, adamw, false, null);
    },
  },
  {
    name: 'adafactor',
    bytes: SIZE * (3 * 4 + 8), // reads the gradient three times; its moments are of rows and columns
    prepare: () => {
      const operands = [weights(), positive(ROWS, 1e-6), positive(WIDTH, 1e-6), gradient(), scale()];
      return (times) => times.adafactor!(...operands, { lr: 1e-5, t: 10 }, null);
    },
  },
  {
    name: 'sgd',
    bytes: SIZE * (4 + 8),
    peer: { optimizer: 'sgd' },
    prepare: () => {
      const operands = [weights(), gradient(), scale()];
      return (times) => times.sgd!(...operands, 1e-5, 0.01, null);
    },
  },
];
