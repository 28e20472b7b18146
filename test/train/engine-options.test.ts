// What options come to: precision, optimizer, policy, loss scale, dropout, learning rates and sizes, and which of them
// cannot be together.
import { describe, expect, it } from 'vitest';
import { parseFlags, spellFlag } from '../../src/cli/flags.js';
import { choosePrecision } from '../../src/cli/model.js';
import { NO_DROPOUT, parseModelConfig } from '../../src/model/config.js';
import type { Precision } from '../../src/native.js';
import { precisionOptions, trainerOptions } from '../../src/train/arguments.js';
import { checkLossScale, checkTogether } from '../../src/train/checks.js';
import { engineOptions } from '../../src/train/engine-options.js';
import { formatBudget, formatBytes, parseBytes } from '../../src/train/memory/bytes.js';
import { ratesAt } from '../../src/train/step.js';

const parse = (...flags: string[]) => {
  const { options } = parseFlags(['--output_dir=out', ...flags], trainerOptions);
  checkTogether(options, spellFlag);
  return options;
};
const precision = (...flags: string[]) => choosePrecision(parseFlags(flags, precisionOptions).options);
const engine = (precision: Precision, ...flags: string[]) => engineOptions(parse(...flags), precision);

describe('precision', () => {
  it.each([
    [[], 'f32'],
    [['--fp16'], 'f16'],
    [['--bf16'], 'bf16'],
    [['--precision=bf16'], 'bf16'],
    [['--fp16', '--precision=f16'], 'f16'],
    [['--fp16=False', '--bf16'], 'bf16'],
  ])('of %j is %s', (flags, expected) => expect(precision(...flags)).toBe(expected));

  it.each([
    [['--fp16', '--bf16'], '--fp16 and --bf16 exclude each other: give one of them'],
    [['--fp16', '--precision=f32'], '--fp16 means --precision f16, got f32: leave one of them out'],
    [['--bf16', '--precision=f16'], '--bf16 means --precision bf16, got f16: leave one of them out'],
    [['--precision=f64'], '--precision must be one of f32, f32-fast, f16, bf16, got "f64"'],
  ])('of %j is refused', (flags, message) => expect(() => precision(...flags)).toThrow(message));
});

describe('the optimizer', () => {
  it.each([
    [[], 'adamw_torch'],
    [['--optim=adamw_torch_fused'], 'adamw_torch'],
    [['--optim=adamw_hf'], 'adamw_hf'],
    [['--optim=adamw_8bit'], 'adamw_bnb_8bit'],
    [['--optim=adamw_bnb_8bit'], 'adamw_bnb_8bit'],
    [['--adafactor'], 'adafactor'],
    [['--adafactor', '--optim=adafactor'], 'adafactor'],
    [['--optim=sgd'], 'sgd'],
  ])('of %j is %s', (flags, expected) => expect(engine('f32', ...flags).optimizer).toBe(expected));

  it('of 8 bits takes its switches', () => {
    expect(
      engine('f32', '--optim=adamw_8bit', '--optim_8bit_embeddings', '--optim_8bit_guard'),
    ).toMatchObject({
      eightBitEmbeddings: true,
      guardVanished: true,
    });
  });

  it.each([
    [['--optim=lion'], /--optim must be one of adamw_torch, .*sgd, got "lion"$/],
    [['--adafactor', '--optim=sgd'], /--adafactor means --optim adafactor, got sgd$/],
    [['--optim_8bit_guard'], /--optim_8bit_guard needs --optim adamw_bnb_8bit, got adamw_torch$/],
    [
      ['--optim_8bit_embeddings', '--adafactor'],
      /--optim_8bit_embeddings needs --optim adamw_bnb_8bit, got adafactor$/,
    ],
    [
      ['--freeze_encoder', '--encoder_learning_rate=1e-5'],
      /--encoder_learning_rate has no meaning with --freeze_encoder$/,
    ],
    [
      ['--freeze_decoder', '--decoder_learning_rate=1e-5'],
      /--decoder_learning_rate has no meaning with --freeze_decoder$/,
    ],
    [
      ['--freeze_decoder', '--freeze_encoder'],
      /--freeze_encoder and --freeze_decoder leave nothing to train: give one of them$/,
    ],
  ])('of %j is refused', (flags, message) => expect(() => parse(...flags)).toThrow(message));
});

describe('a frozen part', () => {
  it.each([
    [[], false, false],
    [['--freeze_encoder'], true, false],
    [['--freeze_decoder', '--encoder_learning_rate=1e-5'], false, true],
  ])('of %j', (flags, freezeEncoder, freezeDecoder) =>
    expect(engine('f32', ...flags)).toMatchObject({ freezeEncoder, freezeDecoder }),
  );
});

describe('the checkpointing policy', () => {
  it.each([
    [[], 'none', 1],
    [['--gradient_checkpointing'], 'all', 1],
    [['--gradient_checkpointing', '--checkpointing_policy=all'], 'all', 1],
    [['--checkpointing_policy=encoder'], 'encoder', 1],
    [['--checkpointing_policy=selective'], 'selective', 1],
    [['--checkpointing_policy', 'every:3'], 'every', 3],
  ])('of %j is %s', (flags, checkpointing, checkpointEvery) =>
    expect(engine('f32', ...flags)).toMatchObject({ checkpointing, checkpointEvery }),
  );

  it.each([
    [
      ['--gradient_checkpointing', '--checkpointing_policy=none'],
      '--gradient_checkpointing means --checkpointing_policy all, got none: leave one of them out',
    ],
    [
      ['--checkpointing_policy=some'],
      '--checkpointing_policy must be one of none, encoder, all, selective, every:N, got "some"',
    ],
    [['--checkpointing_policy=every:0'], /selective, every:N, got "every:0"/],
    [['--checkpointing_policy=every'], /selective, every:N, got "every"/],
  ])('of %j is refused', (flags, message) => expect(() => parse(...flags)).toThrow(message));
});

describe('the loss scale', () => {
  it('is there in f16 alone', () => {
    expect(engine('f16')).toMatchObject({
      lossScaler: 'torch',
      initialLossScale: 65536,
      lossScaleWindow: 2000,
    });
    expect(engine('f16', '--loss_scaler=deepspeed')).toMatchObject({
      lossScaler: 'deepspeed',
      lossScaleWindow: 1000,
      lossScaleHysteresis: 2,
      minLossScale: 1,
    });
    expect(engine('bf16').lossScaler).toBe('none');
    expect(engine('f32').lossScaler).toBe('none');
  });

  it.each<[Precision, string[], string]>([
    [
      'bf16',
      ['--loss_scaler=torch'],
      '--loss_scaler needs precision f16, got bf16: only f16 has a loss scale',
    ],
    [
      'f32',
      ['--initial_loss_scale=8'],
      '--initial_loss_scale needs precision f16, got f32: only f16 has a loss scale',
    ],
    ['f16', ['--min_loss_scale=2'], '--min_loss_scale needs --loss_scaler deepspeed, got torch'],
    [
      'f16',
      ['--loss_scaler=torch', '--loss_scale_hysteresis=1'],
      '--loss_scale_hysteresis needs --loss_scaler deepspeed, got torch',
    ],
    [
      'f16',
      ['--loss_scaler=deepspeed', '--min_loss_scale=4', '--initial_loss_scale=2'],
      '--min_loss_scale must be at most --initial_loss_scale, got 4 and 2',
    ],
  ])('in %s with %j is refused', (precision, flags, message) => {
    expect(() => checkLossScale(parse(...flags), precision, spellFlag)).toThrow(message);
  });
});

describe('dropout', () => {
  it('is what the configuration says, unless an option says otherwise', () => {
    const rates = parseModelConfig({ dropout: 0.1, activation_dropout: 0.2, decoder_layerdrop: 0.3 });
    expect(
      engineOptions(parse('--activation_dropout=0', '--encoder_layerdrop=0.4'), 'f32', rates),
    ).toMatchObject({
      dropout: 0.1,
      attentionDropout: 0,
      activationDropout: 0,
      encoderLayerdrop: 0.4,
      decoderLayerdrop: 0.3,
    });
    expect(engineOptions(parse(), 'f32', NO_DROPOUT)).toMatchObject({ dropout: 0, decoderLayerdrop: 0 });
    expect(() => parse('--dropout=1')).toThrow('--dropout must be a number of at least 0 and of at most');
  });
});

describe('learning rates', () => {
  it('have their own peaks for encoder and decoder, and one schedule', () => {
    const options = parse('--learning_rate=4', '--decoder_learning_rate=8', '--warmup_steps=2');
    expect(ratesAt(options, 1, 10)).toEqual({ learningRate: 2, encoderRate: 2, decoderRate: 4 });
    expect(ratesAt({ ...options, encoderLearningRate: 1 }, 6, 10)).toEqual({
      learningRate: 2,
      encoderRate: 0.5,
      decoderRate: 4,
    });
  });
});

describe('sizes', () => {
  it.each([
    ['16GB', 16e9],
    ['1.5 MB', 1_500_000],
    ['512kb', 512_000],
    ['24GiB', 24 * 2 ** 30],
    ['0.5MiB', 2 ** 19],
    ['3KiB', 3072],
    ['1TB', 1e12],
  ])('%s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(['16', '16G', '-1GB', '0GB', 'GB', '1e3MB', '16 gigs', ''])('%j is refused', (text) => {
    expect(() => parse(`--memory_budget=${text}`)).toThrow(
      `--memory_budget must be a size above 0 as 16GB or 24GiB (KB, MB, GB, TB, KiB, MiB, GiB, TiB), got "${text}"`,
    );
  });

  it.each([
    [999, '999 B', '999B'],
    [1000, '1.00 KB', '1.00KB'],
    [1_582_346_112, '1.58 GB', '1.59GB'],
    [15_820_000_001, '15.8 GB', '15.9GB'],
    [999_600, '1.00 MB', '1.00MB'],
    [123_400_000_000, '123 GB', '124GB'],
  ])('%i bytes are written %s and, as a budget that holds them, %s', (bytes, text, budget) => {
    expect(formatBytes(bytes)).toBe(text);
    expect(formatBudget(bytes)).toBe(budget);
    expect(parseBytes(budget.replace(/^999B$/, '1KB'))).toBeGreaterThanOrEqual(bytes);
  });
});
