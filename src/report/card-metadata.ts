// The head of a model card: what the Hub reads of a model (huggingface.co/docs/hub/model-cards#model-card-metadata).
import { parseDocument, stringify } from 'yaml';
import type { CardFacts } from './model-card.js';
import { METRICS, speechResult } from './model-index.js';

export type Head = Record<string, unknown>;

/** A card in its two parts; the head is empty where there is none that can be read. */
export function splitCard(text: string): { head: Head; body: string } {
  const [whole, yaml] = /^---\r?\n([\s\S]*?\r?\n)?---[^\S\n]*(?:\r?\n|$)/.exec(text) ?? [];
  if (whole === undefined) return { head: {}, body: text };
  const document = parseDocument(yaml ?? '');
  const head: unknown = document.errors.length > 0 ? undefined : document.toJS();
  const known = head !== null && typeof head === 'object' && !Array.isArray(head);
  return { head: known ? (head as Head) : {}, body: text.slice(whole.length) };
}

/** The head of a card, with the keys of an earlier one that only a person can have written. */
export function cardHead(facts: CardFacts, earlier: Head = {}): string {
  const { base, languages, datasets } = facts;
  const onHub = datasets.flatMap(({ id }) => (id === undefined ? [] : [id]));
  const measured = Object.keys(METRICS).filter((name) => facts.results?.[`eval_${name}`] !== undefined);
  const head: Head = {
    library_name: facts.adapter ? 'peft' : 'transformers',
    ...(languages.length > 0 && { language: languages }),
    ...(base.license !== undefined && { license: base.license }),
    ...(base.id !== undefined && { base_model: base.id }),
    tags: ['whisper-event', 'generated_from_trainer', 'whisper-tune', ...adapterTags(facts)],
    ...(onHub.length > 0 && { datasets: onHub }),
    ...(measured.length > 0 && { metrics: measured }),
    'model-index': [{ name: facts.name, results: results(facts) }],
  };
  const tags = [...new Set([...(head.tags as string[]), ...listed(earlier.tags)])];
  const merged = {
    ...earlier,
    ...head,
    ...(earlier.license !== undefined && { license: earlier.license }),
    tags,
  };
  // Keys of ours first, in the order in which the Hub's own cards have them.
  const order = [...Object.keys(head), ...Object.keys(merged)];
  const sorted = Object.fromEntries(order.map((key) => [key, merged[key as keyof typeof merged]]));
  return `---\n${stringify(sorted, { lineWidth: 0, aliasDuplicateObjects: false })}---\n`;
}

/** One entry for the data set of the evaluation. The Hub wants task, data set and metrics, all or nothing. */
function results({ datasets, evalSplit, results }: CardFacts): object[] {
  const [dataset] = datasets;
  const rates = Object.keys(METRICS).flatMap((type) => {
    const value = results?.[`eval_${type}`];
    return value === undefined ? [] : [[type, value] as const];
  });
  if (!dataset || rates.length === 0) return [];
  const { id, name, config } = dataset;
  return [speechResult({ id: id ?? name, config, split: evalSplit }, Object.fromEntries(rates))];
}

/** As PEFT's own cards. */
function adapterTags({ adapter, base }: CardFacts): string[] {
  if (!adapter) return [];
  return ['lora', ...(base.id === undefined ? [] : [`base_model:adapter:${base.id}`])];
}

function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}
