// A preflight report for people: what each split is like, and what was found in it.
import pc from 'picocolors';
import type { Finding } from '../data/preflight/findings.js';
import type { PreflightReport } from '../data/preflight/preflight.js';
import type { SplitReport } from '../data/preflight/split.js';
import type { Spread } from '../data/preflight/spread.js';

/** Several lines; the last ends with one too. */
export function describePreflight({ splits, findings }: PreflightReport): string {
  const serious = findings.filter((finding) => finding.serious).length;
  const many = `${findings.length} finding${findings.length === 1 ? '' : 's'}`;
  const summary =
    findings.length === 0 ? 'nothing found' : `${many}${serious > 0 ? `, ${serious} serious (!)` : ''}`;
  return `${[...splits.map(describeSplit), summary, ...describeFindings(findings)].join('\n')}\n`;
}

/** One line, as `train: 3 rows, no audio file: left out (first: train.tsv:4 a.mp3, no such file)`. */
export function describeFinding(finding: Finding): string {
  const { split, words, example } = finding;
  if (finding.kind === 'no-rows') return `${split}: ${words}`;
  return `${split}: ${countOf(finding)}, ${words} (first: ${example.row}, ${example.detail})`;
}

/** Two lines for each: what it is, and the first row of it. */
function describeFindings(findings: readonly Finding[]): string[] {
  const widest = (texts: string[]) => Math.max(0, ...texts.map(({ length }) => length));
  const splits = widest(findings.map(({ split }) => split));
  const counts = widest(findings.map(countOf));
  const indent = ' '.repeat(2 + splits + 2 + counts + 2);
  return findings.flatMap((finding) => {
    const { split, words, serious, example } = finding;
    const mark = serious ? pc.red('!') : ' ';
    const first = `${mark} ${split.padEnd(splits)}  ${countOf(finding).padStart(counts)}  ${words}`;
    return example.row === '' ? [first] : [first, `${indent}${example.row}: ${example.detail}`];
  });
}

function countOf({ kind, count }: Finding): string {
  if (kind === 'no-rows') return '';
  const what = kind === 'mixed-style' ? 'source' : 'row';
  return `${whole(count)} ${what}${count === 1 ? '' : 's'}`;
}

function describeSplit({ name, rows, hours, seconds, labels, languages, styles }: SplitReport): string {
  const named = Object.entries(languages).map(([language, count]) => `${language} ${whole(count)}`);
  return [
    `${pc.bold(name)}: ${whole(rows)} rows, ${hours.toFixed(hours < 10 ? 2 : 1)} hours`,
    ...(seconds ? [`  seconds    ${describeSpread(seconds, 1)}`] : []),
    ...(labels ? [`  tokens     ${describeSpread(labels, 0)}`] : []),
    ...(named.length > 0 ? [`  languages  ${named.join(', ')}`] : []),
    ...styles.map(({ source, style }, i) => `  ${i === 0 ? 'style' : '     '}      ${source}: ${style}`),
    '',
  ].join('\n');
}

function describeSpread({ mean, p50, p95, max }: Spread, digits: number): string {
  const [a, b, c, d] = [mean, p50, p95, max].map((value) => value.toFixed(digits));
  return `mean ${a}, median ${b}, 95 % below ${c}, most ${d}`;
}

function whole(count: number): string {
  return count.toLocaleString('en-US');
}
