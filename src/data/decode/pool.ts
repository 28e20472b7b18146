// Decoding threads: a pool that decodes files beside the event loop, with a limit on time.
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { WhisperError } from '../../errors.js';
import type { ClipChange } from '../augment.js';
import type { DecodedAudio } from './audio.js';
import type { Examination, Examined } from './examine.js';

/** One file to decode: a path or the bytes. */
export interface DecodeJob {
  path?: string;
  /** The real file must lie in this folder. */
  root?: string;
  bytes?: Uint8Array;
  /** Seconds: only this part of the file at the path. */
  start?: number;
  end?: number;
  /** Mono audio, already decoded. */
  decoded?: { samples: Float32Array; sampleRate: number };
  /** Files whose header says that they are outside are not decoded. */
  limits?: { minSeconds: number; maxSeconds: number };
  /** Hz: the channels are mixed to one and brought to this rate; without it they stay as they are in the file. */
  sampleRate?: number;
  /** What is done to it then; needs a `sampleRate`. A speed that takes it out of the limits is left out. */
  change?: ClipChange;
}

export type DecodeReply =
  /** With the speed it is played at, where that is not 1. */
  | { outcome: 'decoded'; audio: DecodedAudio; speed?: number }
  | { outcome: 'too-short' | 'too-long'; seconds: number }
  | { outcome: 'missing' | 'undecodable'; detail: string }
  | { outcome: 'outside-folder'; real: string };

/** One file to look at. */
export interface ExamineJob extends Pick<DecodeJob, 'path' | 'root' | 'start' | 'end' | 'bytes'> {
  examine: Examination;
}

export type ExamineReply =
  | ({ outcome: 'examined' } & Examined)
  | Extract<DecodeReply, { outcome: 'missing' | 'undecodable' | 'outside-folder' }>;

/** Decodes files; {@link DecoderPool} is the one that exists, tests bring their own. */
export interface Decoder {
  /** Files decoded at the same time. */
  readonly threads: number;
  decode(job: DecodeJob): Promise<DecodeReply>;
}

// The thread runs compiled JavaScript: beside this file in dist/, and there too when this file itself is run as
// TypeScript by the test runner, which a plain thread does not know of.
const workerUrl = import.meta.url.endsWith('.ts')
  ? new URL('../../../dist/data/decode/worker.js', import.meta.url)
  : new URL('./worker.js', import.meta.url);

/** Time for one file: a hundred times what the slowest decoder needs, for a decoder that a damaged file made run for ever. */
function timeLimit(bytes: number): number {
  return 60_000 + Math.ceil(bytes / 50);
}

export interface DecoderPoolOptions {
  /** At most; threads are started as they are needed. Default: as many as cores, at most 8. */
  threads?: number;
}

/**
 * A pool of decoding threads. They do not keep the process alive and end after half a minute without work.
 */
export class DecoderPool implements Decoder {
  readonly threads: number;
  readonly #pool: Piscina;

  constructor(options: DecoderPoolOptions = {}) {
    // None is left out for the model: where it waits for data its cores are free, and where it does not, few threads work.
    this.threads = options.threads ?? Math.min(8, availableParallelism());
    this.#pool = new Piscina({
      filename: fileURLToPath(workerUrl),
      minThreads: 0,
      maxThreads: this.threads,
      idleTimeout: 30_000,
    });
  }

  /** Decodes one file. Rejects only when the thread itself fails; what is wrong with the file is in the reply. */
  decode(job: DecodeJob): Promise<DecodeReply> {
    return this.#run(job);
  }

  /** Says what a file is like, as `decode` does of one that it decodes. */
  examine(job: ExamineJob): Promise<ExamineReply> {
    return this.#run(job);
  }

  async #run<R extends DecodeReply | ExamineReply>(job: DecodeJob | ExamineJob): Promise<R> {
    const known = job.bytes?.length ?? ('decoded' in job ? job.decoded?.samples.byteLength : undefined);
    const size = known ?? (await stat(job.path!).catch(() => undefined))?.size ?? 0;
    const limit = timeLimit(size);
    const signal = AbortSignal.timeout(limit);
    try {
      return await this.#pool.run(job, { signal });
    } catch (cause) {
      // The pool has ended the thread and will start another.
      if (signal.aborted)
        return { outcome: 'undecodable', detail: `not decoded within ${Math.round(limit / 1000)} s` } as R;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new WhisperError(
        'ERR_DATA',
        `the decoding thread failed on ${job.path ?? 'audio bytes'}: ${message}`,
        {
          cause,
        },
      );
    }
  }

  /** Ends the threads; what is being decoded is given up. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

let shared: DecoderPool | undefined;

/** The pool of this process, made at the first call. */
export function decoderPool(): DecoderPool {
  shared ??= new DecoderPool();
  return shared;
}
