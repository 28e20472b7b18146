// Flags of the command line: every way transformers' scripts take them, and the messages for those that are wrong.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseFlags } from '../../src/cli/flags.js';
import { describeOptions } from '../../src/cli/help.js';
import { trainingOptions } from '../../src/train/arguments.js';
import { required } from '../../src/train/option.js';
import { SCHEDULES } from '../../src/train/schedule.js';

const parse = (...argv: string[]) => parseFlags(['--output_dir', 'out', ...argv], trainingOptions).options;

describe('parseFlags', () => {
  it('takes snake case, kebab case, = and a following value', () => {
    expect(parse('--max_steps=5000').maxSteps).toBe(5000);
    expect(parse('--max-steps', '12').maxSteps).toBe(12);
    expect(parse('--learning_rate=1e-5').learningRate).toBe(1e-5);
    expect(parse('--max_steps', '-1').maxSteps).toBe(-1);
    expect(parse('--output_dir=a=b').outputDir).toBe('a=b');
  });

  it.each(['True', 'yes', 't', 'Y', '1'])('reads %s as true', (word) => {
    expect(parse('--freeze_encoder', word).freezeEncoder).toBe(true);
    expect(parse(`--freeze_encoder=${word}`).freezeEncoder).toBe(true);
  });

  it.each(['False', 'NO', 'f', 'n', '0'])('reads %s as false', (word) => {
    expect(parse('--do_normalize_eval', word).doNormalizeEval).toBe(false);
  });

  it('takes a bare boolean and its negation', () => {
    expect(parse('--freeze_encoder').freezeEncoder).toBe(true);
    expect(parse('--freeze_encoder', '--seed', '1').freezeEncoder).toBe(true);
    expect(parse('--no_do_normalize_eval').doNormalizeEval).toBe(false);
    expect(parse('--no-do-normalize-eval').doNormalizeEval).toBe(false);
  });

  it('knows aliases and unique beginnings', () => {
    expect(parse('--evaluation_strategy=steps').evalStrategy).toBe('steps');
    expect(parse('--eval_strategy', 'epoch').evalStrategy).toBe('epoch');
    expect(parse('--warmup_st', '7').warmupSteps).toBe(7);
    expect(parse('--evalu', 'steps').evalStrategy).toBe('steps');
    const options = { model_id: required('', { aliases: ['model_name_or_path'] }) };
    expect(parseFlags(['--model', 'x'], options).options.modelId).toBe('x');
  });

  it('takes the last of repeated flags and fills in defaults', () => {
    const options = parse('--seed', '1', '--seed', '2');
    expect(options.seed).toBe(2);
    expect(options.maxGradNorm).toBe(1);
    expect(options.evalSteps).toBeUndefined();
  });

  it('reads one JSON file, types as they are', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'flags-')), 'run.json');
    writeFileSync(path, JSON.stringify({ output_dir: 'o', max_steps: 3, evaluation_strategy: 'steps' }));
    const { options } = parseFlags([path], trainingOptions);
    expect(options).toMatchObject({ outputDir: 'o', maxSteps: 3, evalStrategy: 'steps' });
    writeFileSync(path, JSON.stringify({ output_dir: 'o', max_steps: '3' }));
    expect(() => parseFlags([path], trainingOptions)).toThrow(
      /max_steps must be a whole number of at least -1, got "3"$/,
    );
    writeFileSync(path, JSON.stringify({ output_dir: 'o', max_stepz: 3 }));
    expect(() => parseFlags([path], trainingOptions)).toThrow(
      /unknown option "max_stepz": did you mean --max_steps\?$/,
    );
    writeFileSync(path, '[1]');
    expect(() => parseFlags([path], trainingOptions)).toThrow(/must hold one JSON object/);
    writeFileSync(path, '{');
    expect(() => parseFlags([path], trainingOptions)).toThrow(/is not valid JSON/);
  });

  it('keeps positionals, also behind a bare boolean', () => {
    const parsed = parseFlags(
      ['--output_dir', 'o', '--freeze_encoder', 'a.wav', '--', '--b'],
      trainingOptions,
      2,
    );
    expect(parsed.positionals).toEqual(['a.wav', '--b']);
    expect(parsed.options.freezeEncoder).toBe(true);
    expect([...parsed.given]).toEqual(['output_dir', 'freeze_encoder']);
  });

  it.each([
    [['--max_step=x'], '--max_step must be a whole number of at least -1, got "x"'],
    [['--max_steps', '1.5'], '--max_steps must be a whole number of at least -1, got "1.5"'],
    [['--max_steps'], '--max_steps needs a value: a whole number of at least -1'],
    [['--max_steps', '--seed'], '--max_steps needs a value: a whole number of at least -1'],
    [['--learning_rate', ''], '--learning_rate must be a number of at least 0, got ""'],
    [
      ['--per_device_train_batch_size', '0'],
      '--per_device_train_batch_size must be a whole number of at least 1, got 0',
    ],
    [['--learning_rat=x'], '--learning_rat must be a number of at least 0, got "x"'],
    [['--lerning_rate=1'], 'unknown flag --lerning_rate: did you mean --learning_rate?'],
    [['--qqq'], 'unknown flag --qqq'],
    [['--eval_s', '1'], '--eval_s is ambiguous: it could be --eval_steps, --eval_strategy'],
    [['--freeze_encoder=maybe'], '--freeze_encoder must be true or false, got "maybe"'],
    [['--no_freeze_encoder=1'], '--no_freeze_encoder takes no value'],
    [
      ['--lr_scheduler_type', 'cubic'],
      `--lr_scheduler_type must be one of ${SCHEDULES.join(', ')}, got "cubic"`,
    ],
    [['extra'], 'unexpected argument "extra"'],
    [['-max_steps', '3'], 'unexpected argument "-max_steps" (flags begin with --: --max_steps)'],
    [['--output_dir='], '--output_dir must be a text, got ""'],
  ])('refuses %j', (argv, message) => {
    expect(() => parse(...argv)).toThrow(message);
    try {
      parse(...argv);
    } catch (error) {
      expect((error as Error).message).toBe(message);
      expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
  });

  it('names a missing required option', () => {
    expect(() => parseFlags([], trainingOptions)).toThrow('--output_dir is required');
  });

  it('describes every option in the help', () => {
    const help = describeOptions(trainingOptions);
    for (const name of Object.keys(trainingOptions)) expect(help).toContain(`--${name}`);
    expect(help).toContain('--eval_strategy, --evaluation_strategy no|steps|epoch');
    expect(help).toContain('(default: 0.00005)');
  });
});
