// What train says of its data before it begins: preflight of the first rows.
import type { Source } from '../data/dataset.js';
import { quickCheck } from '../data/preflight/preflight.js';
import type { Whisper } from '../model/whisper.js';
import { describeFinding } from '../report/preflight.js';
import type { Values } from '../train/option.js';
import type { rowOptions } from '../train/options/rows.js';
import { rowChecks } from '../train/preflight.js';
import type { Terminal } from './command.js';

/**
 * Looks at the first rows of the data and tells what is wrong with them; nothing of it stops training.
 *
 * @param data the splits by their names; undefined for what is not used
 * @throws WhisperError where the data cannot be read at all
 */
export async function tellQuickCheck(
  data: { train: Source | undefined; evaluation: Source | undefined },
  model: Whisper,
  options: Values<typeof rowOptions>,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const splits = Object.entries(data).flatMap(([name, source]) =>
    source ? [{ name, sources: [source], trained: name === 'train' }] : [],
  );
  const findings = await quickCheck({ ...rowChecks(options, model), splits, signal });
  // That no language is named is said by train itself, of all rows.
  const told = findings.filter(({ kind }) => kind !== 'no-language');
  for (const finding of told) terminal.err(`first rows of ${describeFinding(finding)}\n`);
  if (told.length > 0) terminal.err('whisper-tune preflight looks at all rows\n');
}
