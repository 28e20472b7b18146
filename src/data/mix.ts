// Several data sets in one stream: rows of them in turn or at random, as `interleave_datasets` of Hugging Face datasets.
import { WhisperError } from '../errors.js';
import {
  type Cursor,
  cursorError,
  describeSource,
  joinVersions,
  type Positioned,
  type Source,
} from './dataset.js';
import { branch, RandomStream } from './random.js';

export const stoppingStrategies = [
  'first_exhausted',
  'all_exhausted',
  'all_exhausted_without_replacement',
] as const;

/**
 * When a mixture ends: as soon as one source has (`first_exhausted`); once every source has, those that ended earlier
 * begin again (`all_exhausted`); or once every source has, with every row once (`all_exhausted_without_replacement`).
 */
export type StoppingStrategy = (typeof stoppingStrategies)[number];

export interface MixedSource {
  source: Source;
  /** How often a row is of this source, relative to the others': given for all or for none. Without them rows take turns. */
  probability?: number;
}

export interface MixOptions {
  /** Default 42. */
  seed?: number;
  /** Default `all_exhausted`. */
  stoppingStrategy?: StoppingStrategy;
  /** `first_exhausted` without probabilities: the last round is completed. */
  wholeRounds?: boolean;
  /** For messages; default: the sources' names. */
  name?: string;
}

/** Where reading a source goes on; `round` counts how often it began again. */
type Place = { inner: Cursor; round: number; ended: boolean };

type MixCursor = {
  places: Place[];
  /** The source of the row before; null at the start. */
  last: number | null;
  /** Random words drawn so far. */
  drawn: number;
};

/**
 * Mixes sources. A row comes from one of them by their probabilities, or from each in turn. `shuffled` draws anew which
 * source comes when, and shuffles each source, anew each time it begins again.
 *
 * @throws WhisperError ERR_INVALID_ARGUMENT for no sources, or probabilities that are not all positive or not all there
 */
export function mix(sources: readonly MixedSource[], options: MixOptions = {}): Source {
  const probabilities = checkProbabilities(sources);
  const name = options.name ?? sources.map(({ source }) => source.name).join(' & ');
  return mixture({ sources: sources.map(({ source }) => source), probabilities, name, options });
}

function checkProbabilities(sources: readonly MixedSource[]): number[] | undefined {
  if (sources.length === 0) throw new WhisperError('ERR_INVALID_ARGUMENT', 'there are no data sets to mix');
  const given = sources.flatMap(({ probability }) => (probability === undefined ? [] : [probability]));
  if (given.length === 0) return undefined;
  const wrong = given.find((probability) => !(probability > 0 && probability < Infinity));
  if (wrong !== undefined)
    throw new WhisperError('ERR_INVALID_ARGUMENT', `a probability must be above 0, got ${wrong}`);
  if (given.length === sources.length) return given;
  const { source } = sources.find(({ probability }) => probability === undefined)!;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `${source.name} has no probability and others have: give all of them one, or none`,
  );
}

interface Mixture {
  sources: readonly Source[];
  probabilities: readonly number[] | undefined;
  name: string;
  options: MixOptions;
  /** The order that is drawn; undefined: the mixture's own. */
  order?: { seed: number; pass: number };
}

/** Whose turn it is, and when it is over. */
class Turns {
  readonly #mixture: Mixture;
  readonly #random: RandomStream;
  readonly #ended: boolean[];
  last: number | null;

  constructor(mixture: Mixture, { places, last, drawn }: MixCursor) {
    const { order, options } = mixture;
    const seed = options.seed ?? 42;
    this.#mixture = mixture;
    this.#random = order
      ? new RandomStream(branch(order.seed, seed), order.pass, drawn)
      : new RandomStream(seed, 0, drawn);
    this.#ended = places.map(({ ended }) => ended);
    this.last = last;
  }

  get drawn(): number {
    return this.#random.drawn;
  }

  get #leaves(): boolean {
    return this.#mixture.options.stoppingStrategy === 'all_exhausted_without_replacement';
  }

  /** The source that comes next. */
  choose(): number {
    const { probabilities } = this.#mixture;
    const may = (i: number) => !(this.#leaves && this.#ended[i]);
    this.last = probabilities ? this.#draw(probabilities, may) : this.#following(may);
    return this.last;
  }

  #following(may: (i: number) => boolean): number {
    const count = this.#ended.length;
    let next = this.last === null ? 0 : (this.last + 1) % count;
    while (!may(next)) next = (next + 1) % count;
    return next;
  }

  #draw(probabilities: readonly number[], may: (i: number) => boolean): number {
    const total = probabilities.reduce((sum, probability, i) => sum + (may(i) ? probability : 0), 0);
    let left = this.#random.uniform() * total;
    let chosen = 0;
    for (const [i, probability] of probabilities.entries()) {
      if (!may(i)) continue;
      chosen = i;
      left -= probability;
      if (left < 0) break;
    }
    return chosen;
  }

  /** A source has given its last row. */
  end(source: number): void {
    this.#ended[source] = true;
  }

  /** Whether the mixture ends here. */
  get over(): boolean {
    const { stoppingStrategy = 'all_exhausted', wholeRounds = false } = this.#mixture.options;
    if (stoppingStrategy !== 'first_exhausted') return this.#ended.every(Boolean);
    return this.#ended.some(Boolean) && (!wholeRounds || this.last === this.#ended.length - 1);
  }

  /** Whether a source that has ended begins again. */
  get again(): boolean {
    return !this.#leaves;
  }
}

/** One row further than was asked for, to know whether a source has ended. */
class Lookahead {
  readonly #rows: AsyncGenerator<Positioned, void, void>;
  #next: Promise<Positioned | undefined> | undefined;

  constructor(rows: AsyncGenerator<Positioned, void, void>) {
    this.#rows = rows;
  }

  peek(): Promise<Positioned | undefined> {
    this.#next ??= this.#rows.next().then(({ value }) => value ?? undefined);
    return this.#next;
  }

  take(): Promise<Positioned | undefined> {
    const next = this.peek();
    this.#next = undefined;
    return next;
  }

  async close(): Promise<void> {
    await this.#next?.catch(() => {});
    await this.#rows.return();
  }
}

function mixture(mixed: Mixture): Source {
  const { sources, name, probabilities, order } = mixed;
  const { stoppingStrategy = 'all_exhausted', seed = 42, wholeRounds = false } = mixed.options;
  const beginning = (): MixCursor => ({
    places: sources.map(() => ({ inner: null, round: 0, ended: false })),
    last: null,
    drawn: 0,
  });
  const reader = (i: number, { inner, round }: Place): Lookahead => {
    const source = sources[i]!;
    const shuffled = order && source.shuffled?.(branch(branch(order.seed, i + 1), round), order.pass);
    return new Lookahead((shuffled ?? source).open(inner));
  };
  const place = (cursor: Cursor): MixCursor => {
    const { places } = (cursor ?? {}) as Partial<MixCursor>;
    if (Array.isArray(places) && places.length === sources.length) return cursor as MixCursor;
    throw cursorError(name, `${JSON.stringify(cursor)} is no place in a mixture of ${sources.length}`);
  };

  async function* open(cursor?: Cursor): AsyncGenerator<Positioned, void, void> {
    const start = cursor == null ? beginning() : place(cursor);
    const turns = new Turns(mixed, start);
    let { places } = start;
    const readers = places.map((at, i) => reader(i, at));
    // After its last row a source has ended, and begins again where the strategy says so.
    const finish = async (i: number): Promise<void> => {
      turns.end(i);
      places = places.with(i, { ...places[i]!, ended: true });
      if (!turns.again || turns.over) return;
      await readers[i]!.close();
      places = places.with(i, { inner: null, round: places[i]!.round + 1, ended: true });
      readers[i] = reader(i, places[i]!);
    };
    try {
      for (;;) {
        const { last } = turns;
        if (last !== null && !(await readers[last]!.peek())) await finish(last);
        if (turns.over) return;
        const source = turns.choose();
        const positioned = await readers[source]!.take();
        if (!positioned) continue;
        places = places.with(source, { ...places[source]!, inner: positioned.next });
        yield {
          row: positioned.row,
          at: { source, inner: positioned.at },
          next: { places, last: source, drawn: turns.drawn },
        };
      }
    } finally {
      await Promise.all(readers.map((one) => one.close()));
    }
  }

  const version = joinVersions(sources);
  const shares = probabilities ? `by ${probabilities.join(':')} from seed ${seed}` : 'in turn';
  return {
    name,
    ...(version !== undefined && { version }),
    selection: `${sources.map(describeSource).join(' & ')} ${shares}, ${stoppingStrategy}${wholeRounds ? ' in whole rounds' : ''}`,
    open,
    async rowsAt(cursors) {
      const places = cursors.map((cursor) => {
        const { source, inner } = (cursor ?? {}) as { source?: number; inner?: Cursor };
        if (source !== undefined && sources[source]) return { source, inner: inner ?? null };
        throw cursorError(name, `${JSON.stringify(cursor)} names none of the ${sources.length} mixed`);
      });
      const rows: Positioned[] = [];
      for (const [i, source] of sources.entries()) {
        const mine = places.flatMap((at, index) => (at.source === i ? [{ index, inner: at.inner }] : []));
        const found = mine.length > 0 ? await source.rowsAt(mine.map(({ inner }) => inner)) : [];
        for (const [j, { index }] of mine.entries())
          rows[index] = { ...found[j]!, at: { source: i, inner: found[j]!.at } };
      }
      return rows;
    },
    shuffled: (seed, pass) => mixture({ ...mixed, order: { seed, pass } }),
  };
}
