// A benchmark's report for people, as a table, and as a file among those of the checkout.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, WhisperError } from '../errors.js';
import { formatBytes } from '../train/memory/bytes.js';
import type { Result } from './benchmark.js';
import type { Report } from './index.js';
import { type Gpu, isCheckout, packageRoot } from './machine.js';
import type { Spread } from './measure.js';

/** The cells of a result by the titles of their columns; undefined where it has no such thing. */
function cellsOf(result: Result): Record<string, string | undefined> {
  const { name, msPerStep, gflops, roof, peakBytes, residentBytes } = result;
  return {
    '': name,
    'ms (min, max)': describeSpread(msPerStep),
    'CPU ms': digits(result.cpuMs),
    'samples/s': digits(result.samplesPerSecond),
    'tokens/s': digits(result.tokensPerSecond),
    'ms per token': digits(result.msPerToken),
    '× real time': digits(result.realTimeFactor),
    '× step': digits(result.timesTrainingStep),
    'GFLOP/s': digits(gflops),
    'of roof': gflops && roof ? `${((100 * gflops) / roof).toFixed(0)} %` : undefined,
    'GB/s': digits(result.gigabytesPerSecond),
    tensors: peakBytes && formatBytes(peakBytes),
    resident: residentBytes && formatBytes(residentBytes),
  } as Record<string, string | undefined>;
}

/** The report as text: what was measured on what, and a table with the peer beside or below. */
export function describeReport(report: Report): string {
  const { benchmark, date, settings, machine } = report;
  const { threads, isa, rounds, ...asked } = settings;
  const words = Object.entries(asked).flatMap(([name, value]) => (value === '' ? [] : [`${name} ${value}`]));
  const roofs = Object.entries(machine.roofs).map(
    ([dtype, { oneThread, allThreads }]) => `${dtype} ${digits(oneThread)}, ${digits(allThreads)}`,
  );
  const heading = [
    `${benchmark}: ${words.join(', ')}, rounds ${rounds}; ${date}`,
    `${machine.cpu}, ${isa}, ${threads} of ${machine.cores} cores, Node ${machine.node}, ${machine.os}`,
    `roof in registers, GFLOP/s on one thread and on all: ${roofs.join('; ')}`,
    ...(machine.gpu
      ? [`${machine.gpu.name}: a large product, GFLOP/s: ${describeProducts(machine.gpu)}`]
      : []),
  ];
  return `${[...heading, '', ...('results' in report ? several(report.results) : one(report))].join('\n')}\n`;
}

function describeProducts({ products }: Gpu): string {
  return Object.entries(products)
    .map(([dtype, rate]) => `${dtype} ${digits(rate)}`)
    .join('; ');
}

/** The peer has a row of its own. */
function one(result: Result): string[] {
  const { peer, ratio } = result;
  if (!peer) return table([cellsOf(result)]);
  return [...table([cellsOf(result), cellsOf(peer)]), `ratio of the medians: ${digits(ratio)}`];
}

/** The peer has columns of its own. */
function several(results: readonly Result[]): string[] {
  const rows = results.map((result) => ({
    ...cellsOf(result),
    'peer, ms (min, max)': result.peer && describeSpread(result.peer.msPerStep),
    ratio: digits(result.ratio),
  }));
  const peer = results.find((result) => result.peer)?.peer;
  return [...table(rows), ...(peer ? [`the peer is ${peer.name}`] : [])];
}

/** Aligned columns, without those that have nothing in any row. */
function table(rows: readonly Record<string, string | undefined>[]): string[] {
  const titles = Object.keys(rows[0] ?? {}).filter((title) => rows.some((row) => row[title] !== undefined));
  const lines = [titles, ...rows.map((row) => titles.map((title) => row[title] ?? ''))];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** Three significant digits, or all before the point. */
function digits(value: number | undefined): string | undefined {
  if (value === undefined) return undefined;
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function describeSpread({ median, min, max }: Spread): string {
  return `${digits(median)} (${digits(min)}, ${digits(max)})`;
}

/**
 * Where reports are kept: bench/results of the checkout.
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` where there is no checkout
 */
export function resultsFolder(): string {
  if (isCheckout()) return join(packageRoot, 'bench', 'results');
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    '--save writes among the results of a checkout of the repository, and this is none',
  );
}

/**
 * Writes a report under a name of its own, as `step-amd-epyc-20261122T185003Z.json`.
 *
 * @returns the path
 * @throws WhisperError `ERR_FILE`
 */
export async function saveReport(report: Report, folder: string): Promise<string> {
  const { cpu, gpu } = report.machine;
  const where = (gpu?.name ?? cpu)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
  const time = report.date.replace(/\.\d+|[-:]/g, '');
  const path = join(folder, `${report.benchmark}-${where}-${time}.json`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(path, `${JSON.stringify(report, null, 2)}\n`, { flag: 'wx' });
  } catch (cause) {
    throw fileError('write', path, cause);
  }
  return path;
}
