// Two ways of working ahead in an async stream without losing its order.

/**
 * Applies an async function to a stream, at most `concurrency` calls at a time, and gives the results in the stream's
 * order, up to the first that failed. A result that is there does not wait for the stream, however slow it is to read.
 * When the stream itself fails, what came before is given first: where it breaks off does not depend on the concurrency.
 * Nothing is left running when it ends, however it ends.
 */
export async function* mapInOrder<T, R>(
  items: AsyncGenerator<T, void, void>,
  concurrency: number,
  apply: (item: T) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const calls: { result: Promise<R>; settled: Promise<void>; done: boolean }[] = [];
  let reading: Promise<void> | undefined;
  let ended = false;
  let failure: { error: unknown } | undefined;
  const call = (item: T): void => {
    const result = apply(item);
    const begun = { result, done: false, settled: Promise.resolve() };
    const settle = () => {
      begun.done = true;
    };
    // A rejection is told of when the result's turn comes; until then it must not count as unhandled.
    begun.settled = result.then(settle, settle);
    calls.push(begun);
  };
  // Each item read begins the next reading, whether or not anybody asks for a result meanwhile.
  const read = async (): Promise<void> => {
    try {
      const { done, value } = await items.next();
      if (done) ended = true;
      else call(value);
    } catch (error) {
      failure = { error };
      ended = true;
    }
    reading = undefined;
    fill();
  };
  const fill = (): void => {
    if (!ended && calls.length < concurrency) reading ??= read();
  };
  try {
    for (;;) {
      fill();
      const first = calls[0];
      if (first?.done) {
        calls.shift();
        fill();
        yield await first.result;
        continue;
      }
      const pending = [first?.settled, reading].filter((promise) => promise !== undefined);
      if (pending.length === 0) break;
      await Promise.race(pending);
    }
    if (failure) throw failure.error;
  } finally {
    ended = true;
    await reading;
    await Promise.all(calls.map(({ settled }) => settled));
    await items.return();
  }
}

/**
 * Keeps up to `depth` results of a generator ready while the consumer is busy with the one before. An async generator
 * queues the requests made to it, so asking early is all it takes.
 */
export class ReadAhead<T> {
  readonly #items: AsyncGenerator<T, void, void>;
  readonly #depth: number;
  readonly #asked: Promise<IteratorResult<T, void>>[] = [];

  constructor(items: AsyncGenerator<T, void, void>, depth: number) {
    this.#items = items;
    this.#depth = depth;
  }

  /** Begins before the first result is asked for. */
  begin(): void {
    this.#ask(this.#depth);
  }

  async next(): Promise<IteratorResult<T, void>> {
    this.#ask(1);
    const result = await this.#asked.shift()!;
    if (!result.done) this.#ask(this.#depth);
    return result;
  }

  /** Waits until the generator has stopped; it must have been told to. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#asked.splice(0));
    await this.#items.return();
  }

  #ask(count: number): void {
    while (this.#asked.length < count) {
      const result = this.#items.next();
      result.catch(() => {});
      this.#asked.push(result);
    }
  }
}
