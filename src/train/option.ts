// What an option is: its name, type, default and help in one place; types, checks, parsing and help follow from it.
import { z } from 'zod';
import { WhisperError } from '../errors.js';

/** The form of a text: "a size as 16GB" in words, `SIZE` in the help. */
export interface Form {
  readonly pattern: RegExp;
  readonly words: string;
  readonly placeholder: string;
}

/** One option. `value` exists for the type system only. */
export interface Option<T = unknown> {
  /** `strings` and `integers` are lists; `json` is any value, written as JSON on the command line. */
  readonly kind: 'string' | 'integer' | 'number' | 'boolean' | 'strings' | 'integers' | 'json';
  readonly help: string;
  readonly default: T;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  /** What a text must look like: for the check, for messages and for the help. */
  readonly form?: Form;
  /** The smallest value allowed. */
  readonly least?: number;
  /** Values must be above this one. */
  readonly above?: number;
  readonly most?: number;
  /** Other spellings of its name. */
  readonly aliases?: readonly string[];
  /** Other spellings of its choices. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** Of `strings`: a word is one text with the spaces and commas in it, as a path is. */
  readonly whole?: boolean;
  /** Of a list: a flag that comes again adds to it, instead of being the one that counts. */
  readonly repeats?: boolean;
  /** Of `json`: what it must be, for the check and in words. */
  readonly shape?: { readonly schema: z.ZodType; readonly words: string };
  readonly value?: T;
}

/** Options by their snake_case name. */
export type Options = Readonly<Record<string, Option>>;

type Limits = Pick<Option, 'least' | 'above' | 'most' | 'aliases'>;
type Widen<T> = T extends number
  ? number
  : T extends boolean
    ? boolean
    : T extends string
      ? string
      : undefined;

export function string<const D extends string | undefined>(
  help: string,
  value: D,
  more: Pick<Option, 'aliases' | 'form'> = {},
): Option<D extends undefined ? string | undefined : string> {
  return { kind: 'string', help, default: value as never, ...more };
}

export function required(help: string, more: Pick<Option, 'aliases'> = {}): Option<string> {
  return { kind: 'string', help, default: '', required: true, ...more };
}

export function choice<const C extends string, const D extends C | undefined>(
  help: string,
  choices: readonly C[],
  value: D,
  more: Pick<Option, 'aliases' | 'synonyms'> = {},
): Option<D extends undefined ? C | undefined : C> {
  return { kind: 'string', help, choices, default: value as never, ...more };
}

export function integer<D extends number | undefined>(
  help: string,
  value: D,
  more: Limits = {},
): Option<Widen<D> | number> {
  return { kind: 'integer', help, default: value as never, ...more };
}

export function number<D extends number | undefined>(
  help: string,
  value: D,
  more: Limits = {},
): Option<Widen<D> | number> {
  return { kind: 'number', help, default: value as never, ...more };
}

export function boolean<D extends boolean | undefined>(
  help: string,
  value: D,
  more: Pick<Option, 'aliases'> = {},
): Option<Widen<D> | boolean> {
  return { kind: 'boolean', help, default: value as never, ...more };
}

/** A list: several words after its flag, or one with commas between them. */
export function strings(
  help: string,
  more: Pick<Option, 'aliases' | 'repeats'> = {},
): Option<readonly string[] | undefined> {
  return { kind: 'strings', help, default: undefined, ...more };
}

/** A list of paths or names, one word each; there is at least one. */
export function requiredStrings(help: string, more: Pick<Option, 'aliases'> = {}): Option<readonly string[]> {
  return { kind: 'strings', help, default: [], required: true, whole: true, ...more };
}

/** A list of whole numbers, written as one of texts is. */
export function integers(
  help: string,
  more: Pick<Option, 'least' | 'aliases'> = {},
): Option<readonly number[] | undefined> {
  return { kind: 'integers', help, default: undefined, ...more };
}

/** A value with a structure: JSON on the command line, itself in a file of options. */
export function json<T extends z.ZodType>(
  help: string,
  schema: T,
  words: string,
): Option<z.infer<T> | undefined> {
  return { kind: 'json', help, default: undefined, shape: { schema, words } };
}

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S;

/** The values of options, under camelCase names, with their defaults. */
export type Values<O extends Options> = {
  -readonly [K in keyof O & string as Camel<K>]: O[K] extends Option<infer T> ? T : never;
};

/** `eval_steps` to `evalSteps`. */
export function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** What a value must be, in words: "a whole number of at least 1". */
export function expectation(option: Option): string {
  if (option.choices) return `one of ${option.choices.join(', ')}`;
  if (option.form) return option.form.words;
  const limit = [
    ...(option.least === undefined ? [] : [`of at least ${option.least}`]),
    ...(option.above === undefined ? [] : [`above ${option.above}`]),
    ...(option.most === undefined ? [] : [`of at most ${option.most}`]),
  ].join(' and ');
  const noun = {
    string: 'a text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    strings: 'a list of texts',
    integers: 'a list of whole numbers',
    json: option.shape?.words ?? 'JSON',
  };
  return limit ? `${noun[option.kind]} ${limit}` : noun[option.kind];
}

/** The check of one value. */
function schemaOf(option: Option): z.ZodType {
  if (option.choices) return z.enum(option.choices as [string, ...string[]]);
  if (option.form) return z.string().regex(option.form.pattern);
  if (option.kind === 'string') return z.string();
  if (option.kind === 'boolean') return z.boolean();
  if (option.kind === 'strings') return z.array(z.string());
  if (option.kind === 'json') return option.shape?.schema ?? z.unknown();
  const whole = option.kind === 'integer' || option.kind === 'integers';
  const one = numberSchema(option, whole);
  return option.kind === 'integers' ? z.array(one) : one;
}

function numberSchema(option: Option, whole: boolean): z.ZodType {
  let schema = whole ? z.int() : z.number();
  if (option.least !== undefined) schema = schema.min(option.least);
  if (option.above !== undefined) schema = schema.gt(option.above);
  if (option.most !== undefined) schema = schema.max(option.most);
  return schema;
}

/** A synonym as what it stands for, and one text as the list of it. */
function normal({ kind, synonyms }: Option, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (kind === 'strings') return [value];
  return synonyms?.[value] ?? value;
}

/**
 * Checks values given by snake_case or camelCase names and fills in the defaults.
 *
 * @param spell how messages write a name: `--eval_steps` on the command line, `evalSteps` in code
 * @throws WhisperError `ERR_INVALID_ARGUMENT` naming the option, what was expected and what came
 */
export function resolveOptions<O extends Options>(
  options: O,
  given: Readonly<Record<string, unknown>>,
  spell: (name: string) => string = camelCase,
): Values<O> {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    const value = given[name] ?? given[camelCase(name)];
    const came = normal(option, value);
    if (came === undefined || came === null) {
      if (option.required) throw new WhisperError('ERR_INVALID_ARGUMENT', `${spell(name)} is required`);
      values[camelCase(name)] = option.default;
      continue;
    }
    const empty = option.required && (came === '' || (Array.isArray(came) && came.length === 0));
    if (!schemaOf(option).safeParse(came).success || empty) {
      throw new WhisperError(
        'ERR_INVALID_ARGUMENT',
        `${spell(name)} must be ${expectation(option)}, got ${JSON.stringify(came) ?? String(came)}`,
      );
    }
    values[camelCase(name)] = came;
  }
  return values as Values<O>;
}
