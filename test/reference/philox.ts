// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), and what dropout makes of it
// (native/core/dropout.h). In integers without end, so that nothing is lost where 32 bits meet 32.

const low = (x: bigint) => x & 0xffff_ffffn;

/** Four numbers of 32 bits for a counter of 64 bits, a stream of 64 bits and a key of 64 bits. */
export function philox(counter: bigint, stream: bigint, key: bigint): number[] {
  let x = [low(counter), counter >> 32n, low(stream), stream >> 32n] as [bigint, bigint, bigint, bigint];
  let [k0, k1] = [low(key), key >> 32n];
  for (let round = 0; round < 10; round++) {
    const [a, b] = [0xd251_1f53n * x[0], 0xcd9e_8d57n * x[2]];
    x = [(b >> 32n) ^ x[1] ^ k0, low(b), (a >> 32n) ^ x[3] ^ k1, low(a)];
    [k0, k1] = [low(k0 + 0x9e37_79b9n), low(k1 + 0xbb67_ae85n)];
  }
  return x.map(Number);
}

export interface Dropout {
  rate: number;
  key: number;
  stream: number;
}

/** What each of the first n elements is multiplied by: 1/(1 - rate) where it is kept, 0 where it is dropped. */
export function dropoutFactors({ rate, key, stream }: Dropout, n: number): Float64Array {
  const share = Math.fround(rate);
  const threshold = Math.floor(share * 2 ** 32);
  let numbers: number[] = [];
  return Float64Array.from({ length: n }, (_, i) => {
    if (i % 4 === 0) numbers = philox(BigInt(i / 4), BigInt(stream), BigInt(key));
    return numbers[i % 4]! < threshold ? 0 : 1 / (1 - share);
  });
}
