// One step of each optimizer over one matrix of random parameters, more of them than caches hold.
import type { NativeOperand, Precision } from '../native.js';
import type { Benchmark } from './benchmark.js';
import { measureOperations, type Operation } from './operations.js';
import { operand, uniform } from './random.js';

const ROWS = 16384;
const WIDTH = 1024;
const SIZE = ROWS * WIDTH;
/** Elements that share an absmax. */
const BLOCK = 256;

export const optimizer: Benchmark = {
  name: 'optimizer',
  summary: `a step of each optimizer over ${SIZE.toLocaleString('en')} parameters`,
  defaults: { device: 'cpu', precision: 'f32', only: '' },
  peer: 'optimizer.py',
  measure: (bench) =>
    measureOperations(bench, optimizers(bench.precision), 'optimizer.py', { rows: ROWS, width: WIDTH }),
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

/** Each reads the gradient (4 bytes of a parameter), reads and writes the value (8), and writes the copy of 16 bits (2). */
function optimizers(precision: Precision): Operation[] {
  const narrow = precision === 'f16' || precision === 'bf16';
  const copy = () => (narrow ? operand([ROWS, WIDTH], precision) : null);
  const common = narrow ? 4 + 8 + 2 : 4 + 8;
  return [
    {
      name: 'adamw_torch',
      bytes: SIZE * (common + 16), // reads and writes two moments of f32
      peer: { optimizer: 'adamw' },
      prepare: () => {
        const secondMoment = { ...positive(SIZE, 1e-6), shape: [ROWS, WIDTH] };
        const into = copy();
        const operands = [weights(), matrix(1e-3), secondMoment, gradient(), scale()];
        return (times) => times.adamw!(...operands, adamw, into);
      },
    },
    {
      name: 'adamw_bnb_8bit',
      bytes: SIZE * (common + 4 + 16 / BLOCK), // two codes, and an absmax of each in every block
      prepare: () => {
        const absmax = [positive(SIZE / BLOCK, 1e-3), positive(SIZE / BLOCK, 1e-6)];
        const into = copy();
        const operands = [weights(), codes(), codes(), ...absmax, gradient(), scale()];
        return (times) => times.adamw8bit!(...operands, adamw, false, into);
      },
    },
    {
      name: 'adafactor',
      bytes: SIZE * (common + 2 * 4), // reads the gradient twice more; its moments are of rows and columns
      prepare: () => {
        const into = copy();
        const operands = [weights(), positive(ROWS, 1e-6), positive(WIDTH, 1e-6), gradient(), scale()];
        return (times) => times.adafactor!(...operands, { lr: 1e-5, t: 10 }, into);
      },
    },
    {
      name: 'sgd',
      bytes: SIZE * common,
      peer: { optimizer: 'sgd' },
      prepare: () => {
        const into = copy();
        const operands = [weights(), gradient(), scale()];
        return (times) => times.sgd!(...operands, 1e-5, 0.01, into);
      },
    },
  ];
}
