// `streaming: false`: the training data decoded once and read from disk from then on.
import type { Source } from '../data/dataset.js';
import { prepareCache } from '../data/prepared/prepare-cache.js';
import { cacheFolder } from '../files/cache-folder.js';
import type { TrainingArguments } from './arguments.js';
import type { NoticeEvent } from './events.js';
import { formatBytes } from './memory/bytes.js';

/** Milliseconds between two lines of progress. */
const every = 10_000;

/**
 * The training data as it is to be read: the source itself when streaming, otherwise its prepared rows, told about while
 * they are made.
 */
export async function* preparedData(
  source: Source,
  { streaming, preparedDataDir }: Pick<TrainingArguments, 'streaming' | 'preparedDataDir'>,
  signal: AbortSignal | undefined,
): AsyncGenerator<NoticeEvent, Source, void> {
  if (streaming) return source;
  const preparing = prepareCache(source, {
    cacheDir: preparedDataDir ?? cacheFolder(),
    ...(signal && { signal }),
  });
  let told = performance.now();
  let folder: string | undefined;
  let decoded = 0;
  for (;;) {
    const { done, value } = await preparing.next();
    if (done) {
      if (folder !== undefined)
        yield { type: 'notice', message: `prepared ${decoded} rows of ${source.name} in ${folder}` };
      return value;
    }
    const { stage, rows, total, bytes } = value;
    if (stage === 'decoding') {
      if (folder === undefined)
        yield { type: 'notice', message: `decoding ${source.name} once into ${value.folder}` };
      ({ folder } = value);
      decoded = rows;
    }
    if (performance.now() - told < every) continue;
    told = performance.now();
    const of = total === undefined ? '' : ` of ${total}`;
    const message =
      stage === 'checking'
        ? `looked at ${rows}${of} rows of ${source.name}`
        : `decoded ${rows}${of} rows, ${formatBytes(bytes)}`;
    yield { type: 'notice', message };
  }
}
