// Part `environment`: the card, its driver and tools, and the roofs: copying memory, and a large product.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { copyRate, productRate } from '../../dist/bench/device.js';
import { commit } from '../../dist/bench/machine.js';
import { addon } from '../../dist/native.js';
import { deviceName, nominalRate } from './card.mjs';
import { device, emulated, firstLine, part, python, root } from './part.mjs';

/** What a command prints; undefined where it is not there or fails. */
function said(command, ...args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

await part('environment', async ({ record, skip, fail }) => {
  record('date', new Date().toISOString());
  // What travels may be no checkout; pack.mjs says then of what it was made.
  const packed = join(root, 'build', 'gpu', 'commit');
  record('commit', commit() ?? (existsSync(packed) ? readFileSync(packed, 'utf8') : undefined));
  record('host', {
    cpu: cpus()[0]?.model.trim(),
    cores: availableParallelism(),
    memory: totalmem(),
    node: process.version,
  });
  const fields = [
    'name',
    'driver_version',
    'memory.total',
    'clocks.sm',
    'clocks.max.sm',
    'clocks.mem',
    'power.limit',
  ];
  const answer = said('nvidia-smi', `--query-gpu=${fields.join()}`, '--format=csv,noheader');
  if (answer === undefined) skip('driver and clocks', 'nvidia-smi is not here');
  else
    record(
      'card',
      Object.fromEntries(
        answer
          .split('\n')[0]
          .split(', ')
          .map((value, i) => [fields[i], value]),
      ),
    );
  record('tools', {
    nvcc: said('nvcc', '--version')?.match(/V[\d.]+/)?.[0],
    'g++': said('g++', '-dumpfullversion'),
    'compute-sanitizer': said('compute-sanitizer', '--version')?.match(/[\d.]{4,}/)?.[0],
  });
  record('engine', addon().deviceInfo());

  const name = deviceName();
  record('device', name);
  record('nominal', nominalRate(name));
  record('copy', copyRate(device, name));
  const products = { ours: {} };
  for (const precision of ['f16', 'bf16', 'f32'])
    products.ours[precision] = productRate(device, name, precision);
  record('products', products);

  if (python === undefined) return skip('torch’s roofs', 'no Python with torch and transformers');
  try {
    const script = join(root, 'scripts', 'gpu-check', 'roofs.py');
    const place = emulated ? 'cpu' : 'cuda';
    const roofs = JSON.parse(execFileSync(python, [script, place], { encoding: 'utf8' }));
    record('torch', roofs.versions);
    record('products', { ...products, torch: roofs.products });
    record('torchCopy', roofs.copy);
  } catch (error) {
    fail(`torch’s roofs: ${firstLine(error)}`);
  }
});
