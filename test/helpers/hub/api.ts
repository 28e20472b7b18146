// What the Hub answers: which repository is meant, who may do what with it, and the answer to each kind of request.
import type { IncomingHttpHeaders } from 'node:http';
import type { HubUser } from '../hub-server.js';
import type { HubCommit, HubRepository, Seed, StoredFile } from './repository.js';
import { pointerSize } from './repository.js';
import { batch, commit, complete, preupload, put } from './uploads.js';

/** What the server knows. */
export interface State {
  url: string;
  /** Address of the storage of LFS. */
  storage: string;
  repositories: Map<string, HubRepository>;
  add: (seed: Seed) => HubRepository;
  users: Readonly<Record<string, HubUser>>;
  /** Uploaded LFS objects by SHA-256. */
  objects: Map<string, Buffer>;
  /** Of objects that come in parts, by SHA-256 and number. */
  parts: Map<string, Map<number, Buffer>>;
  partSize: number;
  pageSize: number;
  redirects: boolean;
  /** Of addresses that the storage takes now. */
  signature: number;
}

export interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export function json(status: number, content: unknown, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
    body: Buffer.from(JSON.stringify(content)),
  };
}

export function refuse(status: number, message: string, code?: string): Reply {
  return json(
    status,
    { error: message },
    { 'X-Error-Message': message, ...(code === undefined ? {} : { 'X-Error-Code': code }) },
  );
}

/** `/api/models/owner/name/WHAT/REVISION/more` */
const API =
  /^\/api\/(models|datasets)\/([^/]+(?:\/[^/]+)?)(?:\/(revision|tree|paths-info|preupload|commit|refs)(?:\/([^/]+))?(?:\/(.*))?)?$/;
const RESOLVE = /^\/(datasets\/)?([^/]+(?:\/[^/]+)?)\/resolve\/([^/]+)\/(.+)$/;
const LFS = /^\/(datasets\/)?([^/]+(?:\/[^/]+)?)\.git\/info\/lfs\/objects\/batch$/;

export function answer(state: State, asked: Asked): Reply {
  const url = new URL(asked.path, state.url);
  const { pathname } = url;
  const token = asked.headers.authorization?.replace(/^Bearer /, '');
  const user = token === undefined ? undefined : state.users[token];
  if (pathname.startsWith('/storage/')) return storage(state, asked, url);
  if (token !== undefined && !user) return refuse(401, 'Invalid credentials in Authorization header');
  if (pathname === '/api/whoami-v2') return whoAmI(user);
  if (pathname === '/api/validate-yaml') return json(200, { errors: [], warnings: [] });
  if (pathname === '/api/repos/create') return create(state, asked, user);
  if (pathname === '/api/complete') return complete(state, asked, url);
  const api = API.exec(pathname);
  const file = RESOLVE.exec(pathname);
  const lfs = LFS.exec(pathname);
  const type = api ? api[1]! : (file ?? lfs)?.[1] ? 'datasets' : 'models';
  const id = (api ?? file ?? lfs)?.[2];
  if (id === undefined) return refuse(404, 'Sorry, we can’t find the page you are looking for.');
  const found = findRepository(state, type, id);
  if (found instanceof HubRedirect) {
    const location = asked.path.replace(id, found.id);
    return { status: 307, headers: { Location: location }, body: Buffer.alloc(0) };
  }
  const mayRead = found && (!found.private || owns(user, found.id));
  if (!found || !mayRead) {
    return user
      ? refuse(404, 'Repository not found', 'RepoNotFound')
      : refuse(401, 'Invalid username or password.', 'RepoNotFound');
  }
  const writes = lfs ?? (api && ['preupload', 'commit'].includes(api[3] ?? ''));
  if (writes && !user) return refuse(401, 'Invalid username or password.');
  if (writes && (user!.role !== 'write' || !owns(user, found.id))) {
    return refuse(403, 'Forbidden: you must use a write token to upload to a repository.');
  }
  if (lfs) return batch(state, found, asked);
  if (file) return resolveFile(state, found, asked, user, file[3]!, file[4]!);
  const [, , , what, revision, path] = api!;
  return repositoryApi(state, found, asked, url, { what, revision, path });
}

class HubRedirect {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
}

function findRepository(state: State, type: string, id: string): HubRepository | HubRedirect | undefined {
  const found = state.repositories.get(`${type}/${id}`);
  if (found) return found;
  for (const repository of state.repositories.values()) {
    if (`${repository.type}s` === type && repository.renamedFrom.includes(id)) {
      return new HubRedirect(repository.id);
    }
  }
  return undefined;
}

function owns(user: HubUser | undefined, id: string): boolean {
  const owner = id.split('/')[0]!;
  return user !== undefined && (user.name === owner || (user.organizations ?? []).includes(owner));
}

function whoAmI(user: HubUser | undefined): Reply {
  if (!user) return refuse(401, 'Invalid username or password.');
  return json(200, {
    type: 'user',
    id: user.name,
    name: user.name,
    fullname: user.name,
    orgs: (user.organizations ?? []).map((name) => ({ type: 'org', name, fullname: name })),
    auth: { type: 'access_token', accessToken: { displayName: 'test', role: user.role } },
  });
}

function create(state: State, asked: Asked, user: HubUser | undefined): Reply {
  if (!user) return refuse(401, 'Invalid username or password.');
  const given = JSON.parse(asked.body.toString()) as {
    name: string;
    organization?: string;
    type?: 'model' | 'dataset';
    private?: boolean;
    visibility?: string;
  };
  const type = given.type ?? 'model';
  const id = `${given.organization ?? user.name}/${given.name}`;
  if (user.role !== 'write' || !owns(user, id)) {
    return refuse(
      403,
      `You don't have the rights to create a ${type} under the namespace "${id.split('/')[0]}"`,
    );
  }
  const url = `${state.url}/${type === 'model' ? '' : 'datasets/'}${id}`;
  if (state.repositories.has(`${type}s/${id}`)) {
    return json(409, { error: `You already created this ${type} repo: ${id}`, url });
  }
  state.add({ type, id, private: given.private ?? given.visibility === 'private' });
  return json(200, { url, name: id, id });
}

function repositoryApi(
  state: State,
  repository: HubRepository,
  asked: Asked,
  url: URL,
  part: { what: string | undefined; revision: string | undefined; path: string | undefined },
): Reply {
  const revision = decodeURIComponent(part.revision ?? 'main');
  if (part.what === 'refs') return refs(repository);
  const found = repository.find(revision);
  if (!found) return refuse(404, `Invalid rev id: ${revision}`, 'RevisionNotFound');
  switch (part.what) {
    case undefined:
    case 'revision':
      return info(repository, found);
    case 'tree':
      return tree(state, found, url, part.path ?? '');
    case 'paths-info': {
      const { paths } = asked.headers['content-type']?.includes('json')
        ? (JSON.parse(asked.body.toString()) as { paths: string[] })
        : { paths: new URLSearchParams(asked.body.toString()).getAll('paths') };
      const files = paths.flatMap((path) => {
        const file = found.files.get(path);
        return file ? [{ ...entry(path, file), lastCommit: last(found) }] : [];
      });
      return json(200, files);
    }
    case 'preupload':
      return preupload(asked);
    default:
      return commit(state, repository, asked, revision);
  }
}

const last = ({ id, title }: HubCommit) => ({ id, title, date: '2026-01-01T00:00:00.000Z' });

function info(repository: HubRepository, { id: sha, files }: HubCommit): Reply {
  const { id, gated } = repository;
  return json(200, {
    _id: id,
    id,
    [`${repository.type}Id`]: id,
    author: id.split('/')[0],
    sha,
    lastModified: '2026-01-01T00:00:00.000Z',
    createdAt: '2026-01-01T00:00:00.000Z',
    private: repository.private,
    gated: gated ? 'auto' : false,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: [],
    siblings: [...files.keys()].map((rfilename) => ({ rfilename })),
  });
}

function refs(repository: HubRepository): Reply {
  const list = [...repository.refs].map(([name, targetCommit]) => ({
    name: name.replace(/^refs\/convert\//, ''),
    ref: name.startsWith('refs/') ? name : `refs/heads/${name}`,
    targetCommit,
  }));
  return json(200, {
    branches: list.filter(({ ref }) => ref.startsWith('refs/heads/')),
    converts: list.filter(({ ref }) => ref.startsWith('refs/convert/')),
    tags: [],
  });
}

function entry(path: string, file: StoredFile): Record<string, unknown> {
  const size = file.bytes.length;
  const lfs =
    file.sha256 === undefined ? {} : { lfs: { oid: file.sha256, size, pointerSize: pointerSize(file) } };
  return { type: 'file', path, size, oid: file.oid, ...lfs };
}

/** Pages of files and folders; the next one's address is in `Link`. */
function tree(state: State, { files }: HubCommit, url: URL, folder: string): Reply {
  const recursive = /^(true|1)$/i.test(url.searchParams.get('recursive') ?? '');
  const prefix = folder === '' ? '' : `${decodeURIComponent(folder)}/`;
  const entries = new Map<string, Record<string, unknown>>();
  for (const [path, file] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!path.startsWith(prefix)) continue;
    const parts = path.slice(prefix.length).split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = prefix + parts.slice(0, depth).join('/');
      if (depth === 1 || recursive)
        entries.set(parent, { type: 'directory', path: parent, size: 0, oid: '0' });
    }
    if (parts.length === 1 || recursive) entries.set(path, entry(path, file));
  }
  if (prefix !== '' && entries.size === 0) return refuse(404, `${folder} does not exist`, 'EntryNotFound');
  const from = Number(url.searchParams.get('cursor') ?? 0);
  const page = [...entries.values()].slice(from, from + state.pageSize);
  if (from + state.pageSize >= entries.size) return json(200, page);
  const next = new URL(url);
  next.searchParams.set('cursor', String(from + state.pageSize));
  return json(200, page, { Link: `<${next.href}>; rel="next"` });
}

/** A file's bytes; those in LFS from the storage, whose address knows nothing of tokens. */
function resolveFile(
  state: State,
  repository: HubRepository,
  asked: Asked,
  user: HubUser | undefined,
  revision: string,
  path: string,
): Reply {
  if (repository.gated && !(user && (owns(user, repository.id) || repository.granted.includes(user.name)))) {
    const message = `Access to ${repository.type} ${repository.id} is restricted.`;
    return refuse(user ? 403 : 401, message, 'GatedRepo');
  }
  const name = decodeURIComponent(revision);
  const found = repository.find(name);
  if (!found) return refuse(404, `Invalid rev id: ${name}`, 'RevisionNotFound');
  const file = found.files.get(decodeURIComponent(path));
  if (!file) return refuse(404, 'Entry not found', 'EntryNotFound');
  const headers: Record<string, string> = {
    'X-Repo-Commit': found.id,
    'Accept-Ranges': 'bytes',
    ETag: `"${file.sha256 ?? file.oid}"`,
  };
  if (file.sha256 === undefined || !state.redirects) return ranged(file.bytes, asked, headers);
  state.objects.set(file.sha256, file.bytes);
  headers['X-Linked-ETag'] = headers.ETag!;
  headers['X-Linked-Size'] = String(file.bytes.length);
  headers.Location = `${state.storage}/${file.sha256}?signature=${state.signature}`;
  return { status: 302, headers, body: Buffer.from('Found') };
}

function storage(state: State, asked: Asked, url: URL): Reply {
  const [oid, part] = url.pathname.slice('/storage/'.length).split('/');
  if (asked.method === 'PUT') return put(state, oid!, part, asked.body);
  const bytes = state.objects.get(oid!);
  const signed = url.searchParams.get('signature') === String(state.signature);
  if (!bytes || !signed) return refuse(403, 'Access denied');
  return ranged(bytes, asked, { 'Accept-Ranges': 'bytes', ETag: `"storage-${oid!.slice(0, 8)}"` });
}

function ranged(bytes: Buffer, asked: Asked, headers: Record<string, string>): Reply {
  const type = { ...headers, 'Content-Type': 'application/octet-stream' };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.range ?? '') ?? [];
  if (first === undefined) return { status: 200, headers: type, body: bytes };
  const start = Number(first);
  if (start >= bytes.length) {
    const outside = refuse(416, 'Range not satisfiable');
    return { ...outside, headers: { ...outside.headers, 'Content-Range': `bytes */${bytes.length}` } };
  }
  const end = Math.min(last ? Number(last) + 1 : bytes.length, bytes.length);
  return {
    status: 206,
    headers: { ...type, 'Content-Range': `bytes ${start}-${end - 1}/${bytes.length}` },
    body: bytes.subarray(start, end),
  };
}
