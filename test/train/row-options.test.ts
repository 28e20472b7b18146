// What options of rows do in training: what the stand-in for the engine is given.
import { rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromIterable } from '../../src/data/index.js';
import { fakeWhisper, rows } from './fake-model.js';
import { outputDir, type Run, run } from './runs.js';

const once = { maxSteps: 1, perDeviceTrainBatchSize: 4, shuffleBufferSize: 1 };

describe('training', () => {
  it('labels rows by their own language', async () => {
    const data = rows(4).map((row, i) => ({ ...row, ...(i > 1 && { language: 'de' }) }));
    const { native, trainer } = await run({ ...once, trainDataset: fromIterable(data), language: 'en' });
    const [batch] = native.steps[0]!.batches;
    const { tokenizer } = trainer.model;
    const languages = [0, 1, 2, 3].map((row) => batch!.labels[row * batch!.time]);
    expect(languages).toEqual(['en', 'en', 'de', 'de'].map((code) => tokenizer.languageToken(code)));
  });

  it('puts a previous text before the labels, unlearnt', async () => {
    const data = rows(4).map((row, i) => ({ ...row, ...(i === 2 && { previous: 'turn on' }) }));
    const trainDataset = fromIterable(data);
    const { native, trainer } = await run({ ...once, trainDataset, promptProbability: 1, doLowerCase: true });
    const { prev, sot } = trainer.model.tokenizer;
    const prompt = [prev, ...trainer.model.tokenizer.encode(' turn on')];
    const { inputs, labels, time } = native.steps[0]!.batches[0]!;
    expect([...inputs!.subarray(0, 1)]).toEqual([sot]);
    expect([...inputs!.subarray(2 * time, 2 * time + prompt.length + 1)]).toEqual([...prompt, sot]);
    expect([...labels.subarray(2 * time, 2 * time + prompt.length)]).toEqual(prompt.map(() => -100));
    const without = await run({ ...once, trainDataset, overwriteOutputDir: true });
    expect(without.native.steps[0]!.batches[0]).not.toHaveProperty('inputs');
  });

  it('puts times into a share of the labels', async () => {
    const { model } = await fakeWhisper();
    const { native } = await run({ maxSteps: 5, timestamps: true, language: 'en' });
    const times = native.steps
      .flatMap(({ batches }) => [...batches[0]!.labels])
      .filter((token) => token >= model.tokenizer.timestampBegin);
    expect(times.length).toBeGreaterThan(0);
    expect(times.length).toBeLessThan(2 * 10);
  });

  it('joins clips', async () => {
    const { native, events } = await run({
      ...once,
      stitchClips: true,
      trainDataset: fromIterable(rows(10)),
    });
    // Ten clips of about a tenth of a second fit the window of three seconds and the decoder's 64 positions.
    const [batch] = native.steps[0]!.batches;
    expect(batch!.samples.map(({ length }) => length)).toEqual([16000 + 16 * 45]);
    expect(events.find(({ type }) => type === 'epoch')).toMatchObject({ data: { rows: 10, kept: 10 } });
  });

  it('changes audio and joins clips alike in a run that was stopped and resumed', async () => {
    const options = {
      maxSteps: 9,
      saveStrategy: 'steps',
      saveSteps: 9,
      stitchClips: true,
      timestamps: true,
      speedPerturbation: '0.7,1,1.3',
      noiseProbability: 0.5,
      noiseSnrDb: '10',
      trainDataset: fromIterable(rows(30, () => 'turn the light on and off')),
    } as const;
    const whole = await run(options);
    rmSync(outputDir, { recursive: true });
    const controller = new AbortController();
    const first = await run({
      ...options,
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.step === 4 && controller.abort(),
    });
    const second = await run(options);
    const batches = (part: Run) => part.native.steps.map(({ batches: [batch] }) => batch);
    expect([...batches(first), ...batches(second)]).toEqual(batches(whole));
    expect(second.native.weights).toEqual(whole.native.weights);
    const lengths = new Set(batches(whole).flatMap((batch) => batch!.samples.map(({ length }) => length)));
    expect(lengths.size).toBeGreaterThan(5);
  });
});

describe('options that contradict each other', () => {
  it.each([
    [{ noiseFolder: 'noise' }, 'noise_folder needs a noise_probability above 0'],
    [{ noiseProbability: 0.5, noiseSnrDb: '30,10' }, 'noise_snr_db must have the least before the most'],
    [
      { maxPromptLength: 64 },
      'max_prompt_length must be below 64 (max_target_positions of the model), got 64',
    ],
    [{ speedPerturbation: '0.9,3' }, 'speedPerturbation must be speeds from 0.5 to 2 with commas'],
    [{ maskTimeProb: 0.1, applySpecAugment: false }, 'mask_time_prob needs apply_spec_augment'],
  ])('%o', async (options, message) => {
    await expect(run({ ...once, ...options })).rejects.toThrow(message);
  });
});
