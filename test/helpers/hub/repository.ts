// A repository of the Hub in memory: commits, each a whole tree of files.
import { createHash } from 'node:crypto';

export interface StoredFile {
  bytes: Buffer;
  /** SHA-1 of the git blob: of the content, or of the pointer where it lies in LFS. */
  oid: string;
  /** SHA-256 of the content where it lies in LFS. */
  sha256: string | undefined;
}

export interface HubCommit {
  id: string;
  title: string;
  description: string;
  files: ReadonlyMap<string, StoredFile>;
}

/** Files by path; text is UTF-8. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** What a test says of a repository. */
export interface Seed {
  /** Default: `model`. */
  type?: 'model' | 'dataset';
  id: string;
  /** What `main` has. */
  files?: Files;
  /** Other branches and tags, and what each has; `refs/convert/parquet` too. */
  revisions?: Readonly<Record<string, Files>>;
  private?: boolean;
  /** Only users in `granted` may read its files. */
  gated?: boolean;
  granted?: string[];
  /** Names that lead here by a redirect. */
  renamedFrom?: string[];
}

/** Paths that lie in LFS whatever their size, as the Hub's .gitattributes says. */
const LFS = /\.(safetensors|bin|pt|pth|parquet|arrow|tar|gz|zip|mp3|wav|flac|ogg)$|tfevents/;
/** Bytes from which on any file lies in LFS. */
const LARGE = 1 << 20;

export function isLarge(path: string, size: number): boolean {
  return LFS.test(path) || size >= LARGE;
}

const sha = (algorithm: string, ...parts: (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash(algorithm)).digest('hex');

export const sha256 = (bytes: Uint8Array) => sha('sha256', bytes);

const gitBlob = (bytes: Uint8Array) => sha('sha1', `blob ${bytes.length}\0`, bytes);

/** The file as git and LFS keep it. */
export function store(path: string, content: string | Uint8Array): StoredFile {
  const bytes = Buffer.from(content as Uint8Array);
  if (!isLarge(path, bytes.length)) return { bytes, oid: gitBlob(bytes), sha256: undefined };
  const oid = sha256(bytes);
  return { bytes, oid: gitBlob(Buffer.from(pointer(oid, bytes.length))), sha256: oid };
}

const pointer = (oid: string, size: number) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;

export const pointerSize = (file: StoredFile) => pointer(file.sha256!, file.bytes.length).length;

export class HubRepository {
  readonly type: 'model' | 'dataset';
  id: string;
  private: boolean;
  gated: boolean;
  readonly granted: string[];
  readonly renamedFrom: string[];
  /** The newest last, of all branches. */
  readonly commits: HubCommit[] = [];
  /** Commits by branch, tag or ref. */
  readonly refs = new Map<string, string>();

  constructor(seed: Seed) {
    this.type = seed.type ?? 'model';
    this.id = seed.id;
    this.private = seed.private ?? false;
    this.gated = seed.gated ?? false;
    this.granted = seed.granted ?? [];
    this.renamedFrom = seed.renamedFrom ?? [];
    this.commit({ '.gitattributes': '*.safetensors filter=lfs diff=lfs merge=lfs -text\n', ...seed.files });
    for (const [revision, files] of Object.entries(seed.revisions ?? {})) {
      this.commit(files, { revision, from: new Map() });
    }
  }

  /** Changes files (undefined takes one away) and moves the branch. */
  commit(
    changes: Readonly<Record<string, string | Uint8Array | undefined>>,
    more: {
      title?: string;
      description?: string;
      revision?: string;
      from?: ReadonlyMap<string, StoredFile>;
    } = {},
  ): HubCommit {
    const { title = 'initial commit', description = '', revision = 'main' } = more;
    const files = new Map(more.from ?? this.files(revision));
    for (const [path, content] of Object.entries(changes)) {
      if (content === undefined) files.delete(path);
      else files.set(path, store(path, content));
    }
    const id = sha('sha1', `${this.id} ${this.commits.length} ${title}`);
    const commit = { id, title, description, files };
    this.commits.push(commit);
    this.refs.set(revision, id);
    return commit;
  }

  find(revision: string): HubCommit | undefined {
    const id = this.refs.get(revision) ?? revision;
    return this.commits.find((commit) => commit.id === id);
  }

  /** The tree of a revision; undefined where there is none. */
  files(revision = 'main'): ReadonlyMap<string, StoredFile> | undefined {
    return this.find(revision)?.files;
  }

  /** The content of one file. */
  read(path: string, revision = 'main'): Buffer | undefined {
    return this.files(revision)?.get(path)?.bytes;
  }

  /** What users see at the newest commit of `main`. */
  get paths(): string[] {
    return [...this.files()!.keys()].sort();
  }
}
