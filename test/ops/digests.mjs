// Runs operations whose sums are shared among threads and prints digests of their results as JSON. With `workers`, does
// so on the main thread and on a worker thread at the same time and says whether they agree.
import { createHash } from 'node:crypto';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { addon } from '../../dist/native.js';

let state = 1;
const noise = (...shape) => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  }),
  shape,
});
const integers = (end, ...shape) => ({
  data: Int32Array.from(noise(...shape).data, (v) => (v + 1) * 0.5 * end),
  shape,
});
// The upper halves of f32.
const bf16 = ({ data, shape }) => ({
  data: Uint16Array.from(new Uint32Array(data.buffer), (bits) => bits >>> 16),
  shape,
  dtype: 'bf16',
});
const storages = { f32: (operand) => operand, bf16 };

function digests() {
  state = 1;
  const ops = addon().ops('cpu');
  const found = {};
  const run = (name, outputs, ...read) => {
    const [op] = name.split(',');
    ops[op](...outputs, ...read);
    const hash = createHash('sha256');
    for (const { data } of outputs) hash.update(new Uint8Array(data.buffer));
    found[name] = hash.digest('hex');
  };
  const [rows, width, vocab] = [500, 96, 1500];
  for (const [storage, stored] of Object.entries(storages)) {
    const x = (...shape) => stored(noise(...shape));
    const [mean, rstd] = [noise(rows), noise(rows)];
    run(
      `layernorm, ${storage}`,
      [x(rows, width), noise(rows), noise(rows)],
      noise(rows, width),
      noise(width),
      noise(width),
    );
    run(
      `layernormBackward, ${storage}`,
      [noise(rows, width), noise(width), noise(width)],
      ...[x(rows, width), noise(rows, width), mean, rstd, noise(width)],
    );
    run(`linear, ${storage}`, [x(rows, width)], x(rows, 200), x(width, 200), noise(width));
    // What a step of decoding does: few rows, and few queries over several parts of the keys.
    run(`linear, ${storage}, few rows`, [x(8, vocab)], x(8, 200), x(vocab, 200), noise(vocab));
    run(
      `attention, ${storage}, few queries`,
      [x(3, 2, 128), noise(3, 2, 2)],
      ...[x(3, 2, 128), x(3, 700, 128), x(3, 700, 128), 2, true, { rate: 0, key: 1, stream: 2 }],
    );
    run(
      `linearBackward, ${storage}`,
      [x(rows, 200), noise(width, 200), noise(width)],
      ...[x(rows, width), x(rows, 200), x(width, 200), false],
    );
    const labels = integers(vocab, rows);
    run(
      `classifier, ${storage}`,
      [noise(rows), x(rows, width), noise(vocab, width)],
      ...[x(rows, width), labels, x(vocab, width), 1, 0.1],
    );
    // Heads that are cut into parts, and heads enough to be left whole.
    for (const [batch, heads, time] of [
      [2, 2, 150],
      [17, 1, 150],
    ]) {
      for (const rate of [0, 0.1]) {
        const what = `${storage}, ${batch * heads} heads, dropout ${rate}`;
        const row = () => x(batch, time, 64 * heads);
        const [q, k, v, o, lse] = [row(), row(), row(), row(), noise(batch, heads, time)];
        const how = [heads, true, { rate, key: 1, stream: 2 }];
        run(`attention, ${what}`, [o, lse], q, k, v, ...how);
        run(`attentionBackward, ${what}`, [row(), row(), row()], row(), q, k, v, o, lse, ...how);
      }
    }
  }
  run('embedBackward', [noise(50, width), noise(100, width)], noise(5, 100, width), integers(50, 5, 100), 3);
  run('norm', [noise(1)], noise(300_000));
  run('argmax', [integers(1, rows), noise(rows)], noise(rows, vocab), null);
  const n = 50_000;
  const positive = (...shape) => ({ data: noise(...shape).data.map(Math.abs), shape });
  const codes = () => ({ data: Uint8Array.from(integers(256, n).data), shape: [n] });
  const [scale, hyper] = [positive(1), { lr: 0.1, t: 3 }];
  run(
    'adamw8bit',
    [noise(n), codes(), codes(), positive(196), positive(196)],
    ...[noise(n), scale, hyper, false, null],
  );
  run(
    'adafactor',
    [noise(rows, width), positive(rows), positive(width)],
    ...[noise(rows, width), scale, hyper, null],
  );
  return { device: ops.device, digests: found };
}

if (!isMainThread) {
  parentPort.postMessage(digests().digests);
} else if (process.argv[2] === 'workers') {
  const worker = new Worker(new URL(import.meta.url));
  const theirs = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  const ours = digests().digests;
  console.log(JSON.stringify({ same: JSON.stringify(ours) === JSON.stringify(await theirs) }));
} else {
  try {
    console.log(JSON.stringify(digests()));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
