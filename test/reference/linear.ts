// A linear layer, and the windows of a convolution, in float64.

/** y = x·Wᵀ + b, x [m, k], W [n, k]. */
export function linear(
  x: Float64Array,
  weight: Float64Array,
  bias: Float64Array | null,
  k: number,
): Float64Array {
  const m = x.length / k;
  const n = weight.length / k;
  const y = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = bias ? bias[j]! : 0;
      for (let l = 0; l < k; l++) sum += x[i * k + l]! * weight[j * k + l]!;
      y[i * n + j] = sum;
    }
  }
  return y;
}

/** dx = dy·W, dweight = dyᵀ·x, dbias = Σ dy, for dy [m, n]. */
export function linearBackward(dy: Float64Array, x: Float64Array, weight: Float64Array, n: number) {
  const m = dy.length / n;
  const k = weight.length / n;
  const dx = new Float64Array(m * k);
  const dweight = new Float64Array(n * k);
  const dbias = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const g = dy[i * n + j]!;
      dbias[j]! += g;
      for (let l = 0; l < k; l++) {
        dx[i * k + l]! += g * weight[j * k + l]!;
        dweight[j * k + l]! += g * x[i * k + l]!;
      }
    }
  }
  return { dx, dweight, dbias };
}

/** Windows of three rows from every `stride`-th row: x [batch, time, width] -> [batch, count, 3·width]. */
export function unfold(
  x: Float64Array,
  batch: number,
  time: number,
  width: number,
  stride: number,
): Float64Array {
  const count = Math.floor((time - 3) / stride) + 1;
  const windows = new Float64Array(batch * count * 3 * width);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < count; t++) {
      const from = (b * time + t * stride) * width;
      windows.set(x.subarray(from, from + 3 * width), (b * count + t) * 3 * width);
    }
  }
  return windows;
}

/** The gradient of `unfold`. */
export function fold(
  windows: Float64Array,
  batch: number,
  time: number,
  width: number,
  stride: number,
): Float64Array {
  const count = windows.length / (batch * 3 * width);
  const dx = new Float64Array(batch * time * width);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < count; t++) {
      for (let i = 0; i < 3 * width; i++) {
        dx[(b * time + t * stride) * width + i]! += windows[(b * count + t) * 3 * width + i]!;
      }
    }
  }
  return dx;
}
