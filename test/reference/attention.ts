// Attention per head in float64, and its gradients from the output and the log-sum-exp (Dao et al., arXiv:2205.14135).

export interface AttentionShape {
  batch: number;
  time: number;
  source: number;
  width: number;
  heads: number;
  causal: boolean;
  /** What dropout multiplies the probabilities [batch, heads, time, source] by; nothing without it. */
  factors?: Float64Array | undefined;
}

/** Calls f with the positions of each head's query row, its keys that it sees, and its place in lse [batch, heads, time]. */
function eachQuery(
  { batch, time, source, width, heads, causal }: AttentionShape,
  f: (query: number, keys: number[], row: number) => void,
): void {
  const size = width / heads;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < time; t++) {
        const seen = causal ? source - time + t + 1 : source;
        const keys = Array.from({ length: seen }, (_, s) => (b * source + s) * width + h * size);
        f((b * time + t) * width + h * size, keys, (b * heads + h) * time + t);
      }
    }
  }
}

const dot = (a: Float64Array, i: number, b: Float64Array, j: number, n: number) => {
  let sum = 0;
  for (let d = 0; d < n; d++) sum += a[i + d]! * b[j + d]!;
  return sum;
};

export function attention(q: Float64Array, k: Float64Array, v: Float64Array, shape: AttentionShape) {
  const size = shape.width / shape.heads;
  const o = new Float64Array(q.length);
  const lse = new Float64Array(shape.batch * shape.heads * shape.time);
  eachQuery(shape, (query, keys, row) => {
    const scores = keys.map((key) => dot(q, query, k, key, size) / Math.sqrt(size));
    const top = Math.max(...scores);
    lse[row] = top + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - top), 0));
    for (const [s, key] of keys.entries()) {
      const p = Math.exp(scores[s]! - lse[row]!) * (shape.factors?.[row * shape.source + s] ?? 1);
      for (let d = 0; d < size; d++) o[query + d]! += p * v[key + d]!;
    }
  });
  return { o, lse };
}

export function attentionBackward(
  { d_o, q, k, v, o, lse }: Record<'d_o' | 'q' | 'k' | 'v' | 'o' | 'lse', Float64Array>,
  shape: AttentionShape,
) {
  const size = shape.width / shape.heads;
  const scale = 1 / Math.sqrt(size);
  const [dq, dk, dv] = [new Float64Array(q.length), new Float64Array(k.length), new Float64Array(v.length)];
  eachQuery(shape, (query, keys, row) => {
    const delta = dot(d_o, query, o, query, size);
    for (const [s, key] of keys.entries()) {
      const factor = shape.factors?.[row * shape.source + s] ?? 1;
      const p = Math.exp(scale * dot(q, query, k, key, size) - lse[row]!);
      const ds = scale * p * (factor * dot(d_o, query, v, key, size) - delta);
      for (let d = 0; d < size; d++) {
        dv[key + d]! += factor * p * d_o[query + d]!;
        dq[query + d]! += ds * k[key + d]!;
        dk[key + d]! += ds * q[query + d]!;
      }
    }
  });
  return { dq, dk, dv };
}
