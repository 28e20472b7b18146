// Where the Hub is, who asks, and where downloads are kept: the environment variables and files of Python's huggingface_hub.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { WhisperError } from '../errors.js';

/** How long a request that fails is repeated. */
export interface Retries {
  /** How often a request is tried before its failure is told; an answer that goes on begins the count anew. */
  attempts: number;
  /** Milliseconds before the second attempt; each later wait is twice the one before, half a minute at most. */
  wait: number;
  /** Milliseconds without a byte after which an attempt has failed. */
  stall: number;
}

/** What every call to the Hub needs; `hubSettings` makes it. */
export interface HubSettings {
  /** Address of the server, without a slash at its end. */
  endpoint: string;
  /** Sent to the endpoint alone. */
  token?: string;
  /** The folder `hub` of Python's huggingface_hub: one folder for each repository. */
  cacheDir: string;
  /** Whether only the cache is read. */
  offline: boolean;
  retries: Retries;
  /** Told, in one line each, of what people want to know although it is no error: renames, repeats, the cache's part. */
  notice?: ((line: string) => void) | undefined;
}

/** What replaces the environment's settings; undefined replaces nothing. */
export interface HubOverrides {
  endpoint?: string | undefined;
  token?: string | undefined;
  cacheDir?: string | undefined;
  offline?: boolean | undefined;
  retries?: Partial<Retries> | undefined;
  notice?: ((line: string) => void) | undefined;
}

const RETRIES: Retries = { attempts: 8, wait: 1000, stall: 30_000 };

/**
 * The settings of the environment: `HF_ENDPOINT`, `HF_TOKEN` (or what `hf auth login` wrote), `HF_HOME`, `HF_HUB_CACHE`,
 * `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`, `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_DOWNLOAD_TIMEOUT` (seconds without a
 * byte), and `WHISPER_TUNE_HUB_WAIT` (milliseconds before a failed request is repeated for the first time).
 *
 * @throws WhisperError `ERR_INVALID_ARGUMENT` for an endpoint that is no address and a token that is none
 */
export function hubSettings(overrides: HubOverrides = {}): HubSettings {
  const { env } = process;
  const home = expand(env.HF_HOME || join(env.XDG_CACHE_HOME || '~/.cache', 'huggingface'));
  const cacheDir = overrides.cacheDir ?? (env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, 'hub'));
  const token = overrides.token ?? storedToken(env, home);
  if (token !== undefined) checkToken(token);
  return {
    endpoint: checkEndpoint(overrides.endpoint ?? (env.HF_ENDPOINT || 'https://huggingface.co')),
    ...(token === undefined ? {} : { token }),
    cacheDir: resolve(expand(cacheDir)),
    offline: overrides.offline ?? (isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE)),
    retries: { ...RETRIES, ...environmentRetries(env), ...overrides.retries },
    ...(overrides.notice === undefined ? {} : { notice: overrides.notice }),
  };
}

function storedToken(env: NodeJS.ProcessEnv, home: string): string | undefined {
  if (isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const given = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN)?.trim();
  if (given) return given;
  try {
    return readFileSync(expand(env.HF_TOKEN_PATH || join(home, 'token')), 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}

/** A token goes into a header: a line break in it would end in an error about bytes that nobody typed. */
function checkToken(token: string): void {
  if (/^[!-~]+$/.test(token)) return;
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    'the token for the Hub must be one word, as hf_…: it comes from --token, HF_TOKEN or "hf auth login"',
  );
}

function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return endpoint.replace(/\/+$/, '');
  throw new WhisperError(
    'ERR_INVALID_ARGUMENT',
    `HF_ENDPOINT must be an address as https://huggingface.co, got ${JSON.stringify(endpoint)}`,
  );
}

function environmentRetries(env: NodeJS.ProcessEnv): Partial<Retries> {
  const [seconds, wait] = [env.HF_HUB_DOWNLOAD_TIMEOUT, env.WHISPER_TUNE_HUB_WAIT];
  return {
    ...(Number(seconds) > 0 ? { stall: 1000 * Number(seconds) } : {}),
    ...(wait && Number(wait) >= 0 ? { wait: Number(wait) } : {}),
  };
}

/** As huggingface_hub's constants.py: ENV_VARS_TRUE_VALUES. */
function isOn(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes(value?.toUpperCase() ?? '');
}

function expand(path: string): string {
  return path.replace(/^~(?=$|[/\\])/, homedir());
}
