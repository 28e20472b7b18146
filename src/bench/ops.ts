// The operations that a training step of a model spends its time in, at that model's shapes.
import type { NativeDims, Precision } from '../native.js';
import type { Bench, Benchmark } from './benchmark.js';
import { attention as attentionFlops } from './flops.js';
import { measureOperations, type Operation } from './operations.js';
import { integers, operand } from './random.js';

export const ops: Benchmark = {
  name: 'ops',
  summary: 'products, attention, classifier, layer norm and GELU at the shapes of a training step',
  defaults: { model: 'tiny', device: 'cpu', precision: 'f32', batch: 1, labels: 448, only: '' },
  peer: 'ops.py',
  measure: (bench) => measureOperations(bench, operationsOf(bench), 'ops.py', { precision: bench.precision }),
};

/** Rows of a decoding step: those of a batch that is transcribed together. */
const DECODED = 8;

export function operationsOf({ dims, precision, batch, labels }: Bench): Operation[] {
  const { width, encoderFfn, source, encoderHeads, decoderHeads, vocab } = dims;
  const rows = batch * source;
  const attend = (time: number, keys: number, heads: number, more: Partial<Attention> = {}) =>
    attention(precision, { batch, time, keys, heads, width, causal: false, dropout: 0, ...more });
  return [
    ...[
      [rows, width, width],
      [rows, encoderFfn, width],
      [rows, width, encoderFfn],
      [batch * labels, width, width],
    ].flatMap(([m, n, k]) => product(precision, m!, n!, k!)),
    ...linearGelu(precision, rows, encoderFfn, width),
    ...[width, vocab].map((n) => forward(precision, DECODED, n, width)),
    ...attend(source, source, encoderHeads),
    ...attend(source, source, encoderHeads, { dropout: 0.1 }),
    ...attend(labels, labels, decoderHeads, { causal: true }),
    ...attend(labels, source, decoderHeads),
    attention(precision, {
      ...{ batch: DECODED, time: 1, keys: source, heads: decoderHeads, width, causal: false, dropout: 0 },
    })[0]!,
    classifier(precision, dims, batch * labels),
    ...layerNorm(precision, rows, width),
    ...gelu(precision, rows, encoderFfn),
  ];
}

/** y [m, n] = x [m, k] · Wᵀ + b. */
function forward(precision: Precision, m: number, n: number, k: number): Operation {
  return {
    name: `linear ${m}×${n}×${k}`,
    flops: 2 * m * n * k,
    peer: { op: 'linear', m, n, k },
    prepare: () => {
      const stored = (...shape: number[]) => operand(shape, precision);
      const operands = [stored(m, n), stored(m, k), stored(n, k), operand([n])];
      return (times) => times.linear!(...operands);
    },
  };
}

/** With the gradients of both factors, each alone, and that of the bias beside the weight's. */
function product(precision: Precision, m: number, n: number, k: number): Operation[] {
  const name = `linear ${m}×${n}×${k}`;
  const stored = (...shape: number[]) => operand(shape, precision);
  const factors = () => [stored(m, n), stored(m, k), stored(n, k)];
  return [
    forward(precision, m, n, k),
    {
      name: `${name} dx`,
      flops: 2 * m * n * k,
      peer: { op: 'linear', gradient: 'x', m, n, k },
      prepare: () => {
        const operands = [stored(m, k), null, null, ...factors()];
        return (times) => times.linearBackward!(...operands, false);
      },
    },
    {
      name: `${name} dweight`,
      flops: 2 * m * n * k,
      peer: { op: 'linear', gradient: 'weight', m, n, k },
      prepare: () => {
        const operands = [null, operand([n, k]), null, ...factors()];
        return (times) => times.linearBackward!(...operands, false);
      },
    },
    {
      name: `${name} dweight dbias`,
      flops: 2 * m * n * k,
      peer: { op: 'linear', gradient: 'weight, bias', m, n, k },
      prepare: () => {
        const operands = [null, operand([n, k]), operand([n]), ...factors()];
        return (times) => times.linearBackward!(...operands, false);
      },
    },
  ];
}

/** The first layer of an MLP with its GELU, and the way back to it from the gradient of the second layer. */
function linearGelu(precision: Precision, rows: number, ffn: number, width: number): Operation[] {
  const stored = (...shape: number[]) => operand(shape, precision);
  const sizes = { flops: 2 * rows * ffn * width, name: `linear-gelu ${rows}×${ffn}×${width}` };
  return [
    {
      ...sizes,
      peer: { op: 'linear_gelu', rows, ffn, width },
      prepare: () => {
        const outputs = [stored(rows, ffn), stored(rows, ffn)];
        const operands = [...outputs, stored(rows, width), stored(ffn, width), operand([ffn])];
        return (times) => times.linearGelu!(...operands);
      },
    },
    {
      ...sizes,
      name: `${sizes.name} backward`,
      peer: { op: 'gelu_linear', gradient: 'x', rows, ffn, width },
      prepare: () => {
        const operands = [stored(rows, ffn), stored(rows, width), stored(width, ffn), stored(rows, ffn)];
        return (times) => times.linearGeluBackward!(...operands);
      },
    },
  ];
}

interface Attention {
  batch: number;
  /** Of queries. */
  time: number;
  keys: number;
  heads: number;
  width: number;
  causal: boolean;
  dropout: number;
}

/** All heads, forward and backward. What backward computes again is not counted. */
function attention(precision: Precision, sizes: Attention): Operation[] {
  const { batch, time, keys, heads, width, causal } = sizes;
  const dropout = { rate: sizes.dropout, key: 1, stream: 2 };
  const flops = batch * attentionFlops(time, keys, width) * (causal ? 0.5 : 1);
  const more = `${causal ? ' causal' : ''}${sizes.dropout > 0 ? ` dropout ${sizes.dropout}` : ''}`;
  const name = `attention ${batch}×${heads} heads ${time}×${keys}×${width / heads}${more}`;
  const stored = (length: number) => operand([batch, length, width], precision);
  const inputs = () => [stored(time), stored(keys), stored(keys)];
  const lse = () => operand([batch, heads, time]);
  return [
    {
      name,
      flops,
      peer: { op: 'attention', ...sizes },
      prepare: () => {
        const operands = [stored(time), lse(), ...inputs()];
        return (times) => times.attention!(...operands, heads, causal, dropout);
      },
    },
    {
      name: `${name} backward`,
      flops: 2 * flops,
      peer: { op: 'attention', gradient: 'all', ...sizes },
      prepare: () => {
        const gradients = [stored(time), stored(keys), stored(keys)];
        const operands = [...gradients, stored(time), ...inputs(), stored(time), lse()];
        return (times) => times.attentionBackward!(...operands, heads, causal, dropout);
      },
    },
  ];
}

/** Loss and both gradients. */
function classifier(precision: Precision, { vocab, width }: NativeDims, rows: number): Operation {
  return {
    name: `classifier ${rows}×${vocab}×${width}`,
    flops: 6 * rows * vocab * width,
    peer: { op: 'classifier', rows, vocab, width },
    prepare: () => {
      const stored = (...shape: number[]) => operand(shape, precision);
      const labels = { data: integers(rows, vocab), shape: [rows] };
      const outputs = [operand([rows]), stored(rows, width), operand([vocab, width])];
      const operands = [...outputs, stored(rows, width), labels, stored(vocab, width)];
      return (times) => times.classifier!(...operands, 1 / rows, 0);
    },
  };
}

/** Of the residual stream, which is f32. */
function layerNorm(precision: Precision, rows: number, width: number): Operation[] {
  const x = () => operand([rows, width]);
  const y = () => operand([rows, width], precision);
  const [perRow, perColumn] = [() => operand([rows]), () => operand([width])];
  return [
    {
      name: `layernorm ${rows}×${width}`,
      bytes: rows * width * (4 + bytesOf(precision)),
      peer: { op: 'layernorm', rows, width },
      prepare: () => {
        const operands = [y(), perRow(), perRow(), x(), perColumn(), perColumn()];
        return (times) => times.layernorm!(...operands);
      },
    },
    {
      name: `layernorm ${rows}×${width} backward`,
      bytes: rows * width * (8 + 4 + bytesOf(precision)), // dx is added to
      peer: { op: 'layernorm', gradient: 'all', rows, width },
      prepare: () => {
        const gradients = [x(), perColumn(), perColumn()];
        const operands = [...gradients, y(), x(), perRow(), perRow(), perColumn()];
        return (times) => times.layernormBackward!(...operands);
      },
    },
  ];
}

function gelu(precision: Precision, rows: number, width: number): Operation[] {
  const stored = () => operand([rows, width], precision);
  return [
    {
      name: `gelu ${rows}×${width}`,
      bytes: 2 * rows * width * bytesOf(precision),
      peer: { op: 'gelu', rows, width },
      prepare: () => {
        const operands = [stored(), stored()];
        return (times) => times.gelu!(...operands);
      },
    },
    {
      name: `gelu ${rows}×${width} backward`,
      bytes: 3 * rows * width * bytesOf(precision),
      peer: { op: 'gelu', gradient: 'all', rows, width },
      prepare: () => {
        const operands = [stored(), stored(), stored()];
        return (times) => times.geluBackward!(...operands);
      },
    },
  ];
}

function bytesOf(precision: Precision): number {
  return precision === 'f16' || precision === 'bf16' ? 2 : 4;
}
