// The training loop against a stand-in for the engine: when things happen, and what is written.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromIterable } from '../../src/data/index.js';
import { Trainer } from '../../src/train/trainer.js';
import { fakeWhisper, rows } from './fake-model.js';
import { folders, json, of, outputDir, type Run, run } from './runs.js';

describe('the loop', () => {
  it('starts, steps, ends each pass, and ends', async () => {
    const { events, native } = await run({ maxSteps: 7 });
    expect(events[0]).toMatchObject({ type: 'start', step: 0, maxSteps: 7, parameters: 36, trainable: 26 });
    expect(of(events, 'step').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(of(events, 'step')[4]!.epoch).toBe(1);
    expect(of(events, 'step')[6]!.epoch).toBeCloseTo(1.4);
    expect(of(events, 'epoch')).toMatchObject([{ epoch: 1, step: 5, data: { rows: 10, kept: 10 } }]);
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 7, reason: 'done' });
    expect(native.log).toEqual(['prepareTraining', 'endTraining']);
  });

  it('uses the partial batch at the end of a pass, and ends a step with the pass', async () => {
    const { native } = await run({
      trainDataset: fromIterable(rows(7)),
      gradientAccumulationSteps: 3,
      maxSteps: 4,
    });
    const sizes = native.steps.map(({ batches }) => batches.map(({ samples }) => samples.length));
    expect(sizes).toEqual([[2, 2, 2], [1], [2, 2, 2], [1]]);
  });

  it('makes the first update of a warm-up with learning rate 0', async () => {
    const { native } = await run({ warmupSteps: 4, maxSteps: 8 });
    expect(native.steps.map(({ options }) => options.decoderRate)).toEqual(
      [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25].map((factor) => 0.1 * factor),
    );
  });

  it('weighs every token of a step the same', async () => {
    const { native } = await run({
      trainDataset: fromIterable(rows(4, (i) => (i < 2 ? 'on' : 'turn on the light in the kitchen'))),
      shuffleBufferSize: 1,
      gradientAccumulationSteps: 2,
      maxSteps: 1,
    });
    const [{ batches, options } = { batches: [], options: undefined }] = native.steps;
    const tokens = batches.map(({ labels }) => labels.filter((label) => label >= 0).length);
    expect(tokens[0]).toBeLessThan(tokens[1]!);
    const total = tokens[0]! + tokens[1]!;
    expect([...options!.scales]).toEqual([Math.fround(1 / total), Math.fround(1 / total)]);
  });

  it('or every micro-batch, when asked to', async () => {
    const { native, events } = await run({
      trainDataset: fromIterable(rows(4, (i) => (i < 2 ? 'on' : 'turn on the light in the kitchen'))),
      shuffleBufferSize: 1,
      gradientAccumulationSteps: 2,
      maxSteps: 1,
      meanOfMeans: true,
      setUp: (fake) => {
        fake.lossOf = (batch) => (batch.time > 6 ? 3 : 1);
      },
    });
    const { batches, options } = native.steps[0]!;
    const tokens = batches.map(({ labels }) => labels.filter((label) => label >= 0).length);
    expect([...options.scales]).toEqual(tokens.map((count) => Math.fround(1 / (2 * count))));
    expect(of(events, 'step')[0]!.loss).toBeCloseTo(2);
  });

  it('carries the prefix and the end in the labels, without the start token', async () => {
    const { native, trainer } = await run({ maxSteps: 1, shuffleBufferSize: 1 });
    const { tokenizer } = trainer.model;
    const first = [...native.steps[0]!.batches[0]!.labels.subarray(0, native.steps[0]!.batches[0]!.time)];
    expect(first.filter((id) => id >= 0)).toEqual([
      tokenizer.languages.get('en'),
      tokenizer.transcribe,
      tokenizer.notimestamps,
      ...tokenizer.encode('turn on the light'),
      tokenizer.eot,
    ]);
  });

  it('drops labels longer than max_label_length', async () => {
    const { native, events } = await run({
      maxSteps: 3,
      maxLabelLength: 8,
      trainDataset: fromIterable(rows(6, (i) => (i < 3 ? 'on' : 'turn on the light in the kitchen'))),
    });
    expect(Math.max(...native.steps.flatMap(({ batches }) => batches.map(({ time }) => time)))).toBeLessThan(
      8,
    );
    expect(of(events, 'epoch')[0]!.data).toMatchObject({ kept: 3, dropped: { 'long-label': { count: 3 } } });
  });

  it('masks other spans in every micro-batch, and the same in a repeated run', async () => {
    const first = await run({ maxSteps: 3 });
    rmSync(outputDir, { recursive: true });
    const second = await run({ maxSteps: 3 });
    const spans = ({ native }: Run) => native.steps.map(({ batches }) => [...batches[0]!.maskSpans!].join());
    expect(new Set(spans(first)).size).toBe(3);
    expect(spans(second)).toEqual(spans(first));
  });

  it('counts the updates of epochs from the rows that can be used', async () => {
    const data = [
      ...rows(9),
      { id: 'silent', audio: { samples: new Float32Array(48000 * 2), sampleRate: 16000 }, text: 'x' },
    ];
    const { events } = await run({ maxSteps: -1, numTrainEpochs: 1.5, trainDataset: fromIterable(data) });
    expect(events.find(({ type }) => type === 'start')).toMatchObject({ maxSteps: 8 });
    expect(of(events, 'epoch')[0]!.data).toMatchObject({
      rows: 10,
      kept: 9,
      dropped: { 'too-long': { count: 1 } },
    });
  });

  it('stops without a checkpoint when the consumer leaves', async () => {
    const { model, native } = await fakeWhisper();
    const trainer = new Trainer(model, { outputDir, trainDataset: fromIterable(rows(10)), maxSteps: 5 });
    for await (const event of trainer.train()) if (event.type === 'step') break;
    expect(native.log.at(-1)).toBe('endTraining');
    expect(folders()).toEqual([]);
  });
});

describe('logging', () => {
  it('writes the mean of the losses since the line before', async () => {
    const { events, trainer } = await run({ loggingSteps: 3, maxSteps: 8 });
    const losses = of(events, 'step').map(({ loss }) => loss);
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
    const logs = of(events, 'log');
    expect(logs.map(({ step }) => step)).toEqual([3, 6]);
    expect(logs[0]!.loss).toBeCloseTo(mean(losses.slice(0, 3)), 12);
    expect(logs[1]!.loss).toBeCloseTo(mean(losses.slice(3, 6)), 12);
    expect(trainer.metrics().train_loss).toBeCloseTo(mean(losses), 12);
    const { log_history } = json('trainer_state.json');
    expect(Object.keys(log_history[0]).sort()).toEqual([
      'data_wait',
      'epoch',
      'grad_norm',
      'learning_rate',
      'loss',
      'step',
    ]);
    expect(log_history.at(-1)).toMatchObject({ step: 8, train_loss: trainer.metrics().train_loss });
  });

  it('logs the first update when asked to', async () => {
    const { events } = await run({ loggingSteps: 4, loggingFirstStep: true });
    expect(of(events, 'log').map(({ step }) => step)).toEqual([1, 4, 8]);
  });
});

describe('evaluation', () => {
  it('comes before training and every eval_steps', async () => {
    const { events, native, trainer } = await run({
      evalStrategy: 'steps',
      evalSteps: 3,
      predictWithGenerate: true,
      generationMaxLength: 20,
      setUp: (fake) => {
        fake.hear = () => [5, 6, 7];
      },
    });
    expect(of(events, 'evaluate').map(({ step }) => step)).toEqual([0, 3, 6]);
    expect(events.findIndex(({ type }) => type === 'evaluate')).toBeLessThan(
      events.findIndex(({ type }) => type === 'step'),
    );
    const { tokenizer } = trainer.model;
    expect(native.generations[0]!.options).toMatchObject({
      maxLength: 20,
      end: tokenizer.eot,
      prompt: Int32Array.from(tokenizer.promptTokens({ language: 'en' })),
    });
    expect(native.generations.slice(0, 3).map((call) => call.rows)).toEqual([2, 2, 1]);
    expect(of(events, 'evaluate')[0]!.wer).toBeGreaterThan(0);
    const { log_history } = json('trainer_state.json');
    expect(log_history[0].step).toBe(0);
    // As transformers logs one; the character error rate is ours.
    expect(Object.keys(log_history[0]).sort()).toEqual([
      'epoch',
      'eval_cer',
      'eval_loss',
      'eval_runtime',
      'eval_samples_per_second',
      'eval_steps_per_second',
      'eval_wer',
      'step',
    ]);
    expect(log_history[0].eval_wer).toBe(of(events, 'evaluate')[0]!.wer);
  });

  it('weighs the mean loss of each batch by its rows', async () => {
    const { events } = await run({
      evalStrategy: 'steps',
      evalSteps: 100,
      evalDataset: fromIterable(rows(5, (i) => (i === 4 ? 'turn on the light' : 'on'))),
      setUp: (fake) => {
        fake.lossOf = (batch) => (batch.samples.length === 1 ? 6 : 1);
      },
    });
    expect(of(events, 'evaluate')[0]!.loss).toBeCloseTo((2 * 1 + 2 * 1 + 1 * 6) / 5);
    expect(of(events, 'evaluate')[0]!.wer).toBeUndefined();
  });

  it('at the end of passes under the strategy epoch, and not at the start when told so', async () => {
    const { events } = await run({ evalStrategy: 'epoch', evalOnStart: false, maxSteps: 11 });
    expect(of(events, 'evaluate').map(({ step }) => step)).toEqual([5, 10]);
  });

  it('gives the last result again for the same weights', async () => {
    const { trainer, events } = await run({ evalStrategy: 'steps', evalSteps: 4 });
    const progress: number[] = [];
    expect(await trainer.evaluate(({ rows }) => progress.push(rows))).toMatchObject({
      loss: of(events, 'evaluate').at(-1)!.loss,
    });
    expect(of(events, 'evaluate').at(-1)!.step).toBe(8);
    expect(progress).toEqual([]);
  });

  it('tells how far it is after every batch, also where training does not ask for it', async () => {
    const evalDataset = { ...fromIterable(rows(5)), count: async () => 5 };
    const { trainer, events } = await run({ evalStrategy: 'steps', evalSteps: 4, maxSteps: 5, evalDataset });
    const types = events.map(({ type }) => type).filter((type) => /evaluat|step/.test(type));
    const evaluation = ['evaluating', 'evaluating', 'evaluating', 'evaluate'];
    expect(types).toEqual([...evaluation, ...Array(4).fill('step'), ...evaluation, 'step']);
    expect(of(events, 'evaluating').map(({ step, rows, total }) => [step, rows, total])).toEqual([
      [0, 2, 5],
      [0, 4, 5],
      [0, 5, 5],
      [4, 2, 5],
      [4, 4, 5],
      [4, 5, 5],
    ]);
    const progress: object[] = [];
    await trainer.evaluate((event) => progress.push(event));
    expect(progress).toEqual([2, 4, 5].map((rows) => ({ type: 'evaluating', step: 5, rows, total: 5 })));
  });

  it('ends where the consumer leaves in the middle of it', async () => {
    const { model, native } = await fakeWhisper();
    let closed = 0;
    function* evalRows() {
      try {
        yield* rows(100);
      } finally {
        closed += 1;
      }
    }
    const trainer = new Trainer(model, {
      outputDir,
      trainDataset: fromIterable(rows(10)),
      evalDataset: fromIterable(evalRows),
      evalStrategy: 'steps',
      perDeviceEvalBatchSize: 2,
      maxSteps: 5,
    });
    for await (const event of trainer.train()) if (event.type === 'evaluating') break;
    expect(closed).toBe(1);
    expect(native.log.at(-1)).toBe('endTraining');
  });
});

describe('checkpoints', () => {
  it('are written every save_steps and at the end, with everything to go on', async () => {
    const { events } = await run({ saveStrategy: 'steps', saveSteps: 3 });
    expect(of(events, 'save').map(({ step }) => step)).toEqual([3, 6, 8]);
    expect(folders()).toEqual(['checkpoint-3', 'checkpoint-6', 'checkpoint-8']);
    const files = readdirSync(join(outputDir, 'checkpoint-3'));
    for (const name of [
      'config.json',
      'generation_config.json',
      'preprocessor_config.json',
      'tokenizer.json',
      'vocab.json',
      'merges.txt',
      'added_tokens.json',
      'model.safetensors',
      'optimizer.safetensors',
      'trainer_state.json',
      'whisper_tune_state.json',
      'training_args.json',
    ]) {
      expect(files).toContain(name);
    }
    expect(json('checkpoint-3', 'generation_config.json')).toMatchObject({
      language: 'en',
      task: 'transcribe',
    });
    expect(json('checkpoint-6', 'trainer_state.json')).toMatchObject({ global_step: 6, max_steps: 8 });
  });

  it('are written at the end of passes under the strategy epoch', async () => {
    await run({ saveStrategy: 'epoch', maxSteps: 11 });
    expect(folders()).toEqual(['checkpoint-10', 'checkpoint-5']);
  });

  it('beyond the limit are deleted, but never the best', async () => {
    let evaluations = 0;
    const { events, native } = await run({
      saveStrategy: 'steps',
      saveSteps: 2,
      saveTotalLimit: 2,
      evalStrategy: 'steps',
      evalSteps: 2,
      loadBestModelAtEnd: true,
      setUp: (fake) => {
        // Three batches an evaluation: of updates 0, 2, 4, 6, 8.
        const losses = [9, 2, 3, 4, 5];
        fake.loss = async (batch) => {
          const loss = losses[Math.floor(evaluations++ / 3)]!;
          const tokens = Int32Array.from(batch.samples, () => 1);
          return { sums: Float32Array.from(tokens, () => loss), tokens };
        };
      },
    });
    expect(folders()).toEqual(['checkpoint-2', 'checkpoint-8']);
    expect(of(events, 'save').map(({ best }) => best)).toEqual([true, false, false, false]);
    expect(events.at(-1)).toMatchObject({ type: 'end', best: join(outputDir, 'checkpoint-2') });
    expect(native.weights).toEqual(json('checkpoint-2', 'model.safetensors'));
    expect(json('trainer_state.json')).toMatchObject({ best_metric: 2, best_global_step: 2 });
  });

  it('of an earlier run are set aside when the folder is overwritten', async () => {
    await run({ saveStrategy: 'steps', saveSteps: 8 });
    await run({ saveStrategy: 'steps', saveSteps: 4, maxSteps: 4, overwriteOutputDir: true });
    expect(folders()).toEqual(['checkpoint-4', 'earlier-1']);
    expect(readdirSync(join(outputDir, 'earlier-1'))).toEqual(['checkpoint-8']);
  });

  it('that a crash left half written are removed', async () => {
    await run({ saveStrategy: 'steps', saveSteps: 8 });
    writeFileSync(join(outputDir, '.checkpoint-9.partial-00ff00'), '');
    await run({ maxSteps: 9 });
    expect(existsSync(join(outputDir, '.checkpoint-9.partial-00ff00'))).toBe(false);
  });
});
