#!/usr/bin/env node
// The whisper-tune command: finds the command asked for, runs it, and turns its end into an exit code.
import { readFileSync, realpathSync } from 'node:fs';
import { argv, stderr, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Command as Program } from 'commander';
import pc from 'picocolors';
import { WhisperError } from '../errors.js';
import { withArgsFiles } from './args-file.js';
import { benchCommand } from './bench.js';
import type { Command, Terminal } from './command.js';
import { envCommand } from './env.js';
import { evaluateCommand } from './evaluate.js';
import { parseFlags } from './flags.js';
import { describeGroups } from './help.js';
import { mergeCommand } from './merge.js';
import { optimizerCommand } from './optimizer.js';
import { planCommand } from './plan.js';
import { preflightCommand } from './preflight.js';
import { pushCommand } from './push.js';
import { trainCommand } from './train.js';
import { transcribeCommand } from './transcribe.js';

const commands = [
  trainCommand,
  evaluateCommand,
  transcribeCommand,
  pushCommand,
  planCommand,
  preflightCommand,
  mergeCommand,
  optimizerCommand,
  benchCommand,
  envCommand,
] as Command[];

/**
 * Runs one command line.
 *
 * @param args what stands after `whisper-tune`
 * @returns the exit code: 0 done, 1 failed or stopped, 2 wrong usage
 */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const asksHelp = args[0] === 'help';
  const command = commands.find(({ name }) => name === args[asksHelp ? 1 : 0]);
  if (!command) return topLevel(args, terminal);
  const rest = asksHelp ? ['--help'] : args.slice(1);
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.out(help(command));
    return 0;
  }
  const stop = stopOnSignals(terminal);
  try {
    const { argv, files } = withArgsFiles(rest, `${command.name}.args`);
    for (const file of files) terminal.err(`arguments from ${file}\n`);
    const parsed = parseFlags(argv, command.options, command.positionals.length);
    return await command.run({ ...parsed, terminal, signal: stop.signal });
  } catch (error) {
    const debug = rest.some((argument) => /^--debug(=true)?$/i.test(argument));
    terminal.err(describeError(error, debug));
    return error instanceof WhisperError && error.code === 'ERR_INVALID_ARGUMENT' ? 2 : 1;
  } finally {
    stop.release();
  }
}

/** No command, help, the version, or a word that is no command: commander's part. */
function topLevel(args: readonly string[], terminal: Terminal): number {
  const program = new Program('whisper-tune')
    .description('Fine-tune, evaluate and run OpenAI Whisper.')
    .version(version())
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err });
  for (const { name, summary } of commands) program.command(name).description(summary);
  program.addHelpText('after', '\nwhisper-tune COMMAND --help lists the options of a command.');
  try {
    program.parse(args.length > 0 ? [...args] : ['--help'], { from: 'user' });
    return 0;
  } catch (error) {
    const { code } = error as { code?: string };
    return code === 'commander.helpDisplayed' || code === 'commander.version' ? 0 : 2;
  }
}

function help({ name, summary, positionals, options, groups }: Command): string {
  const usage = ['whisper-tune', name, ...positionals, '[options]'].join(' ');
  const spelling =
    'Options may be written with _ or -, with = or a space, and cut short where one only begins so. They may also stand ' +
    `in a file: --args_file PATH, ${name}.args here, or OPTIONS.json as the only argument.`;
  return `Usage: ${usage}\n\n${summary}\n\n${spelling}\n\n${describeGroups(options, groups)}\n`;
}

/** One line for people; the stack and what caused it only when asked for. */
function describeError(error: unknown, debug: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = `${pc.red('error')}: ${message.split('\n')[0]}\n`;
  if (!debug) return line;
  const lines: string[] = [];
  for (let at: unknown = error; at !== undefined; at = (at as { cause?: unknown }).cause) {
    lines.push(at instanceof Error ? (at.stack ?? at.message) : String(at));
    if (typeof at !== 'object' || at === null) break;
  }
  return `${line}${lines.join('\ncaused by: ')}\n`;
}

/** The first SIGINT or SIGTERM asks the command to come to an end, the second ends the process at once. */
function stopOnSignals(terminal: Terminal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(1);
    terminal.err(`\n${name}: stopping; once more to quit at once\n`);
    controller.abort(name);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}

function version(): string {
  const path = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

// npm starts this file through a link in node_modules/.bin.
if (argv[1] !== undefined && realpathSync(argv[1]) === fileURLToPath(import.meta.url)) {
  // A reader that went away (`whisper-tune … | head`) is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.exitCode = await main(argv.slice(2), {
    out: (text) => stdout.write(text),
    err: (text) => stderr.write(text),
    screen: stderr.isTTY ? stderr : undefined,
  });
}
