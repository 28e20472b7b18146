// A peer: a program that does the same work with another library, asked turn by turn over a pipe (bench/peers/peer.py).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileError, WhisperError } from '../errors.js';
import { packageRoot } from './machine.js';

export interface Peer {
  /** Libraries, versions and how they are used. */
  readonly name: string;
  /** Has it do what the command says and returns the milliseconds of each time. */
  turn(command?: string): Promise<readonly number[]>;
  /** The most that its tensors held on a GPU; on the CPU by how much its resident memory grew since its libraries were loaded. */
  bytes(): Promise<number>;
  /** Ends it, whatever it is doing. */
  close(): Promise<void>;
}

/**
 * Starts a script of bench/peers.
 *
 * @param python the interpreter that has the libraries
 * @param settings what the script is to know, as JSON
 * @throws WhisperError `ERR_FILE` when the script or the interpreter is not there, `ERR_INVALID_ARGUMENT` when the peer
 *   ends early or says something else than is expected, here and in turns
 */
export async function startPeer(python: string, script: string, settings: object): Promise<Peer> {
  const path = join(packageRoot, 'bench', 'peers', script);
  if (!existsSync(path)) {
    throw new WhisperError(
      'ERR_FILE',
      `--peer needs ${path}, which a published package leaves out: run it in a checkout of the repository`,
    );
  }
  const child = spawn(python, [path, JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'close').catch(() => undefined);
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw fileError('start the peer', python, cause);
  }
  const answers = new Answers(child, path, ended);
  const close = async (): Promise<void> => {
    child.kill();
    await ended;
  };
  try {
    const name = await answers.next();
    return {
      name,
      turn: async (command = 'turn') => answers.numbers(command),
      bytes: async () => (await answers.numbers('bytes'))[0]!,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The lines that the peer writes, one to each that it is sent. */
class Answers {
  readonly #child: ChildProcess;
  readonly #path: string;
  readonly #ended: Promise<unknown>;
  readonly #lines: AsyncIterator<string>;
  /** The end of what it wrote to stderr. */
  #complaint = '';

  constructor(child: ChildProcess, path: string, ended: Promise<unknown>) {
    this.#child = child;
    this.#path = path;
    this.#ended = ended;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    child.stderr!.on('data', (text: Buffer) => {
      this.#complaint = `${this.#complaint}${text}`.slice(-4000);
    });
    // A peer that ended shows in the answer that does not come.
    child.stdin!.on('error', () => {});
  }

  async next(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (!done) return value;
    await this.#ended;
    const { exitCode, signalCode } = this.#child;
    const last = this.#complaint.trim().split('\n').at(-1);
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `the peer ${this.#path} ended with ${signalCode ?? `exit code ${exitCode}`}${last ? `: ${last}` : ''}`,
    );
  }

  async numbers(command: string): Promise<number[]> {
    this.#child.stdin!.write(`${command}\n`);
    const answer = await this.next();
    let numbers: unknown;
    try {
      numbers = JSON.parse(answer);
    } catch {
      // Told below.
    }
    if (Array.isArray(numbers) && numbers.length > 0 && numbers.every(Number.isFinite)) return numbers;
    throw new WhisperError(
      'ERR_INVALID_ARGUMENT',
      `the peer ${this.#path} answered ${JSON.stringify(answer)} to ${JSON.stringify(command)}: expected a list of numbers`,
    );
  }
}
