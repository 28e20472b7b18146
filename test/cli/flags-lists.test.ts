// Lists, structures and files of arguments on the command line, as argparse and HfArgumentParser take them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { withArgsFiles } from '../../src/cli/args-file.js';
import { parseFlags } from '../../src/cli/flags.js';
import { describeGroups } from '../../src/cli/help.js';
import { integer, integers, json, resolveOptions, strings } from '../../src/train/option.js';
import { run, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const file = (name: string, text: string): string => {
  writeFileSync(join(folder.path, name), text);
  return join(folder.path, name);
};

const options = {
  report_to: strings('where to'),
  extra: strings('again and again', { repeats: true }),
  ids: integers('tokens', { least: 0 }),
  steps: integer('steps', 1),
  kwargs: json('more', z.record(z.string(), z.number()), 'an object of numbers'),
};
const parse = (...argv: string[]) => parseFlags(argv, options).options;

describe('lists', () => {
  it('take several words, commas, or both', () => {
    expect(parse('--report_to', 'a', 'b', '--steps', '2')).toMatchObject({ reportTo: ['a', 'b'], steps: 2 });
    expect(parse('--report_to=a,b').reportTo).toEqual(['a', 'b']);
    expect(parse('--report_to', 'a, b', 'c').reportTo).toEqual(['a', 'b', 'c']);
    expect(parse('--ids', '220', '50257').ids).toEqual([220, 50257]);
    expect(parse('--ids=1,2').ids).toEqual([1, 2]);
    expect(parse().ids).toBeUndefined();
  });

  it('are replaced by the last flag, unless they may be given again', () => {
    expect(parse('--report_to', 'a', '--report_to', 'b').reportTo).toEqual(['b']);
    expect(parse('--extra', 'a', '--extra=b,c').extra).toEqual(['a', 'b', 'c']);
  });

  it('may be one text in a file of options', () => {
    expect(resolveOptions(options, { report_to: 'tensorboard' }).reportTo).toEqual(['tensorboard']);
    expect(resolveOptions(options, { ids: [1] }).ids).toEqual([1]);
  });

  it.each([
    [['--report_to'], '--report_to needs a value: a list of texts'],
    [['--ids', 'x'], '--ids must be a list of whole numbers of at least 0, got "x"'],
    [['--ids=1,-2'], '--ids must be a list of whole numbers of at least 0, got [1,-2]'],
  ])('refuse %j', (argv, message) => expect(() => parse(...argv)).toThrow(message));
});

describe('structures', () => {
  it('are JSON', () => {
    expect(parse('--kwargs', '{"num_cycles": 2}').kwargs).toEqual({ num_cycles: 2 });
    expect(() => parse('--kwargs={')).toThrow('--kwargs must be an object of numbers, got "{"');
    expect(() => parse('--kwargs=[1]')).toThrow('--kwargs must be an object of numbers, got [1]');
  });
});

describe('files of arguments', () => {
  it('stand before the command line', () => {
    const path = file('run.args', '--steps="5000"  # not so many\n\n--report_to \'a b\' "c \\"d\\""\n');
    const { argv, files } = withArgsFiles(['--args_file', path, '--steps', '3'], 'train.args');
    expect(argv).toEqual(['--steps=5000', '--report_to', 'a b', 'c "d"', '--steps', '3']);
    expect(files).toEqual([path]);
    expect(withArgsFiles([`--args-file=${path}`], 'none').argv).toHaveLength(4);
  });

  it('are found beside, and left alone where another is named or a JSON file says all', () => {
    const beside = file('train.args', '--steps=7');
    const other = file('other.args', '--steps=8');
    expect(withArgsFiles([], beside)).toEqual({ argv: ['--steps=7'], files: [beside] });
    expect(withArgsFiles(['--args_file', other], beside).files).toEqual([other]);
    expect(withArgsFiles(['run.json'], beside)).toEqual({ argv: ['run.json'], files: [] });
  });

  it('must be there and whole', async () => {
    expect(() => withArgsFiles(['--args_file', '/nowhere/x.args'], 'none')).toThrow(
      'cannot read /nowhere/x.args: no such file or folder',
    );
    for (const argv of [['--args_file'], ['--args_file='], ['--args_file', '--steps']])
      expect(() => withArgsFiles(argv, 'none')).toThrow('--args_file needs a value');
    const path = file('open.args', '--steps="5');
    expect(() => withArgsFiles(['--args_file', path], 'none')).toThrow(`${path}: a quote has no end`);
    const { code, err } = await run('env', '--args_file', file('env.args', '--nothing'));
    expect(code).toBe(2);
    expect(err).toContain('arguments from ');
    expect(err).toContain('unknown flag --nothing');
  });
});

describe('the help', () => {
  it('shows every option once, in its group', () => {
    const help = describeGroups(options, [{ title: 'Steps', options: { steps: options.steps } }]);
    expect(help).toMatch(/^Steps:\n {2}--steps N\n/);
    expect(help).toMatch(/\n\nMore:\n {2}--report_to TEXT …\n/);
    expect(help.match(/--steps/g)).toHaveLength(1);
  });
});
