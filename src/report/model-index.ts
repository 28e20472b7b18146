// Results in the head of a model card (`model-index`), which the Hub's leaderboards read.
// Source: huggingface.co/docs/hub/model-cards#evaluation-results and huggingface_hub's `metadata_update`.
import { type Document, isMap, isScalar, parseDocument, stringify } from 'yaml';
import { WhisperError } from '../errors.js';

/** Metrics on one data set. */
export interface ModelResult {
  task: { name: string; type: string };
  dataset: { name: string; type: string; config?: string; split?: string; args?: string };
  metrics: { name: string; type: string; value: number }[];
}

/** The data set of a result. */
export interface ResultDataset {
  /** An id on the Hub, or a name for people. */
  id: string;
  config?: string | undefined;
  split: string;
}

/** The metrics that the Hub's leaderboards know, and how cards write their names. */
export const METRICS: Readonly<Record<string, string>> = { wer: 'Wer', cer: 'Cer' };

/** A result of speech recognition. @param rates in percent, by the metric's type: `wer`, `cer` */
export function speechResult(
  { id, config, split }: ResultDataset,
  rates: Record<string, number>,
): ModelResult {
  return {
    task: { name: 'Automatic Speech Recognition', type: 'automatic-speech-recognition' },
    dataset: {
      name: config === undefined ? id : `${id} ${config}`,
      type: id,
      ...(config !== undefined && { config }),
      split,
      ...(config !== undefined && { args: config }),
    },
    metrics: Object.entries(rates).map(([type, value]) => ({ name: METRICS[type] ?? type, type, value })),
  };
}

const HEAD = /^(\ufeff?---[^\S\n]*\r?\n)([\s\S]*?)(---[^\S\n]*(?:\r?\n|$))/;

/**
 * A card with a result in it. Metrics of the same type on the same task, data set, configuration and split are replaced,
 * everything else of `model-index` stays, and all that is not `model-index` stays byte for byte.
 *
 * @param name the model's, where the card has no `model-index` yet
 * @throws WhisperError `ERR_DATA` for a card whose head is no YAML: nothing of it may be lost
 */
export function withResult(card: string, name: string, result: ModelResult): string {
  const [whole, opening = '---\n', head = '', closing = '---\n'] = HEAD.exec(card) ?? [];
  const body = whole === undefined ? card : card.slice(whole.length);
  return `${opening}${headWithResult(head, name, result)}${closing}${body}`;
}

function headWithResult(head: string, name: string, result: ModelResult): string {
  const document = parseDocument(head);
  const { contents, errors } = document;
  if (errors.length > 0 || (contents !== null && !isMap(contents))) {
    const reason = errors[0]?.message.split('\n')[0] ?? 'it is no mapping of keys to values';
    throw new WhisperError(
      'ERR_DATA',
      `cannot add a result to the model card: its head cannot be read: ${reason}`,
    );
  }
  const index = merged((document.toJS() as Record<string, unknown> | null)?.['model-index'], name, result);
  if (contents?.flow) {
    document.set('model-index', index);
    return document.toString(LAYOUT);
  }
  const lines = stringify({ 'model-index': index }, LAYOUT);
  const text = head.includes('\r\n') ? lines.replaceAll('\n', '\r\n') : lines;
  const [start, end] = rangeOf(document, 'model-index') ?? [head.length, head.length];
  const before = head.slice(0, start);
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${text}${head.slice(end)}`;
}

const LAYOUT = { lineWidth: 0, aliasDuplicateObjects: false } as const;

/** Where a key and its value stand in the text, whole lines. */
function rangeOf({ contents }: Document.Parsed, key: string): [start: number, end: number] | undefined {
  if (!isMap(contents)) return undefined;
  const pair = contents.items.find((item) => isScalar(item.key) && item.key.value === key);
  const from = pair?.key?.range;
  const to = pair?.value?.range ?? from;
  return from && to ? [from[0], to[2]] : undefined;
}

/** The index with the result in its first model. */
function merged(index: unknown, name: string, result: ModelResult): object[] {
  const [first, ...others] = Array.isArray(index) ? (index as Record<string, unknown>[]) : [];
  const known = Array.isArray(first?.results) ? (first.results as Partial<ModelResult>[]) : [];
  const same = known.find((entry) => sameSubject(entry, result));
  const results = same
    ? known.map((entry) => (entry === same ? { ...entry, metrics: newMetrics(entry, result) } : entry))
    : [...known, result];
  return [{ name, ...first, results }, ...others];
}

function sameSubject(a: Partial<ModelResult>, b: ModelResult): boolean {
  return (
    a.task?.type === b.task.type &&
    a.dataset?.type === b.dataset.type &&
    a.dataset.config === b.dataset.config &&
    a.dataset.split === b.dataset.split
  );
}

/** Metrics of the same type give way; others stay. */
function newMetrics(entry: Partial<ModelResult>, { metrics }: ModelResult): ModelResult['metrics'] {
  const old = Array.isArray(entry.metrics) ? entry.metrics : [];
  const replaced = old.map((metric) => {
    const value = metrics.find(({ type }) => type === metric.type)?.value;
    return value === undefined ? metric : { ...metric, value };
  });
  const added = metrics.filter(({ type }) => !old.some((metric) => metric.type === type));
  return [...replaced, ...added];
}
