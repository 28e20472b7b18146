// whisper-tune env: what this machine and this installation offer, and whether a model runs.

import { ffmpegVersion } from '../data/decode/ffmpeg.js';
import { ownFormats } from '../data/index.js';
import { addon, type NativeDims, type NativeGpu } from '../native.js';
import { formatBytes } from '../train/memory/bytes.js';
import { type Command, commonOptions, writeJson } from './command.js';

const options = { ...commonOptions };

/** A model of 0.1 M parameters with windows of half a second. */
const TINY: NativeDims = {
  mels: 80,
  source: 25,
  target: 16,
  width: 64,
  encoderLayers: 1,
  encoderHeads: 1,
  encoderFfn: 128,
  decoderLayers: 1,
  decoderHeads: 1,
  decoderFfn: 128,
  vocab: 100,
  padding: 98,
  start: 99,
};

export const envCommand: Command<typeof options> = {
  name: 'env',
  summary:
    'Say what this machine offers: devices, instruction sets, audio decoders, and whether a model runs.',
  positionals: [],
  options,
  async run({ options, terminal }) {
    const { version, gpus, ...device } = addon().deviceInfo();
    const ffmpeg = await ffmpegVersion();
    const forward = await forwardPass();
    const report = {
      version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      ...device,
      gpus,
      decoders: ownFormats,
      ffmpeg: ffmpeg ?? null,
      forward,
    };
    if (options.json) writeJson(terminal, report);
    else {
      const lines = { ...report, gpus: gpus.length > 0 ? gpus.map(describeGpu) : 'none' };
      for (const [name, value] of Object.entries(lines)) terminal.out(`${name.padEnd(10)} ${show(value)}\n`);
    }
    return forward.ok ? 0 : 1;
  },
};

/** A forward pass of a random model on a second of noise: its loss must be a number near log(vocabulary). */
async function forwardPass(): Promise<{ ok: boolean; detail: string }> {
  try {
    const model = await addon().openModel('auto', TINY, 'f32');
    try {
      await model.initialise('hf', 1);
      const noise = Float32Array.from({ length: 8000 }, (_, i) => Math.sin(i * i * 0.01) / 4);
      const labels = Int32Array.from([1, 2, 3, 98]);
      const { sums, tokens } = await model.loss({ samples: [noise], labels, time: labels.length });
      const loss = sums[0]! / tokens[0]!;
      const ok = Math.abs(loss - Math.log(TINY.vocab)) < 1;
      return { ok, detail: `loss ${loss.toFixed(4)} on ${model.device}` };
    } finally {
      await model.dispose();
    }
  } catch (error) {
    return { ok: false, detail: (error as Error).message };
  }
}

/** For example `cuda:0 NVIDIA H200 (150 GB, compute capability 9.0)`. */
function describeGpu({ device, name, memory, capability, problem }: NativeGpu): string {
  const words = `${device} ${name} (${formatBytes(memory)}, compute capability ${capability})`;
  return problem ? `${words}: ${problem}` : words;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return value.join(', ');
  if (value !== null && typeof value === 'object') {
    const { ok, detail } = value as { ok: boolean; detail: string };
    return `${ok ? 'works' : 'FAILS'}: ${detail}`;
  }
  return value === null ? 'not found' : String(value);
}
