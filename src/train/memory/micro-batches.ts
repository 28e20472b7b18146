// Micro-batches in parts, where memory does not suffice for them whole: the update stays that of the whole.
import type { NativeBatch, NativeLosses } from '../../native.js';

/** What the engine computes one after the other for an update. */
export interface Parts {
  batches: NativeBatch[];
  /** Those of the whole micro-batches: what a row's losses are multiplied by is the same in whichever part it is. */
  scales: Float32Array;
  /** The micro-batch each part is of. */
  of: number[];
  /** Rows of the largest. */
  rows: number;
}

/**
 * Cuts micro-batches into parts of at most `most` rows.
 *
 * @param scales one per micro-batch
 */
export function inParts(micro: readonly NativeBatch[], scales: Float32Array, most: number): Parts {
  const batches: NativeBatch[] = [];
  const of: number[] = [];
  for (const [i, batch] of micro.entries()) {
    const rows = batch.samples.length;
    for (let first = 0; first < rows; first += most) {
      batches.push(rows <= most ? batch : rowsOf(batch, first, Math.min(first + most, rows)));
      of.push(i);
    }
  }
  return {
    batches,
    scales: Float32Array.from(of, (i) => scales[i]!),
    of,
    rows: Math.max(...batches.map(({ samples }) => samples.length)),
  };
}

/** The losses of the micro-batches from those of their parts. */
export function wholeLosses(losses: readonly NativeLosses[], of: readonly number[]): NativeLosses[] {
  return Array.from({ length: of.at(-1)! + 1 }, (_, i) => {
    const parts = losses.filter((_, part) => of[part] === i);
    return {
      sums: Float32Array.from(parts.flatMap(({ sums }) => [...sums])),
      tokens: Int32Array.from(parts.flatMap(({ tokens }) => [...tokens])),
    };
  });
}

function rowsOf(batch: NativeBatch, first: number, end: number): NativeBatch {
  const { samples, labels, inputs, time, maskSpans } = batch;
  const spans: number[] = [];
  for (let at = 0; at < (maskSpans?.length ?? 0); at += 5) {
    const [row, ...place] = maskSpans!.subarray(at, at + 5);
    if (row! >= first && row! < end) spans.push(row! - first, ...place);
  }
  return {
    samples: samples.slice(first, end),
    labels: labels.slice(first * time, end * time),
    ...(inputs && { inputs: inputs.slice(first * time, end * time) }),
    time,
    ...(spans.length > 0 && { maskSpans: Int32Array.from(spans) }),
  };
}
