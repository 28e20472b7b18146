// Answers that go wrong on purpose, as a plan says.
import type { ServerResponse } from 'node:http';

/** Which requests a fault is for. */
interface When {
  /** Tested against `METHOD /path?query`. Default: a file's bytes, `/resolve/` and `/storage/`. */
  on?: RegExp;
  /** How many of them it meets. Default: 1. */
  times?: number;
  /** How many of them go well before. Default: 0. */
  skip?: number;
}

/**
 * - `drop`: the connection breaks after so many bytes of the body.
 * - `refuse`: it breaks before any answer.
 * - `status`: another status, with `Retry-After` where given.
 * - `truncate`: a shorter body that looks complete, as a proxy's may.
 * - `trickle`: the body in pieces of so many bytes, each in its own turn of the event loop.
 * - `stall`: after so many bytes, nothing more; the connection stays open.
 * - `etag`: another ETag.
 * - `corrupt`: one byte of the body is another.
 * - `range`: another range than was asked for, by what `Content-Range` says.
 */
export type Fault = When &
  (
    | { kind: 'drop' | 'truncate' | 'stall'; after: number }
    | { kind: 'trickle'; bytes: number }
    | { kind: 'status'; status: number; retryAfter?: number | string }
    | { kind: 'refuse' | 'etag' | 'corrupt' | 'range' }
  );

/** Those that come instead of an answer; the others change one that has a body. */
const INSTEAD = ['status', 'refuse'];

/**
 * The first fault of the plan that a request meets, or, with the status of its answer, the answer does; used up as it is
 * met. Of redirects only the ETag can be wrong.
 */
export function takeFault(plan: Fault[], request: string, status?: number): Fault | undefined {
  for (const fault of plan) {
    if (INSTEAD.includes(fault.kind) !== (status === undefined)) continue;
    if (status !== undefined && status >= (fault.kind === 'etag' ? 400 : 300)) continue;
    if (!(fault.on ?? /^GET .*\/(resolve|storage)\//).test(request)) continue;
    if ((fault.skip ?? 0) > 0) {
      fault.skip!--;
      continue;
    }
    if (fault.times === 0) continue;
    fault.times = (fault.times ?? 1) - 1;
    return fault;
  }
  return undefined;
}

/** Sends an answer, with what the fault makes of it. */
export async function send(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Buffer,
  fault: Fault | undefined,
): Promise<void> {
  let bytes = body;
  const given: Record<string, string> = { ...headers };
  if (fault?.kind === 'corrupt' && body.length > 0) {
    bytes = Buffer.from(body);
    bytes[bytes.length >> 1]! ^= 1;
  }
  if (fault?.kind === 'etag' && status < 400) given.ETag = '"0000000000000000000000000000000000000000"';
  if (fault?.kind === 'etag' && given['X-Linked-ETag']) given['X-Linked-ETag'] = given.ETag!;
  if (fault?.kind === 'range') {
    given['Content-Range'] = 'bytes 1-2/*';
    bytes = Buffer.alloc(body.length);
  }
  if (fault?.kind === 'truncate') bytes = bytes.subarray(0, fault.after);
  given['Content-Length'] = String(bytes.length);
  response.writeHead(status, given);
  if (fault?.kind === 'drop') {
    response.write(bytes.subarray(0, fault.after), () => response.destroy());
    return;
  }
  if (fault?.kind === 'stall') {
    response.flushHeaders();
    response.write(bytes.subarray(0, fault.after));
    return;
  }
  if (fault?.kind === 'trickle') {
    for (let at = 0; at < bytes.length && !response.destroyed; at += fault.bytes) {
      await new Promise((sent) => response.write(bytes.subarray(at, at + fault.bytes), sent));
      await new Promise((turn) => setImmediate(turn));
    }
    response.end();
    return;
  }
  response.end(bytes);
}
