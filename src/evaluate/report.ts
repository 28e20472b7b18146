// What an evaluation leaves in a folder: every utterance, the summary, and the page of the worst.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../files/folders.js';
import { writeFiles } from '../model/checkpoint.js';
import type { EvaluatedRow } from './evaluate.js';
import { worstPage } from './page.js';
import { type EvaluatedModel, evaluationJson } from './summary.js';
import { UtteranceFiles, utteranceRecord } from './utterances.js';
import { type WorstOptions, WorstUtterances } from './worst.js';

/**
 * The files of one evaluation: `utterances.jsonl` and `utterances.csv` grow with every row, `evaluation.json` and
 * `worst.html` are written at the end.
 */
export class EvaluationFolder {
  readonly #folder: string;
  readonly #utterances: UtteranceFiles;
  readonly #worst: WorstUtterances;

  private constructor(folder: string, utterances: UtteranceFiles, options: WorstOptions) {
    this.#folder = folder;
    this.#utterances = utterances;
    this.#worst = new WorstUtterances(options);
  }

  /** @throws WhisperError `ERR_FILE` where the folder cannot be written to */
  static async open(folder: string, options: WorstOptions): Promise<EvaluationFolder> {
    await makeFolder(folder);
    return new EvaluationFolder(folder, await UtteranceFiles.open(folder), options);
  }

  /** Takes a row as `onRow` of an evaluation is given it. @throws WhisperError `ERR_FILE` */
  async add(row: EvaluatedRow): Promise<void> {
    this.#worst.add(row);
    await this.#utterances.write(utteranceRecord(row));
  }

  /** Writes what is known only at the end. @throws WhisperError `ERR_FILE` */
  async finish(
    model: EvaluatedModel,
    { dataset, language }: { dataset: string; language?: string | undefined },
  ): Promise<void> {
    await writeFiles(this.#folder, async (temporary) => {
      const json = `${JSON.stringify({ dataset, ...evaluationJson(model) }, null, 2)}\n`;
      await writeFile(join(temporary, 'evaluation.json'), json);
      const utterances = this.#worst.list();
      await writeFile(join(temporary, 'worst.html'), worstPage({ ...model, dataset, language, utterances }));
    });
  }

  async close(): Promise<void> {
    await this.#utterances.close();
  }
}
