// What a command of the command line is, and what it is given to work with.
import { boolean, type Options, type Values } from '../train/option.js';
import type { Group } from './help.js';

/** Where a command writes: results to `out`, everything for people to `err`. */
export interface Terminal {
  out: (text: string) => void;
  err: (text: string) => void;
  /** The stream of a progress bar; absent where `err` is no terminal. */
  screen?: NodeJS.WriteStream | undefined;
}

export interface Invocation<O extends Options> {
  options: Values<O>;
  positionals: string[];
  given: ReadonlySet<string>;
  terminal: Terminal;
  /** Fires at the first SIGINT or SIGTERM. */
  signal: AbortSignal;
}

export interface Command<O extends Options = Options> {
  name: string;
  summary: string;
  /** Names of the arguments without a flag, for the help. */
  positionals: readonly string[];
  options: O;
  /** How the help orders them; what is in none comes last. */
  groups?: readonly Group[];
  /** The exit code. */
  run(invocation: Invocation<O>): Promise<number>;
}

/** What every command takes. */
export const commonOptions = {
  json: boolean('write the result to stdout as JSON', false),
  debug: boolean('show stack traces of errors', false),
};

/** One line of JSON, or indented where a person reads it. */
export function writeJson(terminal: Terminal, value: unknown): void {
  terminal.out(`${JSON.stringify(value, null, 2)}\n`);
}
