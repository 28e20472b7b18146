// Floating-point operations of a model's work, a multiply-add counted as two: of its products and its attention, as
// everything else (layer norm, GELU, softmax) is linear in the activations and left out.
import type { NativeDims } from '../native.js';

/** Of one window through the encoder. */
export function encoderFlops(dims: NativeDims): number {
  const { source, width, encoderLayers } = dims;
  return (
    convolutionFlops(dims) + encoderLayers * (encoderBlockProducts(dims) + attention(source, source, width))
  );
}

/** Of one window through encoder and decoder, with the logits of all `labels` positions. */
export function forwardFlops(dims: NativeDims, labels: number): number {
  const { source, width, decoderLayers, decoderFfn, vocab } = dims;
  // Query, key, value and output of self-attention; query and output of cross-attention; the two layers of the MLP.
  const products = 2 * labels * (6 * width * width + 2 * width * decoderFfn);
  const audioKeysAndValues = 2 * source * 2 * width * width;
  // A causal position sees half of the others on average.
  const attended = attention(labels, labels, width) / 2 + attention(labels, source, width);
  const block = products + audioKeysAndValues + attended;
  return encoderFlops(dims) + decoderLayers * block + 2 * labels * width * vocab;
}

/**
 * Of a training step's forward and backward per row: the gradients of both factors are a product each, so three times the
 * forward pass, but for the first convolution, whose input has no gradient. What attention computes again on the way
 * back is not counted, and neither is the optimizer.
 */
export function stepFlops(dims: NativeDims, labels: number): number {
  return 3 * forwardFlops(dims, labels) - firstConvolution(dims);
}

/** Of scores and weighted sum of all heads: queries [time, width] and keys and values [source, width]. */
export function attention(time: number, source: number, width: number): number {
  return 4 * time * source * width;
}

function convolutionFlops(dims: NativeDims): number {
  const { source, width } = dims;
  return firstConvolution(dims) + 2 * source * (3 * width) * width;
}

/** Three taps over the bands, at every frame, of which there are two to a position. */
function firstConvolution({ source, mels, width }: NativeDims): number {
  return 2 * (2 * source) * (3 * mels) * width;
}

function encoderBlockProducts({ source, width, encoderFfn }: NativeDims): number {
  return 2 * source * (4 * width * width + 2 * width * encoderFfn);
}
