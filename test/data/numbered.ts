// Sources without files for tests of how rows flow: each row says which it is.
import type { Cursor, Source } from '../../src/data/dataset.js';
import { permutation, RandomStream } from '../../src/data/random.js';

const samples = Float32Array.of(0.5);

export interface NumberedOptions {
  version?: string;
  /** It cannot say how many rows it has, nor find one by its number. */
  uncountable?: boolean;
  /** `shuffled` gives every row in another place, as a prepared source does. */
  permutes?: boolean;
  /** Told the index of each row that is read. */
  onRead?: (index: number) => void;
}

/** A source of `rows` rows whose texts are `a0`, `a1`, … for the name `a`. Its cursors are numbers of rows. */
export function numbered(name: string, rows: number, options: NumberedOptions = {}): Source {
  const { version, uncountable, permutes, onRead } = options;
  const rowAt = (index: number, turn = index) => {
    onRead?.(index);
    const text = `${name}${index}`;
    return { row: { id: text, text, audio: { samples, sampleRate: 16000 } }, at: index, next: turn + 1 };
  };
  const make = (order?: Uint32Array): Source => {
    return {
      name,
      ...(version !== undefined && { version }),
      async *open(cursor?: Cursor) {
        for (let turn = (cursor as number | null) ?? 0; turn < rows; turn++) {
          yield rowAt(order ? order[turn]! : turn, turn);
        }
      },
      async rowsAt(cursors) {
        return cursors.map((at) => rowAt(at as number));
      },
      ...(!uncountable && { count: async () => rows, seek: async (row: number) => row }),
      ...(permutes && {
        shuffled: (seed: number, pass: number) => make(permutation(rows, new RandomStream(seed, pass))),
      }),
    };
  };
  return make();
}

/** The texts of a source's rows from a cursor on. */
export async function texts(source: Source, cursor?: Cursor, most = Infinity): Promise<string[]> {
  const all: string[] = [];
  for await (const { row } of source.open(cursor)) {
    all.push(row.text);
    if (all.length >= most) break;
  }
  return all;
}

/** Reads a source from each cursor it gives (as JSON) and from each `at`; says what differs from reading it in one go. */
export async function checkCursors(source: Source): Promise<string[]> {
  const all: { text: string; at: Cursor; next: Cursor }[] = [];
  for await (const { row, at, next } of source.open()) all.push({ text: row.text, at, next });
  const faults: string[] = [];
  const rest = all.map(({ text }) => text);
  for (const [i, { next }] of all.entries()) {
    const after = await texts(source, JSON.parse(JSON.stringify(next)) as Cursor);
    if (after.join() !== rest.slice(i + 1).join()) faults.push(`after row ${i}: ${after.join()}`);
  }
  const again = await source.rowsAt(all.map(({ at }) => JSON.parse(JSON.stringify(at)) as Cursor).reverse());
  const found = again.map(({ row }) => row.text).reverse();
  if (found.join() !== rest.join()) faults.push(`rowsAt: ${found.join()}`);
  return faults;
}
