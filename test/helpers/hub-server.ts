// A server on 127.0.0.1 that speaks the Hub's API, for this package's client and for Python's, with faults on demand.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HubSettings } from '../../src/hub/index.js';
import { type Asked, answer, type Reply } from './hub/api.js';
import { type Fault, send, takeFault } from './hub/faults.js';
import { HubRepository, type Seed } from './hub/repository.js';

export type { Fault } from './hub/faults.js';
export { type Files, type HubCommit, HubRepository, type Seed } from './hub/repository.js';

/** Tokens that every server knows: both of the user `tester`. */
export const WRITE_TOKEN = 'hf_write';
export const READ_TOKEN = 'hf_read';

export interface HubUser {
  name: string;
  role: 'read' | 'write';
  /** Names beside its own that it may write to. */
  organizations?: string[];
}

export interface HubOptions {
  repositories?: Seed[];
  faults?: Fault[];
  /** Users by token, beside those of `WRITE_TOKEN` and `READ_TOKEN`. */
  users?: Readonly<Record<string, HubUser>>;
  /** Bytes of an LFS object from which on it is sent in parts, and of such a part. Default: 5 GB, as the Hub. */
  partSize?: number;
  /** Entries of one page of a list of files. Default: 1000. */
  pageSize?: number;
  /** Whether files in LFS are given by a redirect to another address with no authorization, as the Hub. Default: true. */
  redirects?: boolean;
  /**
   * Host of that other address. Python's client takes it for the Hub itself unless the name differs: `localhost` there.
   * Default: `127.0.0.1`.
   */
  storageHost?: string;
}

/** One request that came. */
export interface RequestLog {
  method: string;
  /** With the query. */
  path: string;
  range: string | undefined;
  authorization: string | undefined;
  status: number;
}

export interface Hub {
  /** For `HF_ENDPOINT`. */
  readonly url: string;
  /** By `models/owner/name` or `datasets/owner/name`; may be changed at any time. */
  readonly repositories: Map<string, HubRepository>;
  /** All that came, in order. */
  readonly requests: RequestLog[];
  /** The plan; more may be pushed, and `length = 0` ends them. */
  readonly faults: Fault[];
  /** The repository of that id. */
  repository(id: string, type?: 'model' | 'dataset'): HubRepository;
  add(seed: Seed): HubRepository;
  /** Makes the storage refuse all addresses that were given until now. */
  expire(): void;
  /** Settings that ask this server, keep files under `cacheDir`, and repeat at once what fails. */
  settings(cacheDir: string, more?: Partial<HubSettings>): HubSettings;
  /** The same for code that reads the environment: for `vi.stubEnv` and child processes. */
  environment(home: string, token?: string): Record<string, string>;
  close(): Promise<void>;
}

/** Starts a server. Close it, or the process waits for it. */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const repositories = new Map<string, HubRepository>();
  const add = (seed: Seed) => {
    const repository = new HubRepository(seed);
    repositories.set(`${repository.type}s/${repository.id}`, repository);
    return repository;
  };
  for (const seed of options.repositories ?? []) add(seed);
  const faults = [...(options.faults ?? [])];
  const requests: RequestLog[] = [];
  const users = {
    [WRITE_TOKEN]: { name: 'tester', role: 'write' },
    [READ_TOKEN]: { name: 'tester', role: 'read' },
    ...options.users,
  } satisfies Record<string, HubUser>;
  const state = {
    url: '',
    storage: '',
    repositories,
    add,
    users: users as Record<string, HubUser>,
    objects: new Map<string, Buffer>(),
    parts: new Map<string, Map<number, Buffer>>(),
    partSize: options.partSize ?? 5_000_000_000,
    pageSize: options.pageSize ?? 1000,
    redirects: options.redirects ?? true,
    signature: 0,
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: path = '/' } = request;
    const { range, authorization } = request.headers;
    const log: RequestLog = { method, path, range, authorization, status: 0 };
    requests.push(log);
    const instead = takeFault(faults, `${method} ${path}`);
    if (instead?.kind === 'refuse') {
      request.socket.destroy();
      return;
    }
    const body = await bodyOf(request);
    const asked: Asked = { method, path, headers: request.headers, body };
    const reply: Reply = instead?.kind === 'status' ? failure(instead) : answer(state, asked);
    log.status = reply.status;
    if (method === 'HEAD') {
      response.writeHead(reply.status, { 'Content-Length': String(reply.body.length), ...reply.headers });
      response.end();
      return;
    }
    const fault = takeFault(faults, `${method} ${path}`, reply.status);
    await send(response, reply.status, reply.headers, reply.body, fault);
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'X-Error-Message': String(error).replace(/\s+/g, ' ') }).end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  state.url = `http://127.0.0.1:${port}`;
  state.storage = `http://${options.storageHost ?? '127.0.0.1'}:${port}/storage`;
  return {
    url: state.url,
    repositories,
    requests,
    faults,
    add,
    expire: () => {
      state.signature++;
    },
    repository(id, type = 'model') {
      const found = repositories.get(`${type}s/${id}`);
      if (!found) throw new Error(`the server has no ${type} ${id}: ${[...repositories.keys()].join(', ')}`);
      return found;
    },
    settings: (cacheDir, more) => ({
      endpoint: state.url,
      cacheDir,
      offline: false,
      retries: { attempts: 5, wait: 0, stall: 10_000 },
      ...more,
    }),
    environment: (home, token) => ({
      HF_ENDPOINT: state.url,
      HF_HOME: home,
      HF_HUB_CACHE: '',
      HF_TOKEN: token ?? '',
      HF_HUB_OFFLINE: '0',
      HF_HUB_DISABLE_IMPLICIT_TOKEN: '0',
      TRANSFORMERS_OFFLINE: '0',
      WHISPER_TUNE_HUB_WAIT: '0',
    }),
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

function failure({ status, retryAfter }: Extract<Fault, { kind: 'status' }>): Reply {
  return {
    status,
    headers: {
      'Content-Type': 'application/json',
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }),
    },
    body: Buffer.from(JSON.stringify({ error: `a fault of status ${status}` })),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
