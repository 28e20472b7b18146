// Keeps the model card of a run up to date while it goes on.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../files/folders.js';
import { writeFiles } from '../model/checkpoint.js';
import type { Metrics } from '../train/results.js';
import type { Trainer } from '../train/trainer.js';
import { type CardOptions, cardFacts, hyperparameters, lastEvaluation } from './card-facts.js';
import type { RunEvent, TrainingListener } from './listener.js';
import { isGenerated, modelCard } from './model-card.js';

const CARD = 'README.md';
/** Where the card goes when a README.md is there that a person wrote. */
const BESIDE = 'model-card.md';

/** Writes README.md after every checkpoint and at the end of a training. */
export class ModelCardWriter implements TrainingListener {
  readonly #trainer: Trainer;
  readonly #options: CardOptions;
  readonly #line: (text: string) => void;
  #maxSteps: number | undefined;
  #results: Metrics | undefined;
  #kept = false;
  #adapter = false;

  constructor(trainer: Trainer, options: CardOptions, line: (text: string) => void) {
    this.#trainer = trainer;
    this.#options = options;
    this.#line = line;
  }

  async tell(event: RunEvent): Promise<void> {
    if (event.type === 'start') this.#maxSteps = event.maxSteps;
    if (event.type === 'results' && event.split === 'eval') this.#results = event.metrics;
    if (event.type === 'save' || event.type === 'written') this.#adapter = await isAdapter(event.path);
    if (['save', 'written', 'results'].includes(event.type)) await this.#write();
  }

  async close(): Promise<void> {}

  async #write(): Promise<void> {
    const maxSteps = this.#maxSteps;
    // An evaluation alone makes no model.
    if (maxSteps === undefined) return;
    const { state, options } = this.#trainer;
    const { outputDir } = options;
    const there = await readFile(join(outputDir, CARD), 'utf8').catch(() => '');
    const mine = isGenerated(there);
    if (!mine && !this.#kept) {
      this.#kept = true;
      this.#line(`${join(outputDir, CARD)} is not of a model card's making and stays: the card is ${BESIDE}`);
    }
    const name = mine ? CARD : BESIDE;
    const earlier = mine ? there : await readFile(join(outputDir, BESIDE), 'utf8').catch(() => '');
    const results = this.#results ?? lastEvaluation(this.#trainer);
    const facts = {
      ...(await cardFacts(this.#trainer, this.#options)),
      hyperparameters: hyperparameters(this.#trainer),
      history: state.history,
      ...(results && { results }),
      adapter: this.#adapter,
      step: state.step,
      maxSteps,
    };
    await writeFiles(outputDir, (temporary) => writeFile(join(temporary, name), modelCard(facts, earlier)));
  }
}

/** Whether a folder has an adapter's weights and no model's. */
async function isAdapter(folder: string): Promise<boolean> {
  return (
    (await exists(join(folder, 'adapter_config.json'))) && !(await exists(join(folder, 'model.safetensors')))
  );
}
