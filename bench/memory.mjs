// Bytes of a training step, planned and measured side by side: one step of a released size with random weights and random
// data for each precision, policy and optimizer.
//
//   node bench/memory.mjs --model small --batch 16 --labels 128 --precisions f32,bf16 --most 20 [--write FILE]
//
// Steps whose plan is above --most (GB) are planned only. Measured is the most that the engine's tensors held at once by
// the memory pool's count, and the process's growth in resident memory beside it. Each step runs in a process of its own.
// Prints a table and, as JSON, the rows of it; with --write they go into a file, among those of earlier runs of the same size,
// which scripts/memory-table.mjs puts into docs/memory.md.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { releasedDims } from '../dist/model/released.js';
import { addon } from '../dist/native.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'small' },
    batch: { type: 'string', default: '16' },
    labels: { type: 'string', default: '128' },
    precisions: { type: 'string', default: 'f32,f16,bf16' },
    policies: { type: 'string', default: 'none,selective,encoder,all' },
    optimizers: { type: 'string', default: 'adamw_torch,adamw_bnb_8bit,adafactor' },
    most: { type: 'string', default: '16' },
    write: { type: 'string' },
    // Of the process that makes one step.
    step: { type: 'string' },
  },
});
const dims = releasedDims(flags.model);
if (!dims) throw new Error(`--model: no released size is called ${flags.model}`);
const [batch, labels] = [flags.batch, flags.labels].map(Number);

/** Makes one step and returns the bytes it took. */
async function measure({ precision, options }) {
  const model = await addon().openModel('cpu', dims, precision);
  await model.initialise('hf', 1);
  await model.prepareTraining(options);
  const data = {
    samples: Array.from({ length: batch }, () =>
      Float32Array.from({ length: 160 * 2 * dims.source }, () => 0.2 * Math.random() - 0.1),
    ),
    labels: Int32Array.from({ length: batch * labels }, () => Math.floor(Math.random() * dims.vocab)),
    time: labels,
  };
  const before = process.memoryUsage().rss - (await model.memory()).live;
  const scales = Float32Array.of(1 / (batch * labels));
  await model.step([data], { scales, encoderRate: 1e-5, decoderRate: 1e-5 });
  const { peak } = await model.memory();
  const resident = 1024 * process.resourceUsage().maxRSS - before;
  await model.dispose();
  return { measured: peak, resident };
}

if (flags.step) {
  console.log(JSON.stringify(await measure(JSON.parse(flags.step))));
} else {
  const rows = [];
  const gb = (bytes) => (bytes === undefined ? '-' : (bytes / 1e9).toFixed(3)).padStart(9);
  console.log(`${flags.model}, ${batch} rows, labels of ${labels} tokens; GB`);
  console.log(
    `${'precision'.padEnd(10)}${'policy'.padEnd(11)}${'optimizer'.padEnd(16)}  planned measured resident`,
  );
  for (const precision of flags.precisions.split(',')) {
    for (const policy of flags.policies.split(',')) {
      for (const optimizer of flags.optimizers.split(',')) {
        const [checkpointing, every] = policy.split(':');
        const options = { checkpointing, checkpointEvery: Number(every ?? 1), optimizer };
        const plan = await addon().plan(dims, { batch, labels, training: true, precision, options });
        const step = JSON.stringify({ precision, options });
        const size = ['--model', flags.model, '--batch', flags.batch, '--labels', flags.labels];
        const script = fileURLToPath(import.meta.url);
        const result =
          plan.peak > 1e9 * Number(flags.most)
            ? {}
            : JSON.parse(
                execFileSync(process.execPath, [script, ...size, '--step', step], { encoding: 'utf8' }),
              );
        rows.push({ precision, policy, optimizer, planned: plan.peak, ...result });
        const name = `${precision.padEnd(10)}${policy.padEnd(11)}${optimizer.padEnd(16)}`;
        console.log(`${name}${gb(plan.peak)}${gb(result.measured)}${gb(result.resident)}`);
      }
    }
  }
  const { isa, threads } = addon().deviceInfo();
  const machine = `${cpus()[0].model}, ${threads} threads, ${isa}, Node ${process.version}`;
  const report = { model: flags.model, batch, labels, machine, rows: rows.filter((row) => row.measured) };
  if (flags.write) write(flags.write, report);
  else console.log(JSON.stringify(report, null, 2));
}

/** Adds a report to those in a file; the newer row of a kind stays. */
function write(path, report) {
  const kind = ({ precision, policy, optimizer }) => `${precision} ${policy} ${optimizer}`;
  const before = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : report;
  const same = ['model', 'batch', 'labels', 'machine'].every((key) => before[key] === report[key]);
  if (!same) throw new Error(`${path} is of another model, size or machine`);
  const all = new Map([...before.rows, ...report.rows].map((row) => [kind(row), row]));
  const rows = [...all.values()].toSorted((a, b) => (kind(a) < kind(b) ? -1 : 1));
  writeFileSync(path, `${JSON.stringify({ ...report, rows }, null, 2)}\n`);
}
