// The worst utterances as one HTML page: what was said and heard side by side, the clips, a summary; it needs no network.
import { createHash } from 'node:crypto';
import { type AlignedUnit, align, wordsOf } from './alignment.js';
import { PAGE_SCRIPT, PAGE_STYLE } from './page-assets.js';
import type { Rates } from './score.js';
import { between, describeHallucinations, type EvaluatedModel, percent } from './summary.js';
import type { BadUtterance } from './worst.js';

export interface PageContent extends EvaluatedModel {
  /** Of which data the page tells. */
  dataset: string;
  /** Code of the language of rows that have none of their own. */
  language?: string | undefined;
  /** The worst first. */
  utterances: readonly BadUtterance[];
}

/** The whole page. Everything that comes from data is escaped, and no script but the page's own may run. */
export function worstPage(content: PageContent): string {
  const title = `${content.name} on ${content.dataset}`;
  const { utterances } = content;
  const policy =
    `default-src 'none'; media-src data:; style-src '${hashOf(PAGE_STYLE)}'; script-src '${hashOf(PAGE_SCRIPT)}'; ` +
    `base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}: worst utterances</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
${summary(content, title)}
<form hidden>
<input name="search" type="search" placeholder="Search texts and names" aria-label="Search">
<label>Order <select name="order">${orders()}</select></label>
<output class="dim"></output>
</form>
<main>
${utterances.map((utterance) => article(utterance, content.language)).join('\n')}
</main>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

/** For text and for values of attributes in double or single quotes. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

function hashOf(content: string): string {
  return `sha256-${createHash('sha256').update(content).digest('base64')}`;
}

function orders(): string {
  const names = {
    errors: 'most errors',
    wer: 'highest WER',
    cer: 'highest CER',
    seconds: 'longest',
    ratio: 'most repetitive',
    index: 'as in the data',
  };
  return Object.entries(names)
    .map(([value, name]) => `<option value="${value}">${name}</option>`)
    .join('');
}

function summary(content: PageContent, title: string): string {
  const { evaluation, intervals, utterances } = content;
  const { rates = {}, languages = {}, hallucinations, samples, audioSeconds } = evaluation;
  const [main] = Object.values(rates) as [Rates];
  const { substitutions, deletions, insertions, referenceLength } = main.words;
  const minutes = (audioSeconds / 60).toFixed(1);
  const clips = utterances.filter(({ clip }) => clip).length;
  return `<header>
<h1 dir="auto">${escapeHtml(title)}</h1>
<p><strong>WER ${percent(main.wer)}</strong>${between(intervals?.wer)}, CER ${percent(main.cer)}${between(intervals?.cer)}, sentences with an error ${percent(main.ser)}</p>
<p class="dim">rows ${samples}, minutes ${minutes}, words ${referenceLength}; substitutions ${substitutions}, deletions ${deletions}, insertions ${insertions}</p>
${ratesTable('Normaliser', rates)}
${Object.keys(languages).length > 1 ? ratesTable('Language', languages) : ''}
<ul>${describeHallucinations(hallucinations!)
    .map((line) => `<li class="flag">${escapeHtml(line)}</li>`)
    .join('')}</ul>
<p>Utterances with the most errors: ${utterances.length}, with their clip ${clips}. <del>Missing</del>, <ins>too much</ins>, <span class="sub"><del>said</del> <ins>heard</ins></span>.</p>
</header>`;
}

function ratesTable(title: string, rates: Readonly<Record<string, Rates>>): string {
  const rows = Object.entries(rates).map(([name, { wer, cer, ser, words }]) => {
    const cells = [escapeHtml(name), percent(wer), percent(cer), percent(ser), words.referenceLength];
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const titles = [title, 'WER', 'CER', 'SER', 'words'].map((name) => `<th>${name}</th>`).join('');
  return `<table><thead><tr>${titles}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function article({ record, index, errors, clip }: BadUtterance, spoken: string | undefined): string {
  const { id, reference, hypothesis, wer, cer, seconds, language } = record;
  const { substitutions, deletions, insertions, avg_logprob: logprob, compression_ratio: ratio } = record;
  const facts = [
    `WER ${percent(wer ?? 0)}`,
    `CER ${percent(cer ?? 0)}`,
    `substitutions ${substitutions}, deletions ${deletions}, insertions ${insertions}`,
    `${seconds.toFixed(1)} s`,
    ...(language === null ? [] : [language]),
    ...(logprob === null ? [] : [`log-probability ${logprob.toFixed(2)}`]),
  ];
  const flags = [
    ...(record.loop ? ['repeats itself'] : []),
    ...(ratio > 2.4 ? [`compression ratio ${ratio.toFixed(1)}`] : []),
    ...(record.silent ? ['silent clip'] : []),
  ];
  const code = language ?? spoken;
  const lang = code === undefined ? '' : ` lang="${escapeHtml(code)}"`;
  const audio = clip
    ? `<audio controls preload="none" src="data:audio/wav;base64,${clip.toString('base64')}"></audio>`
    : '';
  const data = Object.entries({ errors, wer: wer ?? 0, cer: cer ?? 0, seconds, ratio, index })
    .map(([name, value]) => ` data-${name}="${value}"`)
    .join('');
  return `<article${data}>
<p class="dim"><bdi>${escapeHtml(id)}</bdi> · ${escapeHtml(facts.join(' · '))}${flags.map((flag) => ` · <span class="flag">${escapeHtml(flag)}</span>`).join('')}</p>
<p class="aligned" dir="auto"${lang}>${aligned(record.normalized_reference ?? '', record.normalized_hypothesis ?? '')}</p>
<dl><dt>said</dt><dd dir="auto"${lang}>${escapeHtml(reference)}</dd><dt>heard</dt><dd dir="auto"${lang}>${escapeHtml(hypothesis)}</dd></dl>
${audio}</article>`;
}

/** Scripts that put no spaces between words. */
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\p{sc=Tibetan}]/gu;
const LETTER = /\p{L}/gu;

/** Both texts aligned word by word, or letter by letter (grapheme clusters) where most letters are of such a script. */
function aligned(reference: string, hypothesis: string): string {
  const both = reference + hypothesis;
  const unspaced = 2 * count(both, UNSPACED) > count(both, LETTER);
  const units = unspaced
    ? align(graphemesOf(reference), graphemesOf(hypothesis))
    : align(wordsOf(reference), wordsOf(hypothesis));
  return units.map(unitHtml).join(unspaced ? '' : ' ');
}

function unitHtml(unit: AlignedUnit): string {
  switch (unit.edit) {
    case 'hit':
      return escapeHtml(unit.reference);
    case 'substitution':
      return `<span class="sub"><del>${escapeHtml(unit.reference)}</del> <ins>${escapeHtml(unit.hypothesis)}</ins></span>`;
    case 'deletion':
      return `<del>${escapeHtml(unit.reference)}</del>`;
    case 'insertion':
      return `<ins>${escapeHtml(unit.hypothesis)}</ins>`;
  }
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

function graphemesOf(text: string): string[] {
  return Array.from(segmenter.segment(text.trim()), ({ segment }) => segment);
}
