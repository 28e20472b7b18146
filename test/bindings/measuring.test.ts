// What the addon offers to benchmarks: times of operations and of the encoder, and the machine's roofs.
import { describe, expect, it } from 'vitest';
import { addon } from '../../src/native.js';
import { noise, stored } from '../helpers/ops.js';
import { open } from './helpers.js';

const { isas } = addon().deviceInfo();
const positive = { asymmetricMatch: (x: unknown) => Number.isFinite(x) && (x as number) > 0 };

describe('opTimes', () => {
  const operands = () => {
    const [x, w] = [noise(64 * 64, 1, 'f32'), noise(64 * 64, 2, 'f32')];
    return [new Float32Array(64 * 64).fill(7), x, w].map((data) => ({ data, shape: [64, 64] }));
  };

  it('runs an operation as often as it is told, and leaves the outputs alone', () => {
    const all = operands();
    const times = addon().opTimes('cpu', 3, 2, false).linear!(...all, null);
    expect([...times]).toEqual([positive, positive, positive]);
    expect(all[0]!.data.every((y) => y === 7)).toBe(true);
  });

  it('takes what the operation takes', () => {
    const narrow = operands().map((operand) => stored(operand, 'bf16'));
    expect(addon().opTimes('cpu', 2, 1, false).linear!(...narrow, null)).toHaveLength(2);
    const wrong = { data: new Float32Array(5), shape: [5] };
    expect(() => addon().opTimes('cpu', 2, 1, false).linear!(wrong, ...operands().slice(1), null)).toThrow(
      /y/,
    );
  });

  it('refuses to run nothing', () => {
    expect(() => addon().opTimes('cpu', 0, 1, false)).toThrow('repeats: expected at least 1, got 0');
    expect(() => addon().opTimes('cpu', 1, 0, false)).toThrow('calls: expected at least 1, got 0');
    expect(() => addon().opTimes('tpu', 1, 1, false)).toThrow('device: expected auto');
  });
});

describe('roofs', () => {
  it.each(isas)('are measured by %s', async (isa) => {
    const before = process.env.WHISPER_TUNE_ISA;
    process.env.WHISPER_TUNE_ISA = isa;
    const roofs = await addon()
      .roofs()
      .finally(() => {
        if (before === undefined) delete process.env.WHISPER_TUNE_ISA;
        else process.env.WHISPER_TUNE_ISA = before;
      });
    expect(roofs.f32).toEqual({ oneThread: positive, allThreads: positive });
    expect(Object.keys(roofs)).toEqual(/^(avx512bf16|amx)$/.test(isa) ? ['bf16', 'f32'] : ['f32']);
  });
});

it('times the encoder, and takes clips of any length', async () => {
  const model = await open();
  try {
    expect([await model.timeEncoder([noise(4000, 3, 'f32'), noise(100, 4, 'f32')])]).toEqual([positive]);
  } finally {
    await model.dispose();
  }
});
