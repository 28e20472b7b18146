// A source with each of its rows changed on the way.
import type { Positioned, Row, Source } from './dataset.js';

/**
 * The rows of a source, each changed; where they lie and how they are shuffled stays.
 *
 * @param selection what is changed, in words: what tells these rows from those of the source itself
 */
export function mapRows(source: Source, change: (row: Row) => Row, selection: string): Source {
  const changed = ({ row, at, next }: Positioned): Positioned => ({ row: change(row), at, next });
  const { name, version, parts } = source;
  return {
    name,
    selection: source.selection === undefined ? selection : `${source.selection}; ${selection}`,
    ...(version !== undefined && { version }),
    ...(parts && { parts: parts.map((part) => mapRows(part, change, selection)) }),
    async *open(cursor) {
      for await (const positioned of source.open(cursor)) yield changed(positioned);
    },
    async rowsAt(cursors) {
      return (await source.rowsAt(cursors)).map(changed);
    },
    ...(source.count && { count: () => source.count!() }),
    ...(source.seek && { seek: (row: number) => source.seek!(row) }),
    ...(source.shuffled && {
      shuffled: (seed: number, pass: number) => mapRows(source.shuffled!(seed, pass), change, selection),
    }),
  };
}
