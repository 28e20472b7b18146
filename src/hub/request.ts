// Requests of the Hub's API: whole answers, repeated until they are complete; also as the `fetch` of @huggingface/hub.

import { Attempts, Transient } from './attempts.js';
import type { Subject } from './errors.js';
import { attempt, type Request } from './fetch.js';
import type { HubSettings } from './settings.js';

/**
 * A whole answer.
 *
 * @param request sent again as it is where an attempt fails: its body must not be a stream
 * @throws HubError, or WhisperError `ERR_CANCELLED`
 */
export async function request(
  url: string,
  init: Request,
  subject: Subject,
  settings: HubSettings,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; response: Response }> {
  const attempts = new Attempts(subject.doing, settings, signal);
  const { onSent } = init;
  for (;;) {
    let sent = 0;
    const count = (bytes: number) => {
      sent += bytes;
      onSent?.(bytes);
    };
    try {
      const answer = await attempt(url, { ...init, onSent: count }, subject, settings, signal);
      const bytes = await answer.bytes();
      checkComplete(answer.response, bytes);
      return { bytes, response: answer.response };
    } catch (failure) {
      if (sent > 0) onSent?.(-sent);
      await attempts.next(failure);
    }
  }
}

/** The JSON of an answer. */
export async function requestJson<T>(
  path: string,
  subject: Subject,
  settings: HubSettings,
  signal?: AbortSignal,
): Promise<T> {
  const { bytes } = await request(
    `${settings.endpoint}${path}`,
    { headers: { accept: 'application/json' } },
    subject,
    settings,
    signal,
  );
  return JSON.parse(new TextDecoder().decode(bytes)) as T;
}

/**
 * What @huggingface/hub takes as its fetch: repeats what fails and throws errors in this package's words.
 *
 * @param onSent is called with the bytes of a file that left, and with less than nothing where they have to leave again
 */
export function libraryFetch(
  subject: Subject,
  settings: HubSettings,
  signal: AbortSignal | undefined,
  onSent?: (bytes: number, path: string) => void,
): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof globalThis.Request ? input.url : String(input);
    // The library says so of uploads, for those who show their progress.
    const { progressHint } = init as { progressHint?: { path: string } };
    const count = progressHint && onSent && ((bytes: number) => onSent(bytes, progressHint.path));
    const both = init.signal ?? signal;
    const { bytes, response } = await request(url, { ...init, onSent: count }, subject, settings, both);
    const empty = response.status === 204 || response.status === 205;
    return new Response(empty ? null : bytes, { status: response.status, headers: response.headers });
  };
}

/** A proxy may end an answer early with every sign of being complete. */
function checkComplete(response: Response, bytes: Uint8Array): void {
  if (!/\bjson\b/.test(response.headers.get('content-type') ?? '') || bytes.length === 0) return;
  if (/ndjson/.test(response.headers.get('content-type')!)) return;
  try {
    JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new Transient('the answer was cut short', { cause });
  }
}
