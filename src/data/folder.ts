// Whether a path stays in a folder: a data set from elsewhere must not name files beside itself.
import { isAbsolute, relative, sep } from 'node:path';

/** True when `path` lies in the folder `root`; both absolute. Links are not followed. */
export function liesIn(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
