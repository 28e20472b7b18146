// Puts what the parts found into one file, named by card and day, and prints a short table. Arguments: PART=EXIT:SECONDS …
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emulated, out } from './part.mjs';

/** What ends a part that ran out of time (timeout). */
const TIMED_OUT = new Set([124, 137]);

const parts = {};
for (const argument of process.argv.slice(2)) {
  const [, name, exit, seconds] = /^(\w+)=(\d+):(\d+)$/.exec(argument);
  const path = join(out, `${name}.json`);
  const found = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { failures: [], skipped: [] };
  const code = Number(exit);
  if (TIMED_OUT.has(code)) found.failures.push(`out of time after ${seconds} s`);
  else if (code !== 0 && found.failures.length === 0) found.failures.push(`ended with exit code ${code}`);
  parts[name] = { ...found, part: undefined, ok: code === 0, seconds: Number(seconds) };
}

const { device, date = new Date().toISOString(), commit } = parts.environment ?? {};
const gpu = device?.replace(/^\S+ \((.*)\)$/, '$1');
const name = (gpu ?? 'gpu')
  .toLowerCase()
  .replace(/[^a-z0-9]+/g, '-')
  .replace(/^-|-$/g, '');
const path = join(out, `${name}-${date.slice(0, 10)}.json`);
writeFileSync(path, `${JSON.stringify({ gpu, date, commit, emulated, parts }, null, 2)}\n`);
for (const part of Object.keys(parts)) rmSync(join(out, `${part}.json`), { force: true });

const digits = (x) => (x === undefined ? '-' : x >= 100 ? x.toFixed(0) : String(Number(x.toPrecision(3))));
const percent = (x) => (x === undefined ? '-' : `${(100 * x).toFixed(0)} %`);

function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
  console.log();
}

console.log();
const { copy, products } = parts.environment ?? {};
if (copy) console.log(`${gpu}: copies ${digits(copy)} GB/s`);
if (products) {
  const rates = Object.entries(products).map(([who, by]) =>
    [who, ...Object.entries(by).map(([dtype, x]) => `${dtype} ${digits(x / 1000)}`)].join(' '),
  );
  console.log(`a large product, TFLOP/s: ${rates.join('; ')}\n`);
}

const { operations } = parts.kernels ?? {};
if (operations) {
  const titles = ['operation', 'dtype', 'ours, ms', 'TFLOP/s', 'torch, ms', 'TFLOP/s', 'by', 'ratio'];
  const rows = operations.map(({ model, precision, name, milliseconds, tflops, torch, sdpa, ratio }) => [
    ...[`${model} ${name}`, precision, digits(milliseconds), digits(tflops)],
    ...[digits(torch?.milliseconds), digits(torch?.tflops), sdpa ?? '', digits(ratio)],
  ]);
  table([titles, ...rows]);
}

const { steps, targets = {} } = parts.step ?? {};
if (steps) {
  const titles = ['step', '', 'batch', 'samples/s', 'aim', 'of measured', 'of nominal', 'GB'];
  const rows = steps.map((step) => {
    const { who, model, precision, checkpointing, optimizer, compile, graphs, batch } = step;
    const how = [
      precision,
      checkpointing !== 'none' && 'checkpointing',
      compile && 'compiled',
      graphs && 'graphs',
    ];
    const aim = who === 'ours' && checkpointing === 'none' ? targets[model] : undefined;
    const rates = [
      digits(step.samplesPerSecond),
      digits(aim),
      percent(step.ofMeasured),
      percent(step.ofNominal),
    ];
    const words = [...how, optimizer !== 'adamw_torch' && optimizer].filter(Boolean).join(', ');
    return [`${model} ${who}`, words, `${batch}`, ...rates, digits(step.peakBytes / 1e9)];
  });
  table([titles, ...rows]);
}

const summaries = Object.entries(parts).map(([name, { ok, seconds, failures, skipped }]) => [
  ...[ok ? 'ok' : 'FAIL', name, `${seconds} s`],
  [
    failures.length > 0 && `${failures.length} failed: ${failures[0].replace(/\s+/g, ' ').slice(0, 160)}`,
    skipped.length > 0 && `skipped ${skipped.join('; ')}`.slice(0, 200),
  ]
    .filter(Boolean)
    .join('; '),
]);
table([['', 'part', 'time', ''], ...summaries]);
console.log(`wrote ${path}`);
process.exitCode = Object.values(parts).every(({ ok }) => ok) ? 0 : 1;
