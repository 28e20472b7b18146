// Tables of plain text: columns as wide as they have to be, numbers to the right.

/** The first column to the left, all others to the right, under a line of titles. */
export function textTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]! + 2)))
        .join('')
        .trimEnd(),
    )
    .join('\n');
}
