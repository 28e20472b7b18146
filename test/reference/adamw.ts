// AdamW in float64, as torch/optim/adamw.py computes it.

export interface AdamwStep {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  decay: number;
  /** 1 for the first step */
  t: number;
}

export function adamw(
  { value, m, v, grad, scale }: Record<'value' | 'm' | 'v' | 'grad' | 'scale', Float64Array>,
  { lr, beta1, beta2, eps, decay, t }: AdamwStep,
) {
  const g = grad.map((x) => x * scale[0]!);
  const newM = m.map((x, i) => beta1 * x + (1 - beta1) * g[i]!);
  const newV = v.map((x, i) => beta2 * x + (1 - beta2) * g[i]! ** 2);
  const newValue = value.map((p, i) => {
    const denominator = Math.sqrt(newV[i]!) / Math.sqrt(1 - beta2 ** t) + eps;
    return p * (1 - lr * decay) - ((lr / (1 - beta1 ** t)) * newM[i]!) / denominator;
  });
  return { value: newValue, m: newM, v: newV };
}
