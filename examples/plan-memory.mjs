// How much memory a training step takes, and what it is for, by precision, optimizer and checkpointing policy: node examples/plan-memory.mjs [MODEL]
import { estimate } from 'whisper-tune';

const [model = 'small'] = process.argv.slice(2);
const shape = { batchSize: 16, labelLength: 128 };
const choices = [
  { precision: 'f32', optim: 'adamw_torch', checkpointingPolicy: 'none' },
  { precision: 'bf16', optim: 'adamw_torch', checkpointingPolicy: 'none' },
  { precision: 'bf16', optim: 'adamw_torch', checkpointingPolicy: 'all' },
  { precision: 'bf16', optim: 'adamw_bnb_8bit', checkpointingPolicy: 'all' },
  { precision: 'bf16', optim: 'adafactor', checkpointingPolicy: 'all' },
];
for (const choice of choices) {
  const { peak, optimizer, activations } = await estimate(model, { ...shape, ...choice });
  const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
  console.log(
    `${Object.values(choice).join(', ').padEnd(32)} peak ${gigabytes(peak)}: ` +
      `optimizer ${gigabytes(optimizer)}, activations ${gigabytes(activations)}`,
  );
}
