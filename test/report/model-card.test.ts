// Model cards: what the Hub reads of them, what people read, and what of an earlier card stays.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type CardOptions, cardFacts, hyperparameters } from '../../src/report/card-facts.js';
import { ModelCardWriter } from '../../src/report/card-writer.js';
import type { RunEvent } from '../../src/report/listener.js';
import { type CardFacts, isGenerated, modelCard } from '../../src/report/model-card.js';
import type { HistoryRow } from '../../src/train/state.js';
import { outputDir, run } from '../train/runs.js';

const facts: CardFacts = {
  name: 'Whisper Small Spanish',
  base: { id: 'openai/whisper-small', name: 'whisper-small', license: 'apache-2.0' },
  languages: ['es'],
  datasets: [{ id: 'mozilla-foundation/common_voice_11_0', name: 'common_voice_11_0', config: 'es' }],
  trainSplit: 'train+validation',
  evalSplit: 'test',
  hyperparameters: { learning_rate: 1e-5, seed: 42, optimizer: 'adamw_torch' },
  history: [
    { step: 0, epoch: 0, eval_loss: 2, eval_wer: 54.321, eval_runtime: 3, eval_samples_per_second: 1 },
    { step: 25, epoch: 0.05, loss: 1.23456, learning_rate: 1e-5 },
    { step: 1000, epoch: 1, eval_loss: 0.5, eval_wer: 32.0943, eval_runtime: 3, eval_samples_per_second: 1 },
  ],
  results: { eval_loss: 0.5, eval_wer: 32.0943, eval_runtime: 3, eval_samples: 20 },
  step: 5000,
  maxSteps: 5000,
  versions: { 'whisper-tune': '0.1.0', Node: '20.20.2' },
};
const head = (card: string) => parse(card.split('---\n')[1]!);

describe('the head', () => {
  it('says what the Hub wants to know', () => {
    expect(head(modelCard(facts))).toEqual({
      library_name: 'transformers',
      language: ['es'],
      license: 'apache-2.0',
      base_model: 'openai/whisper-small',
      tags: ['whisper-event', 'generated_from_trainer', 'whisper-tune'],
      datasets: ['mozilla-foundation/common_voice_11_0'],
      metrics: ['wer'],
      'model-index': [
        {
          name: 'Whisper Small Spanish',
          results: [
            {
              task: { name: 'Automatic Speech Recognition', type: 'automatic-speech-recognition' },
              dataset: {
                name: 'mozilla-foundation/common_voice_11_0 es',
                type: 'mozilla-foundation/common_voice_11_0',
                config: 'es',
                split: 'test',
                args: 'es',
              },
              metrics: [{ name: 'Wer', type: 'wer', value: 32.0943 }],
            },
          ],
        },
      ],
    });
  });

  it('names nothing as on the Hub that is not there, and has no results where none were measured', () => {
    const local = {
      ...facts,
      base: { name: 'mine' },
      datasets: [{ name: 'clips' }],
      results: { eval_loss: 1 },
    };
    expect(Object.keys(head(modelCard(local)))).toEqual(['library_name', 'language', 'tags', 'model-index']);
    expect(head(modelCard(local))['model-index']).toEqual([{ name: facts.name, results: [] }]);
  });
});

it('an adapter is PEFT’s, of the model that it was trained on', () => {
  const card = modelCard({ ...facts, adapter: true });
  expect(head(card)).toMatchObject({ library_name: 'peft', base_model: 'openai/whisper-small' });
  expect(head(card).tags).toEqual(
    expect.arrayContaining(['lora', 'base_model:adapter:openai/whisper-small']),
  );
  expect(card).toContain('This model is an adapter (LoRA) of [openai/whisper-small](');
});

describe('the text', () => {
  it('has results, hyperparameters as Python writes numbers, and versions', () => {
    const card = modelCard(facts);
    expect(card).toContain('# Whisper Small Spanish\n');
    expect(card).toContain(
      '[openai/whisper-small](https://huggingface.co/openai/whisper-small), fine-tuned on ',
    );
    expect(card).toContain('\n- Loss: 0.5\n- Wer: 32.0943\n');
    expect(card).not.toContain('Samples');
    expect(card).toContain('\n- learning_rate: 1e-05\n- seed: 42\n');
    expect(card).toContain('\n- whisper-tune 0.1.0\n- Node 20.20.2\n');
  });

  it('has a table of the evaluations, each with the last training loss logged before it', () => {
    expect(modelCard(facts)).toContain(
      [
        '| Training Loss | Epoch | Step | Validation Loss | Wer     |',
        '|:-------------:|:-----:|:----:|:---------------:|:-------:|',
        '| No log        | 0.0   | 0    | 2.0             | 54.321  |',
        '| 1.2346        | 1.0   | 1000 | 0.5             | 32.0943 |',
        '',
      ].join('\n'),
    );
    expect(modelCard({ ...facts, history: [] })).toContain('There was no evaluation.');
  });

  it('has several evaluation sets in one row', () => {
    const history: HistoryRow[] = [
      { step: 5, epoch: 1, eval_wer: 10 },
      { step: 5, epoch: 1, eval_noisy_wer: 20 },
    ];
    expect(modelCard({ ...facts, history })).toContain(
      [
        '| Training Loss | Epoch | Step | Wer  | Noisy Wer |',
        '|:-------------:|:-----:|:----:|:----:|:---------:|',
        '| No log        | 1.0   | 5    | 10.0 | 20.0      |',
        '',
      ].join('\n'),
    );
  });

  it('says that training is not at its end while it is not', () => {
    expect(modelCard({ ...facts, step: 1000 })).toContain('these are 1000 of 5000 updates');
    expect(modelCard(facts)).not.toContain('updates.');
  });
});

describe('a card that is written again', () => {
  it('keeps what a person wrote under the headings, and replaces the rest', () => {
    const first = modelCard(facts);
    const edited = first.replace(
      /(## Model description\n\n)[\s\S]*?(?=\n## )/,
      '$1Speaks like my aunt.\n\nReally.\n',
    );
    const again = modelCard({ ...facts, results: { eval_wer: 20 }, evalSplit: 'validation' }, edited);
    expect(again).toContain('## Model description\n\nSpeaks like my aunt.\n\nReally.\n\n## Intended');
    expect(again).toContain('evaluated on `validation`');
    expect(again).toContain('- Wer: 20.0\n');
    expect(modelCard(facts, first)).toBe(first);
  });

  it('keeps keys and tags that a person added to the head', () => {
    const edited = modelCard(facts)
      .replace('license: apache-2.0', 'license: mit\npipeline_tag: automatic-speech-recognition')
      .replace('  - whisper-tune\n', '  - whisper-tune\n  - catalan\n');
    expect(head(modelCard(facts, edited))).toMatchObject({
      license: 'mit',
      pipeline_tag: 'automatic-speech-recognition',
      tags: ['whisper-event', 'generated_from_trainer', 'whisper-tune', 'catalan'],
    });
  });

  it('may be one of transformers or the Hub’s empty one, but not a person’s', () => {
    expect(isGenerated('')).toBe(true);
    expect(isGenerated('---\nlicense: mit\n---\n')).toBe(true);
    expect(isGenerated(modelCard(facts))).toBe(true);
    expect(isGenerated('<!-- This model card has been generated automatically according to …-->')).toBe(true);
    expect(isGenerated('---\nlicense: mit\n---\n# My model\n')).toBe(false);
  });
});

describe('in a run', () => {
  const options: CardOptions = {
    modelNameOrPath: 'openai/whisper-tiny',
    datasetName: 'mozilla-foundation/common_voice_11_0',
    datasetConfigName: 'sv-SE',
    trainSplitName: 'train',
    evalSplitName: 'test',
  };

  /** Trains and tells a writer of it; returns what it said. */
  async function write(more: Parameters<typeof run>[0] = {}): Promise<string[]> {
    const events: RunEvent[] = [];
    const { trainer } = await run({
      maxSteps: 4,
      evalStrategy: 'steps',
      evalSteps: 2,
      overwriteOutputDir: true,
      ...more,
      onEvent: (event) => events.push(event),
    });
    const said: string[] = [];
    const writer = new ModelCardWriter(trainer, options, (text) => said.push(text));
    for (const event of [...events, { type: 'written', path: outputDir } as const]) await writer.tell(event);
    return said;
  }
  const read = (name = 'README.md') => readFileSync(join(outputDir, name), 'utf8');

  it('is written when the model is', async () => {
    expect(await write()).toEqual([]);
    expect(head(read())).toMatchObject({ base_model: 'openai/whisper-tiny', language: ['en'] });
    expect(read()).toMatch(/\| No log +\| 0\.5 +\| 2 /);
  });

  it('leaves a README.md that a person wrote, and says once where the card is', async () => {
    mkdirSync(outputDir, { recursive: true });
    writeFileSync(join(outputDir, 'README.md'), '# Mine\n');
    expect(await write({ saveStrategy: 'steps', saveSteps: 2 })).toEqual([
      expect.stringContaining('README.md is not of a model card'),
    ]);
    expect(read()).toBe('# Mine\n');
    expect(isGenerated(read('model-card.md'))).toBe(true);
    expect(readdirSync(outputDir)).toContain('model-card.md');
  });

  it('knows the language of Common Voice, the id behind a copy in the cache, and that data is local', async () => {
    const { trainer } = await run({ maxSteps: 1, language: undefined });
    expect((await cardFacts(trainer, options)).languages).toEqual(['sv']);
    const local = await cardFacts(trainer, {
      ...options,
      datasetName: outputDir,
      modelNameOrPath: outputDir,
    });
    expect(local.base).toEqual({ name: 'out' });
    expect(local.datasets).toEqual([{ name: 'out', config: 'sv-SE' }]);
    const cached = Object.create(trainer, {
      model: {
        value: {
          folder: '/cache/models--openai--whisper-tiny/snapshots/abc',
          tokenizer: { languages: new Map() },
        },
      },
    });
    const facts = await cardFacts(cached, { ...options, modelNameOrPath: outputDir });
    expect(facts.base).toEqual({ name: 'out', id: 'openai/whisper-tiny' });
  });

  it('lists the hyperparameters that make the run what it is', async () => {
    const { trainer } = await run({
      maxSteps: 1,
      gradientAccumulationSteps: 2,
      warmupSteps: 3,
      learningRate: 1e-5,
    });
    expect(hyperparameters(trainer)).toEqual({
      learning_rate: 1e-5,
      train_batch_size: 2,
      eval_batch_size: 2,
      seed: 42,
      gradient_accumulation_steps: 2,
      total_train_batch_size: 4,
      optimizer: 'adamw_torch with betas=(0.9,0.999) and epsilon=1e-08',
      lr_scheduler_type: 'linear',
      lr_scheduler_warmup_steps: 3,
      training_steps: 1,
    });
  });
});
