// Arguments from files: --args_file PATH, and COMMAND.args in the working directory, as HfArgumentParser has them.
import { existsSync, readFileSync } from 'node:fs';
import { fileError, WhisperError } from '../errors.js';

/** A word: its parts are bare or in quotes, as a shell has them; what begins with # is a remark to the line's end. */
const WORD = /#[^\n]*|(?:[^\s"']|"(?:[^"\\]|\\.)*"|'[^']*')+|["']/g;

/**
 * Puts the arguments of files before those of the command line, so that the latter count where both say something.
 *
 * @param automatic a file that is read where it exists and nothing names another
 * @returns the arguments, and the files they came from
 * @throws WhisperError `ERR_FILE` when a file cannot be read, `ERR_INVALID_ARGUMENT` for a quote without its end
 */
export function withArgsFiles(
  argv: readonly string[],
  automatic: string,
): { argv: string[]; files: string[] } {
  const rest: string[] = [];
  const files: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const match = /^--args[_-]file(?:=(.*))?$/s.exec(argv[i]!);
    if (!match) {
      rest.push(argv[i]!);
      continue;
    }
    const path = match[1] ?? argv[++i];
    if (!path || path.startsWith('--')) {
      throw new WhisperError('ERR_INVALID_ARGUMENT', '--args_file needs a value: a file of arguments');
    }
    files.push(path);
  }
  // A JSON file as the only argument is all of the options.
  const complete = argv.length === 1 && argv[0]!.endsWith('.json');
  if (files.length === 0 && !complete && existsSync(automatic)) files.push(automatic);
  return { argv: [...files.flatMap(readArguments), ...rest], files };
}

function readArguments(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw fileError('read', path, cause);
  }
  const words = (text.match(WORD) ?? []).filter((word) => !word.startsWith('#'));
  return words.map((word) => {
    if (/^["']$/.test(word)) {
      throw new WhisperError('ERR_INVALID_ARGUMENT', `${path}: a quote has no end`);
    }
    return word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, double?: string, single?: string) =>
      double === undefined ? single! : double.replace(/\\(.)/g, '$1'),
    );
  });
}
