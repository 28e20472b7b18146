// Tokenizer folders made of the golden vocabulary, in the layouts of special tokens that are in use.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LANGUAGES } from '../../src/processor/languages.js';

export const golden = new URL('../golden/text/tokenizer/', import.meta.url);

/** Text of a golden file of the tokenizer. */
export function goldenText(name: string): string {
  return readFileSync(new URL(name, golden), 'utf8');
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'whisper-tokenizer-'));
}

/** Names of the special tokens and timestamps in the order of their identifiers. */
export function tokenNames({ cantonese = false, nospeech = 'nospeech', timestamps = true } = {}): string[] {
  const languages = [...LANGUAGES.keys()].filter((code) => cantonese || code !== 'yue');
  const names = ['endoftext', 'startoftranscript', ...languages, 'translate', 'transcribe', 'startoflm'];
  names.push('startofprev', nospeech, 'notimestamps');
  if (timestamps) for (let i = 0; i <= 1500; i++) names.push((i / 50).toFixed(2));
  return names.map((name) => `<|${name}|>`);
}

export interface Layout {
  names: readonly string[];
  /** Number of text tokens, filled up with ones that never occur. */
  fill?: number;
  /** More merges, two tokens each; the token they make is added. */
  merges?: readonly string[];
  /** `is_multilingual` of a generation_config.json. */
  isMultilingual?: boolean;
}

/** A new folder with vocab.json, merges.txt and added_tokens.json. */
export function folderOf({ names, fill = 0, merges = [], isMultilingual }: Layout): string {
  const folder = temporaryFolder();
  const vocab: Record<string, number> = JSON.parse(goldenText('vocab.json'));
  for (let id = Object.keys(vocab).length; id < fill; id++) vocab[`filler${id}`] = id;
  for (const pair of merges) vocab[pair.replace(' ', '')] = Object.keys(vocab).length;
  const first = Object.keys(vocab).length;
  writeFileSync(join(folder, 'vocab.json'), JSON.stringify(vocab));
  writeFileSync(
    join(folder, 'merges.txt'),
    goldenText('merges.txt') + merges.map((pair) => `${pair}\n`).join(''),
  );
  const added = Object.fromEntries(names.map((name, i) => [name, first + i]));
  writeFileSync(join(folder, 'added_tokens.json'), JSON.stringify(added));
  if (isMultilingual !== undefined) {
    writeFileSync(
      join(folder, 'generation_config.json'),
      JSON.stringify({ is_multilingual: isMultilingual }),
    );
  }
  return folder;
}
