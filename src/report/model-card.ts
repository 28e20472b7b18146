// The model card of a run: its README.md.
import type { HistoryRow } from '../train/state.js';
import { cardHead, splitCard } from './card-metadata.js';

export interface CardDataset {
  /** On the Hub. */
  id?: string;
  /** Of the folder or file, where it is not on the Hub. */
  name: string;
  config?: string;
}

/** What a card tells. */
export interface CardFacts {
  name: string;
  /** What training started from; without an id it is on no Hub. */
  base: { id?: string; name: string; license?: string; scratch?: boolean };
  /** Whether what was trained is an adapter (LoRA) of it. */
  adapter?: boolean;
  /** Codes of ISO 639. */
  languages: readonly string[];
  datasets: readonly CardDataset[];
  trainSplit: string;
  evalSplit: string;
  hyperparameters: Readonly<Record<string, string | number>>;
  history: readonly HistoryRow[];
  /** `eval_loss`, `eval_wer` and so on of the weights that are there now. */
  results?: Readonly<Record<string, number>>;
  /** Updates made, and to make. */
  step: number;
  maxSteps: number;
  versions: Readonly<Record<string, string>>;
}

/** By it a card is known to be written here. */
export const MARK = '<!-- This card is written by whisper-tune after every checkpoint.';
const NOTE = `${MARK} Keys that you add above, and what you write
under the three headings below in place of their text, stay when it is written again. -->`;
/** Ends a text that a person may replace. */
const REPLACE = '<!-- Yours to replace. -->';

/** Sections whose text may be a person's, and what they say until then. */
const SECTIONS: [heading: string, text: (facts: CardFacts) => string][] = [
  [
    'Model description',
    ({ base }) => `Whisper, ${base.scratch ? 'trained from random weights' : 'fine-tuned'}.`,
  ],
  [
    'Intended uses & limitations',
    ({ languages }) =>
      `Transcribing speech${languages.length > 0 ? ` (${languages.join(', ')})` : ''} of the kind it was trained on. ` +
      'On other speech, and in other languages, it may have become worse than the model it comes from.',
  ],
  [
    'Training and evaluation data',
    ({ datasets, trainSplit, evalSplit }) =>
      `Trained on \`${trainSplit}\` and evaluated on \`${evalSplit}\` of ${listOf(datasets.map(datasetTitle))}.`,
  ],
];

/**
 * The text of the card.
 *
 * @param earlier the card that it replaces, whose keys and sections that a person wrote stay
 */
export function modelCard(facts: CardFacts, earlier = ''): string {
  const { head, body } = splitCard(earlier);
  const sections = SECTIONS.map(([heading, text]) => {
    const kept = sectionOf(body, heading);
    return `## ${heading}\n\n${kept ?? `${text(facts)}\n${REPLACE}`}\n`;
  });
  const parts = [
    `${cardHead(facts, head)}\n${NOTE}\n`,
    `# ${facts.name}\n`,
    introduction(facts),
    ...sections,
    '## Training procedure\n',
    `### Training hyperparameters\n\n${bullets(facts.hyperparameters)}`,
    `### Training results\n\n${resultsTable(facts.history)}`,
    `### Framework versions\n\n${Object.entries(facts.versions)
      .map(([name, version]) => `- ${name} ${version}\n`)
      .join('')}`,
  ];
  return parts.join('\n');
}

/** Whether a text is a card that may be written again: ours, transformers', or nothing but a head. */
export function isGenerated(text: string): boolean {
  const { body } = splitCard(text);
  return (
    body.trim() === '' ||
    body.includes(MARK) ||
    body.includes('<!-- This model card has been generated automatically')
  );
}

function introduction(facts: CardFacts): string {
  const { base, datasets, results, step, maxSteps } = facts;
  const from = base.id === undefined ? `\`${base.name}\`` : `[${base.id}](https://huggingface.co/${base.id})`;
  const tuned = facts.adapter ? `an adapter (LoRA) of ${from}, trained` : `${from}, fine-tuned`;
  const what = base.scratch ? 'Whisper, trained from random weights' : tuned;
  const lines = [`This model is ${what} on ${listOf(datasets.map(datasetTitle))}.`];
  if (step < maxSteps)
    lines.push(`Its training is not at its end: these are ${step} of ${maxSteps} updates.`);
  const measured = Object.entries(results ?? {}).filter(([name]) => isResult(name));
  if (measured.length === 0) return `${lines.join('\n')}\n`;
  const values = measured.map(([name, value]) => `- ${title(name)}: ${rounded(value)}`);
  return `${lines.join('\n')}\n\nOn the evaluation set it has these results:\n\n${values.join('\n')}\n`;
}

/** A table of all evaluations; the training loss is the last one logged before. */
function resultsTable(history: readonly HistoryRow[]): string {
  const columns = [...new Set(history.flatMap((row) => Object.keys(row).filter((name) => isResult(name))))];
  if (columns.length === 0) return 'There was no evaluation.\n';
  const head = ['Training Loss', 'Epoch', 'Step', ...columns.map((name) => title(name, 'Validation Loss'))];
  let loss = 'No log';
  // Evaluation sets have a row each in the history and share one here.
  const evaluated = new Map<number, { loss: string; row: HistoryRow }>();
  for (const row of history) {
    if (row.loss !== undefined) loss = rounded(row.loss);
    if (!columns.some((name) => row[name] !== undefined)) continue;
    const before = evaluated.get(row.step);
    evaluated.set(row.step, { loss, row: { ...before?.row, ...row } });
  }
  const rows = [...evaluated.values()].map(({ loss, row }) => {
    const values = columns.map((name) => (row[name] === undefined ? '' : rounded(row[name])));
    return [loss, rounded(row.epoch), String(row.step), ...values];
  });
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |\n`;
  return `${line(head)}|${widths.map((width) => `:${'-'.repeat(width)}:`).join('|')}|\n${rows.map(line).join('')}`;
}

/** Neither a speed nor a count. */
function isResult(name: string): boolean {
  return name.startsWith('eval_') && !/_(runtime|samples|per_second)$/.test(name);
}

/** `eval_wer` is `Wer`. */
function title(name: string, loss = 'Loss'): string {
  if (name === 'eval_loss') return loss;
  const words = name.slice('eval_'.length).split('_');
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ');
}

/** Up to four decimals, and one at least. */
function rounded(value: number): string {
  const text = String(Number(value.toFixed(4)));
  return text.includes('.') ? text : `${text}.0`;
}

/** The text under a heading, where a person wrote it. */
function sectionOf(body: string, heading: string): string | undefined {
  const start = body.indexOf(`\n## ${heading}\n`);
  if (start < 0) return undefined;
  const [text = ''] = body.slice(start + heading.length + 5).split(/\n## /, 1);
  const written = text.trim();
  const generated = written === '' || written.endsWith(REPLACE) || written === 'More information needed';
  return generated ? undefined : written;
}

function bullets(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `- ${name}: ${typeof value === 'number' ? pythonNumber(value) : value}\n`)
    .join('');
}

/** As Python writes it: `1e-05`. */
export function pythonNumber(value: number): string {
  if (value === 0 || Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e-(\d)$/, 'e-0$1');
}

/** With a link where there is something to link to. */
function datasetTitle({ id, name, config }: CardDataset): string {
  const title = id === undefined ? `\`${name}\`` : `[${id}](https://huggingface.co/datasets/${id})`;
  return config === undefined ? title : `${title} (${config})`;
}

function listOf(names: readonly string[]): string {
  if (names.length === 0) return 'data that nobody named';
  if (names.length === 1) return names[0]!;
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
