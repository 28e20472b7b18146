// One request to the Hub: its headers and body, waiting for ever for no byte, and what its failures mean.
import { setMaxListeners } from 'node:events';
import { cancelled, Transient } from './attempts.js';
import { HubError, refusal, type Subject } from './errors.js';
import type { HubSettings } from './settings.js';

/** The longest wait that a server may ask for. */
const LONGEST_ASKED = 300_000;
/** Whoever takes a body, or makes a commit of it, may take longer to answer than who sends one. */
const PATIENCE_FOR_WRITES = 10;

/** Ends an attempt when no byte came for too long, or when the caller wants no more. */
class Watch {
  readonly #controller = new AbortController();
  readonly #limit: number;
  readonly #caller: AbortSignal | undefined;
  readonly #cancel = () => this.#controller.abort(cancelled(this.#caller));
  #timer: NodeJS.Timeout | undefined;

  constructor(limit: number, caller: AbortSignal | undefined) {
    this.#limit = limit;
    this.#caller = caller;
    // Not AbortSignal.any: a signal that outlives thousands of requests would keep something of each.
    if (caller) {
      // Many requests at a time may listen to one signal; each takes its listener away.
      setMaxListeners(0, caller);
      caller.addEventListener('abort', this.#cancel, { once: true });
      if (caller.aborted) this.#cancel();
    }
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  restart(): void {
    if (this.#timer) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(
      () => this.#controller.abort(new Transient(`no byte came for ${this.#limit / 1000} s`)),
      this.#limit,
    );
  }

  pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  end(): void {
    this.pause();
    this.#caller?.removeEventListener('abort', this.#cancel);
  }

  /** What an error while it watched means. */
  failure(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason;
    return networkFailure(error);
  }
}

/** The head of an answer, and its body to come. */
export class Answer {
  readonly response: Response;
  readonly #watch: Watch;

  constructor(response: Response, watch: Watch) {
    this.response = response;
    this.#watch = watch;
  }

  /** The body, piece by piece; how long the taker takes over a piece is not counted against the server. */
  async *pieces(): AsyncGenerator<Uint8Array, void, void> {
    const reader = (this.response.body as ReadableStream<Uint8Array> | null)?.getReader();
    try {
      while (reader) {
        this.#watch.restart();
        const { done, value } = await reader.read().catch((error) => {
          throw this.#watch.failure(error);
        });
        this.#watch.pause();
        if (done) return;
        yield value;
      }
    } finally {
      this.#watch.end();
      await reader?.cancel().catch(() => {});
    }
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.pieces()) pieces.push(piece);
    const whole = Buffer.concat(pieces);
    return new Uint8Array(whole.buffer, whole.byteOffset, whole.length);
  }

  /** Leaves the body unread. */
  async discard(): Promise<void> {
    this.#watch.end();
    await this.response.body?.cancel().catch(() => {});
  }
}

export interface Request extends RequestInit {
  /** Statuses from 300 on that are an answer and no failure. */
  accepts?: (status: number) => boolean;
  /** Called with the number of bytes of the body as they leave. */
  onSent?: ((bytes: number) => void) | undefined;
}

/**
 * One attempt at a request; the token goes to the endpoint alone.
 *
 * @throws Transient for what may go better the next time, HubError for what will not
 */
export async function attempt(
  url: string,
  { accepts, onSent, ...init }: Request,
  subject: Subject,
  settings: HubSettings,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const reads = init.method === undefined || init.method === 'GET' || init.method === 'HEAD';
  const watch = new Watch(settings.retries.stall * (reads ? 1 : PATIENCE_FOR_WRITES), signal);
  const headers = new Headers(init.headers);
  headers.delete('authorization');
  if (settings.token !== undefined && new URL(url).origin === new URL(settings.endpoint).origin) {
    headers.set('authorization', `Bearer ${settings.token}`);
  }
  headers.set('user-agent', 'whisper-tune');
  const sent = (bytes: number) => {
    watch.restart();
    onSent?.(bytes);
  };
  const body = init.body instanceof Blob ? new WatchedBlob(init.body, sent) : init.body;
  let response: Response;
  try {
    response = await fetch(url, {
      ...init,
      ...(body == null ? {} : { body }),
      headers,
      signal: watch.signal,
    });
  } catch (error) {
    watch.end();
    throw watch.failure(error);
  }
  watch.pause();
  const answer = new Answer(response, watch);
  const { status } = response;
  if (response.ok || accepts?.(status)) return answer;
  try {
    if (status !== 408 && status !== 429 && status < 500) {
      const error = new Response(await answer.bytes(), { status, headers: response.headers });
      throw await refusal(error, subject, settings);
    }
  } finally {
    await answer.discard();
  }
  throw new Transient(`${new URL(url).host} answered ${status}`, {
    status,
    after: askedWait(response.headers),
  });
}

/** `Retry-After` in seconds or as a date, or the `t` of the Hub's `RateLimit: "api";r=0;t=55`, in milliseconds. */
function askedWait(headers: Headers): number | undefined {
  const after = headers.get('retry-after');
  const limit = /\br=0;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  const asked = after ?? limit;
  if (asked === null || asked === undefined) return undefined;
  const wait = /^\s*\d+\s*$/.test(asked) ? 1000 * Number(asked) : Date.parse(asked) - Date.now();
  return Number.isFinite(wait) ? Math.min(Math.max(wait, 0), LONGEST_ASKED) : undefined;
}

/** fetch says "fetch failed" or "terminated", and what happened in the cause. */
function networkFailure(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  const cause = error.cause as (NodeJS.ErrnoException & { errors?: unknown[] }) | undefined;
  const code = cause?.code ?? '';
  const words: Record<string, string> = {
    ECONNREFUSED: 'the connection was refused',
    ECONNRESET: 'the connection was reset',
    ENOTFOUND: 'there is no such host, or no network',
    EAI_AGAIN: 'the host’s address could not be found out',
    ETIMEDOUT: 'the connection timed out',
    UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
    UND_ERR_SOCKET: 'the connection broke off',
    UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was cut short',
  };
  const reason = words[code] ?? (cause?.message || error.message);
  // A certificate that is not trusted will not be the next time either.
  if (/CERT|TLS|SSL/.test(code)) return new HubError(`${reason} (${code})`, { cause: error });
  return new Transient(reason, { cause: error });
}

/** A body whose bytes are counted on their way out. */
class WatchedBlob extends Blob {
  override readonly size: number;
  readonly #content: Blob;
  readonly #sent: (bytes: number) => void;

  constructor(content: Blob, sent: (bytes: number) => void) {
    super([], { type: content.type });
    this.size = content.size;
    this.#content = content;
    this.#sent = sent;
  }

  override slice(start?: number, end?: number): Blob {
    return this.#content.slice(start, end);
  }

  override arrayBuffer(): Promise<ArrayBuffer> {
    return this.#content.arrayBuffer();
  }

  override stream(): ReturnType<Blob['stream']> {
    const sent = this.#sent;
    return this.#content.stream().pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(piece, controller) {
          sent(piece.length);
          controller.enqueue(piece);
        },
      }),
    );
  }
}
