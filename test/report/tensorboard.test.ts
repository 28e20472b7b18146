// What a run leaves in TensorBoard's event files: tags and steps as transformers has them.
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/report/listener.js';
import { defaultLoggingDir, TensorBoard } from '../../src/report/tensorboard.js';
import { outputDir, run } from '../train/runs.js';
import { eventFiles, type ReadEvent, readEvents } from './events.js';

const evaluation: RunEvent = {
  type: 'results',
  split: 'eval',
  step: 4,
  metrics: { epoch: 0.8, eval_loss: 0.5, eval_wer: 12.5, eval_runtime: 1, eval_samples: 5 },
};

/** Trains four updates and tells the listener of them; then what `after` says. */
async function listen(after: RunEvent[], more: Parameters<typeof run>[0] = {}) {
  const folder = join(outputDir, 'runs', 'one');
  const events: RunEvent[] = [];
  const rows: object[] = [];
  const { trainer } = await run({
    maxSteps: 4,
    loggingSteps: 2,
    evalStrategy: 'steps',
    evalSteps: 2,
    predictWithGenerate: true,
    ...more,
    onEvent: (event) => events.push(event),
  });
  // What the state was when each event was told.
  const history = trainer.state.history;
  let known = 0;
  const listener = new TensorBoard({
    folder,
    options: { learning_rate: 0.1, fp16: false, optim: 'adamw_torch', max_label_length: null, list: [1, 2] },
    config: { d_model: 64 },
    state: () => ({ step: 4, history: history.slice(0, known) }),
  });
  for (const event of [...events, ...after]) {
    if (['log', 'evaluate', 'end'].includes(event.type)) rows.push(history[known++]!);
    await listener.tell(event);
  }
  return { folder, listener, rows };
}

const tags = (events: ReadEvent[]) => [...new Set(events.map(({ tag }) => tag))].sort();
const values = (events: ReadEvent[], tag: string) =>
  events.filter((event) => event.tag === tag).map(({ step, number }) => [step, number]);

describe('a run', () => {
  it('leaves scalars under transformers’ tags, at the steps they are of', async () => {
    const { folder, listener } = await listen([]);
    await listener.close();
    const [path] = eventFiles(folder);
    expect(dirname(path!)).toBe(folder);
    const events = readEvents(path!);
    expect(tags(events)).toEqual([
      'args/text_summary',
      'eval/cer',
      'eval/loss',
      'eval/runtime',
      'eval/samples_per_second',
      'eval/steps_per_second',
      'eval/wer',
      'model_config/text_summary',
      'train/data_wait',
      'train/epoch',
      'train/grad_norm',
      'train/learning_rate',
      'train/loss',
      'train/total_flos',
      'train/train_loss',
      'train/train_runtime',
      'train/train_samples_per_second',
      'train/train_steps_per_second',
    ]);
    expect(values(events, 'train/loss').map(([step]) => step)).toEqual([2, 4]);
    // Before the first update too.
    expect(values(events, 'eval/wer').map(([step]) => step)).toEqual([0, 2, 4]);
    expect(values(events, 'train/total_flos').map(([step]) => step)).toEqual([4]);
  });

  it('says its options and the model’s configuration as texts', async () => {
    const { folder, listener } = await listen([]);
    await listener.close();
    const events = readEvents(eventFiles(folder)[0]!);
    const text = (tag: string) => JSON.parse(events.find((event) => event.tag === tag)!.text!);
    expect(text('args/text_summary')).toMatchObject({ learning_rate: 0.1, optim: 'adamw_torch' });
    expect(text('model_config/text_summary')).toEqual({ d_model: 64 });
    expect(events.filter(({ plugin }) => plugin === 'text')).toHaveLength(2);
  });

  it('has a second file of the evaluation after the training', async () => {
    const { folder, listener } = await listen([evaluation, { type: 'finish' }]);
    await listener.close();
    const files = eventFiles(folder).filter((path) => dirname(path) === folder);
    expect(files).toHaveLength(2);
    const events = readEvents(files[1]!);
    expect(tags(events)).toEqual(['eval/loss', 'eval/runtime', 'eval/wer', 'train/epoch']);
    expect(values(events, 'eval/wer')).toEqual([[4, 12.5]]);
  });

  it('has a file for the HParams tab, in a folder beside, with what runs are compared by', async () => {
    const { folder, listener } = await listen([evaluation, { type: 'finish' }]);
    await listener.close();
    const path = eventFiles(folder).find((path) => dirname(path) !== folder)!;
    expect(basename(dirname(path))).toMatch(/^\d+(\.\d+)?$/);
    const events = readEvents(path);
    expect(events.filter(({ plugin }) => plugin === 'hparams').map(({ tag }) => tag)).toEqual([
      '_hparams_/experiment',
      '_hparams_/session_start_info',
      '_hparams_/session_end_info',
    ]);
    expect(events.at(-1)!.tag).toBe('_hparams_/session_end_info');
    expect(values(events, 'eval/wer').map(([step]) => step)).toEqual([0, 2, 4, 4]);
  });

  it('that resumes begins files of its own, and an evaluation alone has one', async () => {
    await listen([]).then(({ listener }) => listener.close());
    const { folder, listener } = await listen([], {
      maxSteps: 4,
      overwriteOutputDir: true,
    });
    await listener.close();
    expect(eventFiles(folder).filter((path) => dirname(path) === folder)).toHaveLength(2);

    const alone = new TensorBoard({
      folder: join(outputDir, 'alone'),
      options: {},
      config: {},
      state: () => ({ step: 0, history: [] }),
    });
    for (const event of [evaluation, { type: 'finish' } as const]) await alone.tell(event);
    await alone.close();
    expect(eventFiles(join(outputDir, 'alone'))).toHaveLength(1);
  });
});

it('the folder is named by the date and the host', () => {
  const folder = defaultLoggingDir('out', new Date(2022, 11, 5, 12, 3, 4));
  expect(folder).toMatch(/^out\/runs\/Dec05_12-03-04_./);
});
