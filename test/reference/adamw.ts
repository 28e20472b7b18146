// AdamW in float64, as torch/optim/adamw.py computes it and as transformers 4 did (optimization.py: AdamW.step).

export interface AdamwStep {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  decay: number;
  /** 1 for the first step */
  t: number;
}

type Operand = 'value' | 'm' | 'v' | 'grad' | 'scale';

function moments({ m, v, grad, scale }: Record<Operand, Float64Array>, { beta1, beta2 }: AdamwStep) {
  const g = grad.map((x) => x * scale[0]!);
  return {
    m: m.map((x, i) => beta1 * x + (1 - beta1) * g[i]!),
    v: v.map((x, i) => beta2 * x + (1 - beta2) * g[i]! ** 2),
  };
}

export function adamw(operands: Record<Operand, Float64Array>, step: AdamwStep) {
  const { lr, beta1, beta2, eps, decay, t } = step;
  const { m, v } = moments(operands, step);
  const value = operands.value.map((p, i) => {
    const denominator = Math.sqrt(v[i]!) / Math.sqrt(1 - beta2 ** t) + eps;
    return p * (1 - lr * decay) - ((lr / (1 - beta1 ** t)) * m[i]!) / denominator;
  });
  return { value, m, v };
}

export function adamwHf(operands: Record<Operand, Float64Array>, step: AdamwStep) {
  const { lr, beta1, beta2, eps, decay, t } = step;
  const { m, v } = moments(operands, step);
  const size = (lr * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
  const value = operands.value.map((p, i) => {
    const moved = p - (size * m[i]!) / (Math.sqrt(v[i]!) + eps);
    return moved - lr * decay * moved;
  });
  return { value, m, v };
}
