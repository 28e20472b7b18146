// Layer normalisation in float64 (Ba et al., arXiv:1607.06450).

export function layernorm(x: Float64Array, weight: Float64Array, bias: Float64Array, eps = 1e-5) {
  const width = weight.length;
  const rows = x.length / width;
  const y = new Float64Array(x.length);
  const mean = new Float64Array(rows);
  const rstd = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * width, (r + 1) * width);
    mean[r] = row.reduce((sum, v) => sum + v, 0) / width;
    rstd[r] = 1 / Math.sqrt(row.reduce((sum, v) => sum + (v - mean[r]!) ** 2, 0) / width + eps);
    for (let i = 0; i < width; i++)
      y[r * width + i] = (row[i]! - mean[r]!) * rstd[r]! * weight[i]! + bias[i]!;
  }
  return { y, mean, rstd };
}

export function layernormBackward(
  dy: Float64Array,
  x: Float64Array,
  mean: Float64Array,
  rstd: Float64Array,
  weight: Float64Array,
) {
  const width = weight.length;
  const dx = new Float64Array(x.length);
  const dweight = new Float64Array(width);
  const dbias = new Float64Array(width);
  for (let r = 0; r < mean.length; r++) {
    const at = r * width;
    const normalised = x.subarray(at, at + width).map((v) => (v - mean[r]!) * rstd[r]!);
    const g = dy.subarray(at, at + width).map((v, i) => v * weight[i]!);
    const a = g.reduce((sum, v) => sum + v, 0) / width;
    const b = g.reduce((sum, v, i) => sum + v * normalised[i]!, 0) / width;
    for (let i = 0; i < width; i++) {
      dx[at + i] = rstd[r]! * (g[i]! - a - normalised[i]! * b);
      dweight[i]! += dy[at + i]! * normalised[i]!;
      dbias[i]! += dy[at + i]!;
    }
  }
  return { dx, dweight, dbias };
}
