// Adafactor in float64, as transformers' Adafactor with scale_parameter=False and relative_step=False (optimization.py).

export interface AdafactorStep {
  lr: number;
  decay: number;
  decayRate: number;
  eps: number;
  clipThreshold: number;
  /** 1 for the first step */
  t: number;
}

type Operand = 'value' | 'row' | 'column' | 'grad' | 'scale';

/** `row` is not looked at, and comes back empty, for a vector. */
export function adafactor(
  { value, row, column, grad, scale }: Record<Operand, Float64Array>,
  shape: number[],
  { lr, decay, decayRate, eps, clipThreshold, t }: AdafactorStep,
) {
  const width = shape.at(-1)!;
  const height = shape.length >= 2 ? shape.at(-2)! : 1;
  const beta2 = 1 - t ** decayRate;
  const g = grad.map((x) => x * scale[0]!);
  const u = g.map((x) => x * x + eps);
  const average = (before: Float64Array, means: Float64Array) =>
    before.map((x, i) => beta2 * x + (1 - beta2) * means[i]!);

  const rowMeans = new Float64Array(shape.length >= 2 ? u.length / width : 0);
  const columnMeans = new Float64Array(u.length / height);
  for (const [i, x] of u.entries()) {
    if (rowMeans.length > 0) rowMeans[Math.floor(i / width)]! += x / width;
    columnMeans[Math.floor(i / (height * width)) * width + (i % width)]! += x / height;
  }
  const newRow = average(row.subarray(0, rowMeans.length), rowMeans);
  const newColumn = average(column, columnMeans);

  const update = g.map((x, i) => {
    const r = Math.floor(i / width);
    const matrix = Math.floor(r / height);
    const rows = newRow.subarray(matrix * height, (matrix + 1) * height);
    const mean = rows.reduce((sum, v) => sum + v, 0) / height;
    const fromRow = rows.length > 0 ? Math.sqrt(newRow[r]! / mean) : 1;
    return x / fromRow / Math.sqrt(newColumn[matrix * width + (i % width)]!);
  });
  const rms = Math.sqrt(update.reduce((sum, x) => sum + x * x, 0) / update.length);
  const clip = Math.max(1, rms / clipThreshold);
  return {
    value: value.map((p, i) => p - lr * decay * p - (lr * update[i]!) / clip),
    row: newRow,
    column: newColumn,
  };
}
