// The tied projection with softmax cross-entropy and label smoothing, in float64 (torch.nn.functional.cross_entropy).
import { linear } from './linear.js';

/** x [rows, width], weight [vocab, width]; rows with a negative label have no loss and no gradient. */
export function classifier(
  x: Float64Array,
  weight: Float64Array,
  labels: Int32Array,
  { scale, smoothing }: { scale: number; smoothing: number },
) {
  const rows = labels.length;
  const width = x.length / rows;
  const vocab = weight.length / width;
  const logits = linear(x, weight, null, width);
  const loss = new Float64Array(rows);
  const dx = new Float64Array(x.length);
  const dweight = new Float64Array(weight.length);
  for (const [r, label] of labels.entries()) {
    if (label < 0) continue;
    const row = logits.subarray(r * vocab, (r + 1) * vocab);
    const top = row.reduce((a, b) => Math.max(a, b));
    const lse = top + Math.log(row.reduce((sum, l) => sum + Math.exp(l - top), 0));
    const mean = row.reduce((sum, l) => sum + l, 0) / vocab;
    loss[r] = lse - (1 - smoothing) * row[label]! - smoothing * mean;
    for (let n = 0; n < vocab; n++) {
      const target = (n === label ? 1 - smoothing : 0) + smoothing / vocab;
      const g = scale * (Math.exp(row[n]! - lse) - target);
      for (let d = 0; d < width; d++) {
        dx[r * width + d]! += g * weight[n * width + d]!;
        dweight[n * width + d]! += g * x[r * width + d]!;
      }
    }
  }
  return { loss, dx, dweight };
}
