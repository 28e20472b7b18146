// The report of an evaluation utterance by utterance: JSON lines for programs, CSV for spreadsheets, written as it goes on.
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../errors.js';
import { errorsOf } from './alignment.js';
import type { EvaluatedRow } from './evaluate.js';

/** One line. What a row does not have is null. */
export interface UtteranceRecord {
  id: string;
  reference: string;
  hypothesis: string;
  normalized_reference: string | null;
  normalized_hypothesis: string | null;
  /** Words of the normalised reference. */
  words: number | null;
  substitutions: number | null;
  deletions: number | null;
  insertions: number | null;
  /** Percent. */
  wer: number | null;
  cer: number | null;
  /** Why the row counts in no error rate. */
  unscored: string | null;
  seconds: number;
  language: string | null;
  /** Mean natural logarithm of the probability of the tokens. */
  avg_logprob: number | null;
  compression_ratio: number;
  loop: boolean;
  silent: boolean;
}

export function utteranceRecord(row: EvaluatedRow): UtteranceRecord {
  const { id, reference, hypothesis, score, symptoms } = row;
  const scored = typeof score === 'string' ? undefined : score;
  const rate = (counts = scored?.words): number | null =>
    counts && counts.referenceLength > 0 ? round((100 * errorsOf(counts)) / counts.referenceLength, 2) : null;
  return {
    id,
    reference,
    hypothesis,
    normalized_reference: scored?.reference ?? null,
    normalized_hypothesis: scored?.hypothesis ?? null,
    words: scored?.words.referenceLength ?? null,
    substitutions: scored?.words.substitutions ?? null,
    deletions: scored?.words.deletions ?? null,
    insertions: scored?.words.insertions ?? null,
    wer: rate(),
    cer: rate(scored?.characters),
    unscored: typeof score === 'string' ? score : null,
    seconds: round(row.samples.length / 16000, 3),
    language: row.language ?? null,
    avg_logprob: row.averageLogprob === undefined ? null : round(row.averageLogprob, 4),
    compression_ratio: round(symptoms.compressionRatio, 2),
    loop: symptoms.looping,
    silent: symptoms.silent,
  };
}

const COLUMNS = [
  'id',
  'reference',
  'hypothesis',
  'normalized_reference',
  'normalized_hypothesis',
  'words',
  'substitutions',
  'deletions',
  'insertions',
  'wer',
  'cer',
  'unscored',
  'seconds',
  'language',
  'avg_logprob',
  'compression_ratio',
  'loop',
  'silent',
] as const satisfies readonly (keyof UtteranceRecord)[];

/** One line of CSV (RFC 4180): a field is quoted where it has to be. */
export function csvLine(values: readonly (string | number | boolean | null)[]): string {
  const fields = values.map((value) => {
    const text = value === null ? '' : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${fields.join(',')}\r\n`;
}

/** `utterances.jsonl` and `utterances.csv` of a folder, line by line while the evaluation goes on. */
export class UtteranceFiles {
  readonly #json: LineFile;
  readonly #table: LineFile;

  private constructor(json: LineFile, table: LineFile) {
    this.#json = json;
    this.#table = table;
  }

  /**
   * Begins both files anew.
   *
   * @throws WhisperError `ERR_FILE`
   */
  static async open(folder: string): Promise<UtteranceFiles> {
    const json = await LineFile.open(join(folder, 'utterances.jsonl'));
    try {
      const table = await LineFile.open(join(folder, 'utterances.csv'));
      await table.write(csvLine(COLUMNS));
      return new UtteranceFiles(json, table);
    } catch (error) {
      await json.close();
      throw error;
    }
  }

  /** @throws WhisperError `ERR_FILE` */
  async write(record: UtteranceRecord): Promise<void> {
    await this.#json.write(`${JSON.stringify(record)}\n`);
    await this.#table.write(csvLine(COLUMNS.map((column) => record[column])));
  }

  async close(): Promise<void> {
    await this.#json.close();
    await this.#table.close();
  }
}

/** A text file that is written line by line. */
class LineFile {
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async open(path: string): Promise<LineFile> {
    try {
      return new LineFile(path, await open(path, 'w'));
    } catch (cause) {
      throw fileError('write', path, cause);
    }
  }

  async write(line: string): Promise<void> {
    try {
      await this.#file.writeFile(line);
    } catch (cause) {
      throw fileError('write', this.#path, cause);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
