// Two ways of working ahead in an async stream without losing its order.

/**
 * Applies an async function to a stream, at most `concurrency` calls at a time, and gives the results in the stream's
 * order, up to the first that failed. When the stream itself fails, what came before is given first: where it breaks
 * off does not depend on the concurrency. Nothing is left running when it ends, however it ends.
 */
export async function* mapInOrder<T, R>(
  items: AsyncGenerator<T, void, void>,
  concurrency: number,
  apply: (item: T) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const running: Promise<R>[] = [];
  let ended = false;
  let failure: { error: unknown } | undefined;
  const begin = async (): Promise<void> => {
    try {
      const { done, value } = await items.next();
      if (done) ended = true;
      else running.push(apply(value));
      // It is awaited in its turn; until then a rejection must not count as unhandled.
      running.at(-1)?.catch(() => {});
    } catch (error) {
      failure = { error };
      ended = true;
    }
  };
  try {
    do {
      while (!ended && running.length < concurrency) await begin();
      if (running.length > 0) yield await running.shift()!;
    } while (!ended || running.length > 0);
    if (failure) throw failure.error;
  } finally {
    await Promise.allSettled(running);
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
