// What the Hub refuses, in one line each that says what to do.
import { WhisperError } from '../errors.js';
import { describeRepository, pagePath, type Repository } from './repository.js';
import type { HubSettings } from './settings.js';

/** What a request is about, for messages. */
export interface Subject {
  /** For `cannot …`: "read the file x of the model y". */
  doing: string;
  repository?: Repository | undefined;
  path?: string | undefined;
  /** Whether it changes something there. */
  writes?: boolean | undefined;
}

/** An `ERR_HUB` with what the server said, if it said anything. */
export class HubError extends WhisperError {
  /** The HTTP status; undefined where no answer came. */
  readonly status: number | undefined;
  /** The Hub's own word for it: `RepoNotFound`, `RevisionNotFound`, `EntryNotFound`, `GatedRepo`. */
  readonly reason: string | undefined;

  constructor(
    message: string,
    options: ErrorOptions & { status?: number | undefined; reason?: string | undefined } = {},
  ) {
    super('ERR_HUB', message, options);
    this.status = options.status;
    this.reason = options.reason;
  }

  /** Whether the server could not be reached or could not answer, so that the cache may stand in. */
  get unreachable(): boolean {
    return this.status === undefined || this.status >= 500 || this.status === 429 || this.status === 408;
  }

  /** Whether there is no such repository, revision or file, or none for whoever asked. */
  get missing(): boolean {
    return this.status === 401 || this.status === 404;
  }
}

/** How a token is given. */
const GIVE = 'give it as HF_TOKEN, by --token, or with "hf auth login"';

/**
 * The error for an answer that repeating the request would not change.
 *
 * The codes are those of `X-Error-Code` (huggingface_hub, utils/_http.py: hf_raise_for_status). Who gives no token is told
 * 401 of what is missing, so that private names cannot be found out.
 */
export async function refusal(
  response: Response,
  subject: Subject,
  settings: HubSettings,
): Promise<HubError> {
  const said = await saidBy(response);
  const reason = response.headers.get('x-error-code') ?? undefined;
  const message = explain(response, said, subject, settings);
  return new HubError(message, { status: response.status, reason });
}

function explain(response: Response, said: string, subject: Subject, settings: HubSettings): string {
  const { repository, path, writes } = subject;
  const { endpoint, token } = settings;
  const { status } = response;
  const code = response.headers.get('x-error-code');
  const cannot = `cannot ${subject.doing}`;
  const make = `make one at ${endpoint}/settings/tokens`;
  if (status === 401 && (/^Invalid credentials|expired/.test(said) || writes)) {
    return token === undefined
      ? `${cannot}: the Hub wants a token with the right to write: ${make} and ${GIVE}`
      : `${cannot}: the Hub does not know the token: ${make} and ${GIVE}`;
  }
  if (repository) {
    const name = describeRepository(repository);
    if (code === 'GatedRepo') {
      const who =
        token === undefined ? `, and ${GIVE.replace('it', 'a token')}` : ' as the owner of the token';
      return `${cannot}: ${name} is gated: accept its conditions at ${endpoint}${pagePath(repository)}${who}`;
    }
    if (code === 'RevisionNotFound') {
      return `${cannot}: ${name} has no revision ${JSON.stringify(repository.revision ?? 'main')}`;
    }
    if (code === 'EntryNotFound' && path !== undefined) return `${cannot}: ${name} has no file ${path}`;
    if (status === 401 || status === 404) {
      return token === undefined
        ? `${cannot}: ${endpoint} shows no ${kind(repository)} of that name without a token: check the name; for a private one ${GIVE.replace('it', 'a token')}`
        : `${cannot}: ${endpoint} shows no ${kind(repository)} of that name to the owner of the token: check the name`;
    }
    if (status === 403 && writes) {
      return `${cannot}: the token may not write there${said && ` (${said})`}: ${make} with the right to write, and ${GIVE}`;
    }
    if (status === 403) return `${cannot}: the token may not read it${said && ` (${said})`}`;
  }
  if (status === 416) return `${cannot}: the file is shorter than the Hub says it is`;
  return `${cannot}: ${new URL(endpoint).host} answered ${status}${said && `: ${said}`}`;
}

function kind({ type }: Repository): string {
  return type === 'model' ? 'model' : 'data set';
}

/** The server's own words, in one line. */
async function saidBy(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message');
  const text = header ?? (await response.text().catch(() => ''));
  let said = text;
  try {
    const content = JSON.parse(text) as { error?: unknown; message?: unknown };
    said = String(content.error ?? content.message ?? '');
  } catch {
    if (/^\s*</.test(text)) said = '';
  }
  return said.replace(/\s+/g, ' ').trim().slice(0, 300);
}
