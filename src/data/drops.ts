// Rows that are left out, counted by reason, with the first of each as an example.

/** Why a row was left out. */
export type DropReason =
  | 'empty-text'
  | 'too-short'
  | 'too-long'
  | 'long-label'
  /** No file, or one that cannot be read. */
  | 'missing'
  /** No audio format known here, or nothing in it. */
  | 'undecodable'
  /** The file is cut off or broken: its text is longer than its audio. */
  | 'damaged';

/** Rows of one pass; JSON. */
export interface DropReport {
  /** Rows looked at. */
  rows: number;
  kept: number;
  dropped: Partial<Record<DropReason, { count: number; first: { id: string; detail: string } }>>;
}

export class DropCounter {
  #report: DropReport;

  constructor(report: DropReport = { rows: 0, kept: 0, dropped: {} }) {
    this.#report = structuredClone(report);
  }

  keep(rows = 1): void {
    this.#report.rows += rows;
    this.#report.kept += rows;
  }

  drop(reason: DropReason, id: string, detail: string): void {
    this.#report.rows += 1;
    const entry = this.#report.dropped[reason];
    if (entry) entry.count += 1;
    else this.#report.dropped[reason] = { count: 1, first: { id, detail } };
  }

  report(): DropReport {
    return structuredClone(this.#report);
  }
}

/** One line of a report: `3 of 120 rows dropped: 2 missing (first: train.tsv:4 a.mp3, no such file), 1 too-long (…)`. */
export function describeDrops({ rows, kept, dropped }: DropReport): string {
  const reasons = Object.entries(dropped).map(
    ([reason, { count, first }]) => `${count} ${reason} (first: ${first.id}, ${first.detail})`,
  );
  return `${rows - kept} of ${rows} rows dropped${reasons.length > 0 ? `: ${reasons.join(', ')}` : ''}`;
}
