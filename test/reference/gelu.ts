// GELU in float64 (arXiv:1606.08415), with the normal distribution's integral accurate in both tails.

/** The normal density. */
export const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/**
 * The normal distribution's integral Φ: its series about 0 (Abramowitz and Stegun 26.2.11), and Laplace's continued
 * fraction for the tails (26.2.14).
 */
export function integral(x: number): number {
  if (Math.abs(x) < 2) {
    let term = x;
    let sum = x;
    for (let n = 3; Math.abs(term) > 1e-18 * Math.abs(sum); n += 2) {
      term *= (x * x) / n;
      sum += term;
    }
    return 0.5 + density(x) * sum;
  }
  let fraction = Math.abs(x);
  for (let n = 200; n > 0; n--) fraction = Math.abs(x) + n / fraction;
  const tail = density(x) / fraction;
  return x < 0 ? tail : 1 - tail;
}

export const gelu = (x: Float64Array) => x.map((v) => v * integral(v));

export const geluBackward = (dy: Float64Array, x: Float64Array) =>
  x.map((v, i) => dy[i]! * (integral(v) + v * density(v)));
