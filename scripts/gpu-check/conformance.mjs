// Part `conformance`: what kernels are written in (native/cuda/gpu), and every operation of a training step, on the same
// operands on the device and on the emulator.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { operationsOf } from '../../dist/bench/ops.js';
import { WhisperError } from '../../dist/errors.js';
import { addon } from '../../dist/native.js';
import { device, emulated, firstLine, part, root, toyDims } from './part.mjs';

const EMULATOR = ['build/emulator/Release/cuda_emulator.node', 'build/gpu/cuda_emulator.node'];

/** The program that calls the wrappers (test/emulator/conformance), beside what it expects. */
const WRAPPERS = emulated
  ? [['build/emulator/emulator_conformance', 'build/emulator/conformance.expected']]
  : [
      ['build/gpu/conformance', 'build/gpu/conformance.expected'],
      ['build/cuda/conformance', 'build/emulator/conformance.expected'],
    ];
/** Seconds for all of them, of which most are for opening the GPU. */
const WRAPPERS_SECONDS = 8;

/**
 * Both make the same arithmetic but for what hardware does in its own way: sums within a tensor core's product, exp2 and
 * the reciprocal root. So far may results be apart, by the root mean square of their difference beside theirs: by sums of
 * f32 in another order, and by a rounding to 16 bits that now and then falls the other way.
 */
const FAR = { f32: 1e-6, f16: 2e-4, bf16: 2e-3 };

/** The numbers of an operand's data. */
function numbers({ data, dtype }) {
  if (dtype === undefined) return data;
  const wide = new Float32Array(data.length);
  addon()
    .ops('cpu')
    .cast({ data: wide, shape: [data.length] }, { data, dtype, shape: [data.length] });
  return wide;
}

const isOperand = (operand) => operand?.data !== undefined;
const copied = (operand) => (isOperand(operand) ? { ...operand, data: operand.data.slice() } : operand);

/** How many elements of two operands differ, and how far they are apart. */
function difference(ours, theirs) {
  const [a, b] = [numbers(ours), numbers(theirs)];
  let [different, off, all] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i])) {
      all += a[i] ** 2;
      continue;
    }
    different++;
    off += (a[i] - b[i]) ** 2;
    all += b[i] ** 2;
  }
  return { different, elements: a.length, distance: different === 0 ? 0 : Math.sqrt(off / all) };
}

/** What the program said of its cases. */
function checkWrappers([program, expectations], { record, fail }) {
  const chosen = /^cuda:(\d+)$/.exec(device);
  const { status, error, stdout, stderr } = spawnSync(
    program,
    [expectations, ...(chosen ? [`--device=${chosen[1]}`] : [])],
    {
      encoding: 'utf8',
      timeout: WRAPPERS_SECONDS * 1000,
      killSignal: 'SIGKILL',
    },
  );
  console.log(`${stdout}${stderr}`);
  const wrong = [...stdout.matchAll(/^FAILED (.*)/gm)].map(([, what]) => what);
  const skipped = [...stdout.matchAll(/^skipped (.*)/gm)].map(([, what]) => what);
  const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(stdout) ?? [];
  record('wrappers', { passed: Number(passed ?? 0), failed: Number(failed ?? 1), skipped });
  for (const what of wrong) fail(`wrapper ${what}`);
  if (passed !== undefined) return;
  const last = stdout.trim().split('\n').at(-1);
  const why = error?.code === 'ETIMEDOUT' ? `not done in ${WRAPPERS_SECONDS} s` : `ended with ${status}`;
  fail(`wrappers: ${why}${last && `, in ${last}`}: ${stderr.trim() || 'nothing said'}`);
}

await part('conformance', async ({ add, fail, record, skip }) => {
  const wrappers = WRAPPERS.map((files) => files.map((file) => join(root, file))).find((files) =>
    files.every(existsSync),
  );
  if (wrappers) checkWrappers(wrappers, { record, fail });
  else skip('wrappers', 'their program or what it expects is not here: scripts/gpu-check.sh pack makes both');

  const path = EMULATOR.map((file) => join(root, file)).find(existsSync);
  if (path === undefined)
    return skip('operations', 'the emulator is not here: npm run build:emulator before packing');
  const emulator = createRequire(import.meta.url)(path);
  emulator.setErrorClass(WhisperError);
  const [onDevice, onEmulator] = [addon().ops(device), emulator.ops('cuda-emulator')];

  for (const precision of ['f32', 'f16', 'bf16']) {
    for (const { name, prepare } of operationsOf({ dims: toyDims, precision, batch: 2, labels: 13 })) {
      try {
        // The operation is run on two copies of its operands, and all of them are compared: outputs and inputs alike.
        const compare = (op, operands) => {
          const [ours, theirs] = [operands.map(copied), operands.map(copied)];
          onDevice[op](...ours);
          onEmulator[op](...theirs);
          const found = ours.flatMap((operand, i) =>
            isOperand(operand) ? [difference(operand, theirs[i])] : [],
          );
          const different = found.reduce((sum, one) => sum + one.different, 0);
          const distance = Math.max(...found.map((one) => one.distance));
          add('operations', { name, precision, different, distance });
          if (!(distance <= FAR[precision])) fail(`${name} in ${precision} is ${distance} from the emulator`);
        };
        prepare()(
          new Proxy(
            {},
            {
              get:
                (_, op) =>
                (...operands) =>
                  compare(op, operands),
            },
          ),
        );
      } catch (error) {
        fail(`${name} in ${precision}: ${firstLine(error)}`);
      }
    }
  }
});
