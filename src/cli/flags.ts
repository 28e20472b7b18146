// Command-line flags as Hugging Face's scripts take them (argparse), read from the definitions of options.
import { readFileSync } from 'node:fs';
import { fileError, WhisperError } from '../errors.js';
import { expectation, type Option, type Options, resolveOptions, type Values } from '../train/option.js';

const TRUE = ['true', 'yes', 't', 'y', '1'];
const FALSE = ['false', 'no', 'f', 'n', '0'];
const LISTS: readonly Option['kind'][] = ['strings', 'integers'];

export interface Parsed<O extends Options> {
  options: Values<O>;
  /** What is no flag: files to transcribe. */
  positionals: string[];
  /** Names of the options that were given. */
  given: ReadonlySet<string>;
}

/**
 * Reads flags: `--max_steps 5`, `--max_steps="5"`, `--max-steps=5`, `--do_train`, `--do_train False`, `--no_do_train`,
 * a beginning that only one flag has (`--max_s 5`), lists (`--report_to a b`, `--report_to=a,b`), or one JSON file as the
 * only argument.
 *
 * @param positionals how many arguments may stand without a flag
 * @throws WhisperError `ERR_INVALID_ARGUMENT` with one line that names the flag
 */
export function parseFlags<O extends Options>(
  argv: readonly string[],
  options: O,
  positionals = 0,
): Parsed<O> {
  const [only] = argv;
  if (argv.length === 1 && only?.endsWith('.json') && positionals === 0) return fromJson(only, options);
  const values: Record<string, unknown> = {};
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    if (argument === '--') {
      rest.push(...argv.slice(i + 1));
      break;
    }
    if (!argument.startsWith('--')) {
      rest.push(argument);
      continue;
    }
    const equals = argument.indexOf('=');
    const flag = equals < 0 ? argument : argument.slice(0, equals);
    const { name, negated } = findFlag(flag, options);
    const option = options[name]!;
    const following = argv[i + 1];
    if (equals >= 0) {
      if (negated) throw usage(`${flag} takes no value`);
      values[name] = added(option, values[name], convertWords(flag, option, [argument.slice(equals + 1)]));
    } else if (option.kind === 'boolean') {
      // A word that is no boolean belongs to the command, as the file in `--json speech.wav`.
      const word = following?.toLowerCase();
      const takes = !negated && word !== undefined && [...TRUE, ...FALSE].includes(word);
      values[name] = negated ? false : takes ? convert(flag, option, argv[++i]!) : true;
    } else {
      if (following === undefined || following.startsWith('--')) {
        throw usage(`${flag} needs a value: ${expectation(option)}`);
      }
      const end = LISTS.includes(option.kind) ? endOfWords(argv, i + 1) : i + 2;
      values[name] = added(option, values[name], convertWords(flag, option, argv.slice(i + 1, end)));
      i = end - 1;
    }
  }
  if (rest.length > positionals) {
    const extra = rest[positionals]!;
    const flag =
      extra.startsWith('-') && !/^-[\d.]/.test(extra) ? ` (flags begin with --: --${extra.slice(1)})` : '';
    throw usage(`unexpected argument ${JSON.stringify(extra)}${flag}`);
  }
  return {
    options: resolveOptions(options, values, spellFlag),
    positionals: rest,
    given: new Set(Object.keys(values)),
  };
}

/** Where the words of a list end: before the next flag. */
function endOfWords(argv: readonly string[], from: number): number {
  const flag = argv.slice(from).findIndex((word) => word.startsWith('--'));
  return flag < 0 ? argv.length : from + flag;
}

function convertWords(flag: string, option: Option, words: readonly string[]): unknown {
  return option.whole ? words : convert(flag, option, words.join(','));
}

/** What a flag that comes again makes of what it was. */
function added({ repeats }: Option, before: unknown, value: unknown): unknown {
  return repeats && Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
}

/** How messages of the command line write an option's name. */
export function spellFlag(name: string): string {
  return `--${name}`;
}

function fromJson<O extends Options>(path: string, options: O): Parsed<O> {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw usage(`${path} is not valid JSON: ${cause.message}`);
    throw fileError('read', path, cause);
  }
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    throw usage(`${path} must hold one JSON object of options`);
  }
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(content)) {
    const name = Object.keys(options).find(
      (known) => known === key || options[known]!.aliases?.includes(key),
    );
    if (name === undefined) throw usage(`${path}: unknown option "${key}"${suggestion(key, options)}`);
    values[name] = value;
  }
  return {
    options: resolveOptions(options, values, (name) => `${path}: ${name}`),
    positionals: [],
    given: new Set(Object.keys(values)),
  };
}

function findFlag(flag: string, options: Options): { name: string; negated: boolean } {
  const wanted = flag.slice(2).replaceAll('-', '_');
  const spellings = flagSpellings(options);
  const exact = spellings.get(wanted);
  if (exact) return exact;
  const starting = [...spellings].filter(([spelling]) => wanted !== '' && spelling.startsWith(wanted));
  const targets = new Set(starting.map(([, { name, negated }]) => `${name} ${negated}`));
  if (targets.size === 1) return starting[0]![1];
  if (targets.size > 1) {
    const could = starting.map(([spelling]) => `--${spelling}`).sort();
    throw usage(`${flag} is ambiguous: it could be ${could.join(', ')}`);
  }
  throw usage(`unknown flag ${flag}${suggestion(wanted, options)}`);
}

/** Every spelling of every option in snake_case. */
function flagSpellings(options: Options): Map<string, { name: string; negated: boolean }> {
  const spellings = new Map<string, { name: string; negated: boolean }>();
  for (const [name, option] of Object.entries(options)) {
    for (const spelling of [name, ...(option.aliases ?? [])]) {
      spellings.set(spelling, { name, negated: false });
      if (option.kind === 'boolean') spellings.set(`no_${spelling}`, { name, negated: true });
    }
  }
  return spellings;
}

function convert(flag: string, option: Option, text: string): unknown {
  const wrong = (): WhisperError =>
    usage(`${flag} must be ${expectation(option)}, got ${JSON.stringify(text)}`);
  const whole = (word: string): number => {
    if (!/^[+-]?\d+$/.test(word)) throw wrong();
    return Number(word);
  };
  switch (option.kind) {
    case 'string':
      if (option.form && !option.form.pattern.test(text)) throw wrong();
      return text;
    case 'boolean': {
      const word = text.toLowerCase();
      if (TRUE.includes(word)) return true;
      if (FALSE.includes(word)) return false;
      throw wrong();
    }
    case 'integer':
      return whole(text.trim());
    case 'number': {
      const value = Number(text);
      if (text.trim() === '' || !Number.isFinite(value)) throw wrong();
      return value;
    }
    case 'strings':
      return wordsOf(text);
    case 'integers':
      return wordsOf(text).map(whole);
    case 'json':
      try {
        return JSON.parse(text);
      } catch {
        throw wrong();
      }
  }
}

function wordsOf(text: string): string[] {
  const words = text.split(/[\s,]+/);
  return words.filter((word) => word !== '');
}

function suggestion(wanted: string, options: Options): string {
  const near = [...flagSpellings(options).keys()]
    .map((spelling) => ({ spelling, distance: editDistance(wanted, spelling) }))
    .filter(({ distance, spelling }) => distance <= Math.max(2, spelling.length / 4))
    .sort((a, b) => a.distance - b.distance)[0];
  return near ? `: did you mean --${near.spelling}?` : '';
}

/** Levenshtein distance of two short words. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

function usage(message: string): WhisperError {
  return new WhisperError('ERR_INVALID_ARGUMENT', message);
}
