// A file that says which data sets are mixed, and how: YAML, or JSON, which is YAML too.
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { fileError, WhisperError } from '../errors.js';
import { basicNormalizer } from '../processor/normalizers/basic.js';
import type { Row, Source } from './dataset.js';
import { mapRows } from './map-rows.js';
import { type MixedSource, mix, stoppingStrategies } from './mix.js';
import { take } from './slice.js';

const name = z.string().min(1);

const entrySchema = z.strictObject({
  /** A path, or a data set on the Hub. */
  name,
  config: name.optional(),
  /** Default `train`. */
  split: name.optional(),
  /** A branch, tag or commit of a data set on the Hub. */
  revision: name.optional(),
  text_column: name.optional(),
  audio_column: name.optional(),
  language_column: name.optional(),
  /** Of all rows that do not say theirs. */
  language: name.optional(),
  task: z.enum(['transcribe', 'translate']).optional(),
  /** Relative to the others'. */
  probability: z.number().positive().optional(),
  /** Reads the first rows only. */
  max_samples: z.int().positive().optional(),
  lower_case: z.boolean().optional(),
  remove_punctuation: z.boolean().optional(),
});

const mixtureSchema = z.strictObject({
  datasets: z.array(entrySchema).min(1),
  /** Default `all_exhausted`. */
  stopping_strategy: z.enum(stoppingStrategies).optional(),
});

/** One data set of a mixture, as the file has it. */
export type MixtureEntry = z.infer<typeof entrySchema>;

export type Mixture = z.infer<typeof mixtureSchema>;

/**
 * Reads a mixture.
 *
 * @throws WhisperError ERR_FILE; ERR_CONFIG naming the file, the key and what was expected
 */
export async function readMixture(path: string): Promise<Mixture> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw fileError('read the mixture', path, cause);
  });
  let content: unknown;
  try {
    content = parse(text);
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new WhisperError('ERR_CONFIG', `${path} is no YAML or JSON: ${reason}`, { cause });
  }
  // A list alone is a mixture without settings.
  const mixture = mixtureSchema.safeParse(Array.isArray(content) ? { datasets: content } : content);
  if (mixture.success) return checkShares(path, mixture.data);
  const { path: keys, message } = mixture.error.issues[0]!;
  const key = keys.map((part, i) =>
    typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`,
  );
  throw new WhisperError('ERR_CONFIG', `${path}: ${key.length > 0 ? `${key.join('')}: ` : ''}${message}`);
}

function checkShares(path: string, mixture: Mixture): Mixture {
  const without = mixture.datasets.findIndex(({ probability }) => probability === undefined);
  const given = mixture.datasets.some(({ probability }) => probability !== undefined);
  if (!given || without < 0) return mixture;
  throw new WhisperError(
    'ERR_CONFIG',
    `${path}: datasets[${without}].probability is missing: give every data set one, or none`,
  );
}

/** The rows of one data set, as its entry changes them. */
function changedRows(source: Source, entry: MixtureEntry): Source {
  const { language, task, lower_case: lower = false, remove_punctuation: plain = false } = entry;
  if (language === undefined && task === undefined && !lower && !plain) return source;
  const written = (given: string): string => {
    const text = lower ? given.toLowerCase() : given;
    return plain ? basicNormalizer(text).trim() : text;
  };
  const change = (row: Row): Row => {
    const changed: Row = { ...row, text: written(row.text) };
    if (row.previous !== undefined) changed.previous = written(row.previous);
    if (row.segments) changed.segments = row.segments.map((part) => ({ ...part, text: written(part.text) }));
    if (row.language === undefined && language !== undefined) changed.language = language;
    if (row.task === undefined && task !== undefined) changed.task = task;
    return changed;
  };
  return mapRows(source, change, JSON.stringify({ language, task, lower, plain }));
}

/**
 * Opens the data sets of a mixture.
 *
 * @param open opens one data set, its `revision` and `split` (default `train`) included
 * @throws WhisperError as `readMixture` and as `open`
 */
export async function openEntries(
  { datasets }: Mixture,
  open: (entry: MixtureEntry) => Promise<Source>,
): Promise<MixedSource[]> {
  const sources: MixedSource[] = [];
  for (const entry of datasets) {
    const { max_samples: most, probability } = entry;
    const opened = await open(entry);
    const source = changedRows(most === undefined ? opened : await take(opened, most), entry);
    sources.push(probability === undefined ? { source } : { source, probability });
  }
  return sources;
}

/**
 * Opens the data sets of a mixture and mixes them.
 *
 * @param seed draws which data set each row is from
 * @throws WhisperError as `readMixture` and as `open`
 */
export async function openMixture(
  path: string,
  open: (entry: MixtureEntry) => Promise<Source>,
  seed?: number,
): Promise<Source> {
  const mixture = await readMixture(path);
  const { stopping_strategy: stoppingStrategy } = mixture;
  return mix(await openEntries(mixture, open), {
    ...(seed !== undefined && { seed }),
    ...(stoppingStrategy && { stoppingStrategy }),
  });
}
