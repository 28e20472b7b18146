// Token and position embeddings in float64.

/** y[b, t] = table[tokens[b, t]] + positions[first + t], for tokens [rows, time]. */
export function embed(
  table: Float64Array,
  positions: Float64Array,
  tokens: Int32Array,
  { time, width, first }: { time: number; width: number; first: number },
): Float64Array {
  const y = new Float64Array(tokens.length * width);
  for (const [r, token] of tokens.entries()) {
    for (let i = 0; i < width; i++) {
      y[r * width + i] = table[token * width + i]! + positions[(first + (r % time)) * width + i]!;
    }
  }
  return y;
}

/** Its gradients (with first = 0); the token `padding` gets none. */
export function embedBackward(
  dy: Float64Array,
  tokens: Int32Array,
  { time, width, vocab, padding }: { time: number; width: number; vocab: number; padding: number },
) {
  const dtable = new Float64Array(vocab * width);
  const dpositions = new Float64Array(time * width);
  for (const [r, token] of tokens.entries()) {
    for (let i = 0; i < width; i++) {
      if (token !== padding) dtable[token * width + i]! += dy[r * width + i]!;
      dpositions[(r % time) * width + i]! += dy[r * width + i]!;
    }
  }
  return { dtable, dpositions };
}
