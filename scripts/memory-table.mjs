// Writes docs/memory.md: which batch fits which memory, and what a step is made of, all from the planner; and what
// bench/memory.mjs measured, from bench/results/memory.json.
//
//   node scripts/memory-table.mjs            write it
//   node scripts/memory-table.mjs --check    say whether it is what it would write
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NO_DROPOUT } from '../dist/model/config.js';
import { releasedDims } from '../dist/model/released.js';
import { engineOptions } from '../dist/train/engine-options.js';
import { largestFitting, planStep } from '../dist/train/memory/fit.js';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const DOCUMENT = path('docs/memory.md');
const MEASURED = path('bench/results/memory.json');

const MODELS = ['tiny', 'base', 'small', 'medium', 'large-v3', 'large-v3-turbo'];
const BUDGETS = [16, 24, 40, 80]; // GB
const LABELS = [448, 128];
const COMBINATIONS = {
  'f32, AdamW': ['f32', {}],
  'f16, AdamW': ['f16', {}],
  'f16, AdamW, checkpointing': ['f16', { gradientCheckpointing: true }],
  'f16, AdamW 8-bit, checkpointing': ['f16', { gradientCheckpointing: true, optim: 'adamw_8bit' }],
  'f16, Adafactor, checkpointing': ['f16', { gradientCheckpointing: true, optim: 'adafactor' }],
};
const OPTIMIZERS = ['adamw_torch', 'adamw_hf', 'adamw_bnb_8bit', 'adafactor', 'sgd'];
const POLICIES = ['none', 'selective', 'every:2', 'encoder', 'all'];
const SIZES = Array.from({ length: 4096 }, (_, i) => i + 1);

const workload = (model, labels, precision, options) => ({
  dims: releasedDims(model),
  rates: NO_DROPOUT,
  labels,
  precision,
  engine: engineOptions(options, precision),
});
const largest = async (model, labels, [precision, options], budget) =>
  (await largestFitting(workload(model, labels, precision, options), SIZES, budget * 1e9))?.rows ?? 0;
const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
const megabytes = (bytes) => Math.round(bytes / 1e6).toLocaleString('en');

async function batchTable() {
  const rows = [];
  for (const model of MODELS) {
    for (const [name, combination] of Object.entries(COMBINATIONS)) {
      const cells = [];
      for (const budget of BUDGETS) {
        const sizes = [];
        for (const labels of LABELS) sizes.push(await largest(model, labels, combination, budget));
        cells.push(sizes.every((rows) => rows === 0) ? '–' : sizes.map((rows) => rows || '–').join(' / '));
      }
      rows.push([model, name, ...cells]);
    }
  }
  return table(['model', 'training', ...BUDGETS.map((budget) => `${budget} GB`)], rows);
}

/** The event's page: per_device_train_batch_size by GPU, with --fp16 and --gradient_checkpointing. */
const EVENT = [
  ['small', 16, '16', '32'],
  ['medium', 16, '2', '16'],
  ['large-v3', 16, '', '8'],
  ['small', 40, '64', '64'],
  ['medium', 40, '32', '64'],
  ['large-v3', 40, '', '32'],
];

async function eventTable() {
  const rows = [];
  for (const [model, budget, plain, deepspeed] of EVENT) {
    const ours = [];
    for (const optim of ['adamw_torch', 'adamw_8bit']) {
      const combination = ['f16', { gradientCheckpointing: true, optim }];
      const sizes = [];
      for (const labels of LABELS) sizes.push((await largest(model, labels, combination, budget)) || '–');
      ours.push(sizes.join(' / '));
    }
    rows.push([model, `${budget} GB`, plain || '–', deepspeed, ...ours]);
  }
  return table(
    ['model', 'memory', 'event', 'event, DeepSpeed with offload', 'ours, AdamW', 'ours, AdamW 8-bit'],
    rows,
  );
}

const small = (precision, options) => planStep(workload('small', 128, precision, options), 16);

async function partsTable() {
  const rows = [];
  for (const precision of ['f32', 'f16']) {
    for (const policy of POLICIES) {
      const plans = [];
      for (const optim of OPTIMIZERS)
        plans.push(await small(precision, { optim, checkpointingPolicy: policy }));
      const { weights, masters, gradients, activations, workspace } = plans[0];
      rows.push([
        precision === 'f16' ? 'f16, bf16' : precision,
        policy,
        ...[weights, masters, gradients, activations, workspace].map(megabytes),
        ...plans.map(({ peak }) => megabytes(peak)),
      ]);
    }
  }
  const peaks = OPTIMIZERS.map((name) => `peak, ${name}`);
  const parts = ['weights', 'masters', 'gradients', 'activations', 'workspace'];
  return table(['precision', 'policy', ...parts, ...peaks], rows);
}

async function optimizerTable() {
  const row = [];
  for (const optim of OPTIMIZERS) row.push(megabytes((await small('f32', { optim })).optimizer));
  const embeddings = await small('f32', { optim: 'adamw_8bit', optim8bitEmbeddings: true });
  return table(
    [...OPTIMIZERS, 'adamw_bnb_8bit, embeddings too'],
    [[...row, megabytes(embeddings.optimizer)]],
  );
}

function measuredSection() {
  if (!existsSync(MEASURED)) return '';
  const { model, batch, labels, machine, rows } = JSON.parse(readFileSync(MEASURED, 'utf8'));
  const body = rows
    .filter(({ measured }) => measured)
    .map(({ precision, policy, optimizer, planned, measured, resident }) => {
      const ratio = `${((100 * measured) / planned - 100).toFixed(2)} %`;
      return [
        precision,
        policy,
        optimizer,
        megabytes(planned),
        megabytes(measured),
        ratio,
        megabytes(resident),
      ];
    });
  return `
## Planned and measured

whisper-${model}, micro-batches of ${batch} rows, labels of ${labels} tokens, MB, on ${machine}: what the plan says,
the most that the engine's tensors held at once in a real step, and by how much the process grew.

\`\`\`
node bench/memory.mjs --write bench/results/memory.json
\`\`\`

${table(['precision', 'policy', 'optimizer', 'planned', 'measured', 'difference', 'resident'], body)}
`;
}

async function document() {
  return `# Memory

Written by \`node scripts/memory-table.mjs\` from the planner, which runs the schedule of a training step on a back end that counts
bytes and computes nothing. \`whisper-tune plan MODEL\` and \`estimate()\` say the same for other sizes and options, and a test
holds the plan to two percent of what a step takes. GB and MB are decimal.

## Rows that fit

The largest micro-batch, for labels of ${LABELS.join(' / ')} tokens; – where not even one row fits. Every clip is 30 s to the
encoder, whatever its length. bf16 takes what f16 takes; checkpointing is \`--gradient_checkpointing\`, the policy \`all\`.
\`--auto_batch --memory_budget 16GB\` chooses within these by itself. What a GPU's driver keeps for itself is not counted.

${await batchTable()}

## Budgets

\`--memory_budget=16GB\` is the most that the engine's tensors, and the blocks it keeps for the next ones, may hold; Node and audio
on its way come on top. A budget that not even one row fits is refused before training, with the smallest that works and
what each switch would make of it.

\`--auto_batch\` plans: the largest micro-batch within the budget, or within four fifths of the memory that the system has left,
among those that divide the rows of an update, and as many of them as make it up. It plans for the longest label that
may come: the decoder's positions, or \`--max_label_length\`. \`--auto_find_batch_size\` tries instead. With either, a micro-batch
that does not fit after all is halved, for the rest of the run, and the same update is made again: rows weigh what they
weighed in the whole, and keep their masks, so that the update is the same up to rounding; only dropout draws other numbers. A
resumed run keeps the sizes it had.

## Beside the fine-tuning event's page

Its table of \`per_device_train_batch_size\` is for a V100 of 16 GB and an A100 of 40 GB, with \`--fp16 --gradient_checkpointing\`;
DeepSpeed there keeps optimizer and masters in the computer's memory. Ours are the largest that fit, with everything on the
device, for labels of ${LABELS.join(' / ')} tokens.

${await eventTable()}

## What a step is made of

whisper-small, micro-batches of 16 rows, labels of 128 tokens, MB. Weights are what layers compute with; behind those of 16
bits stand masters in f32. Activations are the most that a step holds besides, the workspace of operations among them.

${await partsTable()}

The optimizer's states, in every precision:

${await optimizerTable()}
${measuredSection()}`;
}

const text = await document();
if (process.argv.includes('--check')) {
  if (!existsSync(DOCUMENT) || readFileSync(DOCUMENT, 'utf8') !== text) {
    console.error('docs/memory.md is not what the planner says: run node scripts/memory-table.mjs');
    process.exitCode = 1;
  }
} else {
  writeFileSync(DOCUMENT, text);
}
