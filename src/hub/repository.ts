// Names of repositories on the Hub: read from what people type, and spelled in addresses and folders.

export interface Repository {
  type: 'model' | 'dataset';
  /** `owner/name`, or `name` alone for the oldest ones. */
  id: string;
  /** A branch, a tag, a commit or a ref as `refs/convert/parquet`; `main` if not given. */
  revision?: string;
}

/** What huggingface_hub allows (utils/_validators.py: REPO_ID_REGEX), without its lookarounds. */
const PART = /^\w(?:[\w.-]*\w)?$/;
/** What git allows of a ref, as far as it matters (git-check-ref-format). */
const REVISION = /^[^\s~^:?*[\\@{}]+$/;

/**
 * Reads `owner/name`, `name` or either with `@revision`.
 *
 * @returns undefined for what cannot be an id: a path with a dot in front, more than one slash, forbidden characters
 */
export function parseRepository(text: string, type: Repository['type']): Repository | undefined {
  const at = text.indexOf('@');
  const id = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? undefined : text.slice(at + 1);
  const parts = id.split('/');
  const fits = parts.length <= 2 && id.length <= 96 && parts.every((part) => PART.test(part));
  if (!fits || /--|\.\./.test(id) || id.endsWith('.git')) return undefined;
  if (revision === undefined) return { type, id };
  return isRevision(revision) ? { type, id, revision } : undefined;
}

/** Whether git could have a ref of that name; it becomes a part of an address and of a path. */
export function isRevision(text: string): boolean {
  return REVISION.test(text) && text.split('/').every((part) => part !== '' && !part.startsWith('.'));
}

/** Whether it names one commit for good. */
export function isCommit(revision: string | undefined): revision is string {
  return revision !== undefined && /^[0-9a-f]{40}$/.test(revision);
}

/** For messages: `the model owner/name`. */
export function describeRepository({ type, id }: Repository): string {
  return `the ${type === 'model' ? 'model' : 'data set'} ${id}`;
}

/** `/api/models/owner/name`. */
export function apiPath({ type, id }: Repository): string {
  return `/api/${type}s/${id}`;
}

/** `/owner/name`, `/datasets/owner/name`: what a browser shows. */
export function pagePath({ type, id }: Repository): string {
  return type === 'model' ? `/${id}` : `/${type}s/${id}`;
}
