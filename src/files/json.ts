// JSON files of a checkpoint folder: read with errors that name file and key, written as Python's json.dumps does.
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { fileError, WhisperError } from '../errors.js';

/**
 * Reads a JSON object and checks it.
 *
 * @throws WhisperError `ERR_FILE` when the file cannot be read, `ERR_CONFIG` naming the file and the key otherwise.
 */
export async function readJson<S extends z.ZodType>(path: string, schema: S): Promise<z.output<S>> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw new WhisperError('ERR_CONFIG', `${path} is not valid UTF-8`, { cause });
    }
    throw fileError('read', path, cause);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new WhisperError('ERR_CONFIG', `${path} is not valid JSON: ${(cause as Error).message}`, { cause });
  }
  const result = schema.safeParse(content);
  if (!result.success) throw new WhisperError('ERR_CONFIG', `${path}: ${firstIssue(result.error, content)}`);
  return result.data;
}

/** The first thing wrong, as `key: what was expected, what came`. */
export function firstIssue(error: z.ZodError, input: unknown): string {
  const issue = error.issues[0]!;
  const key = issue.path.join('.');
  const value = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown>)?.[step], input);
  const came = value === undefined ? 'it is missing' : `got ${abbreviate(value)}`;
  const says = issue.message.replace(/^Invalid input: /, '').replace(/, received .*$/, '');
  return key ? `${key}: ${says}, ${came}` : `${says}, ${came}`;
}

function abbreviate(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** JSON text with sorted keys, as the files of transformers have it (`json.dumps(…, indent, sort_keys=True)`). */
export function sortedJson(value: unknown, indent: number): string {
  return JSON.stringify(
    value,
    (_, part) =>
      part !== null && typeof part === 'object' && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
        : part,
    indent,
  );
}
