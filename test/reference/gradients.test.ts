// The references' gradients against numerical ones, so that a formula is not wrong twice.
import { describe, expect, it } from 'vitest';
import { expectWithin, numericalGradient } from '../helpers/compare.js';
import { randint, randn } from '../helpers/ops.js';
import { attention, attentionBackward } from './attention.js';
import { classifier } from './classifier.js';
import { embed, embedBackward } from './embed.js';
import { gelu, geluBackward, integral } from './gelu.js';
import { layernorm, layernormBackward } from './layernorm.js';
import { fold, linear, linearBackward, unfold } from './linear.js';
import { dropoutFactors } from './philox.js';

const noise = (n: number, seed: number) => Float64Array.from(randn(n, seed));
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

function expectGradient(name: string, actual: Float64Array, loss: () => number, x: Float64Array): void {
  const expected = numericalGradient(loss, x);
  const scale = Math.max(1, ...expected.map(Math.abs));
  expectWithin(name, actual, expected, new Float64Array(x.length).fill(1e-8 * scale));
}

describe('the gradient of', () => {
  it('layernorm', () => {
    const [rows, width] = [3, 7];
    const [x, weight, bias, dy] = [
      noise(rows * width, 1),
      noise(width, 2),
      noise(width, 3),
      noise(rows * width, 4),
    ];
    const { mean, rstd } = layernorm(x, weight, bias);
    const d = layernormBackward(dy, x, mean, rstd, weight);
    const loss = () => dot(layernorm(x, weight, bias).y, dy);
    expectGradient('dx', d.dx, loss, x);
    expectGradient('dweight', d.dweight, loss, weight);
    expectGradient('dbias', d.dbias, loss, bias);
  });

  it('gelu', () => {
    const [x, dy] = [noise(40, 1).map((v) => 3 * v), noise(40, 2)];
    expectGradient('dx', geluBackward(dy, x), () => dot(gelu(x), dy), x);
  });

  it('linear', () => {
    const [m, n, k] = [4, 3, 5];
    const [x, weight, bias, dy] = [noise(m * k, 1), noise(n * k, 2), noise(n, 3), noise(m * n, 4)];
    const d = linearBackward(dy, x, weight, n);
    const loss = () => dot(linear(x, weight, bias, k), dy);
    expectGradient('dx', d.dx, loss, x);
    expectGradient('dweight', d.dweight, loss, weight);
    expectGradient('dbias', d.dbias, loss, bias);
  });

  it.each([1, 2])('the windows of a convolution of stride %i', (stride) => {
    const [batch, time, width] = [2, 8, 3];
    const x = noise(batch * time * width, 1);
    const dwindows = noise(unfold(x, batch, time, width, stride).length, 2);
    const loss = () => dot(unfold(x, batch, time, width, stride), dwindows);
    expectGradient('dx', fold(dwindows, batch, time, width, stride), loss, x);
  });

  it.each([
    [false, 0],
    [true, 0],
    [false, 0.4],
    [true, 0.4],
  ])('attention, causal: %s, dropout: %f', (causal, rate) => {
    const factors = dropoutFactors({ rate, key: 1, stream: 2 }, 2 * 2 * 3 * 5);
    const shape = { batch: 2, time: 3, source: 5, width: 6, heads: 2, causal, factors };
    const [q, k, v, d_o] = [noise(36, 1), noise(60, 2), noise(60, 3), noise(36, 4)];
    const d = attentionBackward({ d_o, q, k, v, ...attention(q, k, v, shape) }, shape);
    const loss = () => dot(attention(q, k, v, shape).o, d_o);
    expectGradient('dq', d.dq, loss, q);
    expectGradient('dk', d.dk, loss, k);
    expectGradient('dv', d.dv, loss, v);
  });

  it.each([0, 0.1])('classifier, smoothing %f', (smoothing) => {
    const [rows, width, vocab] = [4, 3, 6];
    const [x, weight] = [noise(rows * width, 1), noise(vocab * width, 2)];
    const labels = Int32Array.from([0, -100, 5, 2]);
    const options = { scale: 0.5, smoothing };
    const d = classifier(x, weight, labels, options);
    const loss = () => 0.5 * classifier(x, weight, labels, options).loss.reduce((a, b) => a + b, 0);
    expectGradient('dx', d.dx, loss, x);
    expectGradient('dweight', d.dweight, loss, weight);
  });

  it('embed', () => {
    const [time, width, vocab] = [3, 2, 5];
    const tokens = randint(2 * time, 1, vocab);
    const [table, positions, dy] = [
      noise(vocab * width, 2),
      noise(time * width, 3),
      noise(2 * time * width, 4),
    ];
    const d = embedBackward(dy, tokens, { time, width, vocab, padding: -1 });
    const loss = () => dot(embed(table, positions, tokens, { time, width, first: 0 }), dy);
    expectGradient('dtable', d.dtable, loss, table);
    expectGradient('dpositions', d.dpositions, loss, positions);
  });
});

it('the normal integral has its known values, to the last digits in the tail', () => {
  const known = [
    [0, 0.5],
    [1, 0.8413447460685429],
    [-1, 0.15865525393145705],
    [-1.9, 0.028716559816001807],
    [-2.1, 0.017864420562816553],
    [-10, 7.61985302416053e-24],
  ] as const;
  for (const [x, value] of known) expect(Math.abs(integral(x) / value - 1), `Φ(${x})`).toBeLessThan(1e-12);
});
