// Uploads as the Hub takes them: which files go to LFS, the LFS batch, whole objects and parts, and the commit.
import { type Asked, json, type Reply, refuse, type State } from './api.js';
import { type HubRepository, isLarge, sha256 } from './repository.js';

export function preupload(asked: Asked): Reply {
  const { files } = JSON.parse(asked.body.toString()) as { files: { path: string; size: number }[] };
  return json(200, {
    files: files.map(({ path, size }) => ({
      path,
      uploadMode: isLarge(path, size) ? 'lfs' : 'regular',
      shouldIgnore: false,
    })),
  });
}

export function batch(state: State, repository: HubRepository, asked: Asked): Reply {
  const { objects } = JSON.parse(asked.body.toString()) as { objects: { oid: string; size: number }[] };
  const known = new Set(
    repository.commits.flatMap(({ files }) => [...files.values()].map((file) => file.sha256)),
  );
  const answers = objects.map(({ oid, size }) => {
    if (known.has(oid)) return { oid, size };
    const href = `${state.storage}/${oid}`;
    if (size < state.partSize) return { oid, size, actions: { upload: { href, header: {} } } };
    const header: Record<string, string> = { chunk_size: String(state.partSize) };
    for (let part = 1; (part - 1) * state.partSize < size; part++) {
      header[String(part).padStart(5, '0')] = `${href}/${part}`;
    }
    return { oid, size, actions: { upload: { href: `${state.url}/api/complete?oid=${oid}`, header } } };
  });
  return json(200, { transfer: 'basic', objects: answers });
}

/** A whole object or one part of it; as the storage, it answers the ETag of what it got. */
export function put(state: State, oid: string, part: string | undefined, body: Buffer): Reply {
  if (part === undefined) {
    if (sha256(body) !== oid) return refuse(400, 'XAmzContentSHA256Mismatch');
    state.objects.set(oid, body);
  } else {
    const parts = state.parts.get(oid) ?? new Map<number, Buffer>();
    state.parts.set(oid, parts.set(Number(part), body));
  }
  return { status: 200, headers: { ETag: `"${sha256(body).slice(0, 32)}"` }, body: Buffer.alloc(0) };
}

export function complete(state: State, asked: Asked, url: URL): Reply {
  const oid = url.searchParams.get('oid')!;
  const { parts } = JSON.parse(asked.body.toString()) as { parts: { partNumber: number; etag: string }[] };
  const came = state.parts.get(oid) ?? new Map<number, Buffer>();
  const pieces: Buffer[] = [];
  for (const { partNumber, etag } of parts) {
    const piece = came.get(partNumber);
    if (!piece || etag !== `"${sha256(piece).slice(0, 32)}"`)
      return refuse(400, `part ${partNumber} is wrong`);
    pieces.push(piece);
  }
  const whole = Buffer.concat(pieces);
  if (sha256(whole) !== oid) return refuse(400, 'the parts are not the object');
  state.objects.set(oid, whole);
  return json(200, {});
}

/** Lines of JSON: a header, then files, LFS files and deletions. All of it happens or nothing. */
export function commit(state: State, repository: HubRepository, asked: Asked, revision: string): Reply {
  const lines = asked.body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { key: string; value: Record<string, string> });
  const changes: Record<string, Buffer | undefined> = {};
  let [title, description] = ['', ''];
  for (const { key, value } of lines) {
    const path = value.path!;
    if (key === 'header') {
      title = value.summary ?? '';
      description = value.description ?? '';
      if (value.parentCommit !== undefined && value.parentCommit !== repository.refs.get(revision)) {
        return refuse(412, 'A commit has happened since. Please refresh and try again.');
      }
    } else if (key === 'file') {
      changes[path] = Buffer.from(value.content!, value.encoding === 'base64' ? 'base64' : 'utf8');
    } else if (key === 'lfsFile') {
      const bytes = state.objects.get(value.oid!) ?? knownObject(repository, value.oid!);
      if (!bytes) return refuse(400, `LFS object ${value.oid} was not uploaded`);
      changes[path] = bytes;
    } else if (key === 'deletedFile') {
      if (!repository.files(revision)?.has(path))
        return refuse(404, `${path} does not exist`, 'EntryNotFound');
      changes[path] = undefined;
    } else {
      return refuse(400, `unknown operation ${key}`);
    }
  }
  const made = repository.commit(changes, { title, description, revision });
  const page = `${state.url}/${repository.type === 'model' ? '' : 'datasets/'}${repository.id}`;
  return json(200, {
    success: true,
    commitOid: made.id,
    commitUrl: `${page}/commit/${made.id}`,
    hookOutput: '',
  });
}

function knownObject(repository: HubRepository, oid: string): Buffer | undefined {
  for (const { files } of repository.commits) {
    for (const file of files.values()) if (file.sha256 === oid) return file.bytes;
  }
  return undefined;
}
