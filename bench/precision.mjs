// How far training in 16 bits strays from training in f32, here and in PyTorch's autocast: the thirty steps of
// test/golden/train in each precision, by `whisper-tune train` and by bench/peers/precision.py, from the same weights and data.
//
//   node bench/precision.mjs --peer PYTHON
//
// Prints JSON: for each side and precision the losses, and against the same side's f32 run the largest and the mean relative
// difference of a step's loss.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { flags } from '../test/golden/train/run.mjs';

const { values } = parseArgs({ options: { peer: { type: 'string' } } });
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'whisper-tune-precision-'));

/** Losses of the run through the command line. */
function ours(precision) {
  const output = join(folder, precision);
  const more = ['--save_strategy=no', `--precision=${precision}`];
  execFileSync(process.execPath, [path('../dist/cli/main.js'), 'train', ...flags(folder, output), ...more], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { log_history } = JSON.parse(readFileSync(join(output, 'trainer_state.json'), 'utf8'));
  return log_history.filter((row) => row.loss !== undefined).map((row) => row.loss);
}

function compared(losses) {
  const differences = losses.f32.map((loss, step) => ({
    bf16: Math.abs(losses.bf16[step] - loss) / loss,
    f16: Math.abs(losses.f16[step] - loss) / loss,
  }));
  const of = (precision) => {
    const values = differences.map((row) => row[precision]);
    return {
      largest: Math.max(...values),
      mean: values.reduce((sum, value) => sum + value, 0) / values.length,
      last: losses[precision].at(-1),
    };
  };
  return { f32: { last: losses.f32.at(-1) }, bf16: of('bf16'), f16: of('f16'), losses };
}

try {
  execFileSync(process.execPath, [path('../test/golden/train/export.mjs'), folder], { stdio: 'inherit' });
  const results = {
    'whisper-tune': compared({ f32: ours('f32'), bf16: ours('bf16'), f16: ours('f16') }),
  };
  if (values.peer) {
    const text = execFileSync(values.peer, [path('peers/precision.py'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    results.PyTorch = compared(JSON.parse(text));
  }
  console.log(JSON.stringify(results, undefined, 2));
} finally {
  rmSync(folder, { recursive: true });
}
