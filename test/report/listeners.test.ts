// Who is told of a run: what the options ask for, and a listener that fails stops nothing.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import type { RunEvent } from '../../src/report/listener.js';
import { openListeners, optionsByName } from '../../src/report/listeners.js';
import { resolveOptions, string } from '../../src/train/option.js';
import { pushOptions } from '../../src/train/options/hub.js';
import { reportOptions } from '../../src/train/options/reports.js';
import { outputDir, run } from '../train/runs.js';

const definitions = { ...reportOptions, ...pushOptions };

/** Trains, tells the listeners of it, and returns what stands on the terminal. */
async function listen(given: Record<string, unknown>): Promise<string> {
  const events: RunEvent[] = [];
  const { trainer } = await run({
    maxSteps: 2,
    loggingSteps: 1,
    overwriteOutputDir: true,
    onEvent: (event) => events.push(event),
  });
  const values = {
    ...resolveOptions(reportOptions, given),
    ...resolveOptions(pushOptions, {}),
    modelNameOrPath: 'openai/whisper-tiny',
    datasetName: 'clips',
    trainSplitName: 'train',
    evalSplitName: 'test',
  };
  let text = '';
  const listener = await openListeners({ trainer, definitions, values }, { err: (more) => (text += more) });
  for (const event of [...events, { type: 'written', path: outputDir } as const]) await listener.tell(event);
  await listener.close();
  return text;
}

it('report_to names TensorBoard, all or none; what is not there is said', async () => {
  expect(await listen({ report_to: ['none'] })).not.toContain('report_to');
  expect(existsSync(join(outputDir, 'runs'))).toBe(false);
  expect(await listen({ report_to: ['wandb', 'mlflow'] })).toMatch(
    /^report_to wandb is not there .*\nreport_to mlflow is not there .*\n/,
  );
  expect(existsSync(join(outputDir, 'runs'))).toBe(false);
  await listen({});
  expect(readdirSync(join(outputDir, 'runs'))).toHaveLength(1);
  await expect(listen({ report_to: ['tensorbord'] })).rejects.toThrow('must be tensorboard, all or none');
});

it('logging_dir is the folder of the event files', async () => {
  const folder = join(outputDir, '..', 'events');
  await listen({ logging_dir: folder });
  expect(readdirSync(folder).filter((name) => name.includes('tfevents'))).toHaveLength(1);
});

it('a listener that fails is named once, and the others go on', async () => {
  mkdirSync(dirname(outputDir), { recursive: true });
  const file = join(outputDir, '..', 'a-file');
  writeFileSync(file, '');
  const text = await listen({ logging_dir: join(file, 'events') });
  expect(text.match(/TensorBoard is told no more/g)).toHaveLength(1);
  expect(text).toContain(`TensorBoard is told no more: cannot create folder`);
  expect(text).toContain('update 2/2');
  expect(existsSync(join(outputDir, 'README.md'))).toBe(true);
});

it('options go by their names, and tokens nowhere', () => {
  const options = {
    optim_8bit_embeddings: string('', 'x'),
    token: string('', undefined),
    hub_token: string('', undefined),
  };
  const values = { optim8bitEmbeddings: 'y', token: 'hf_secret', hubToken: 'hf_secret' };
  expect(optionsByName(options, values)).toEqual({
    optim_8bit_embeddings: 'y',
    token: '<TOKEN>',
    hub_token: '<HUB_TOKEN>',
  });
  expect(optionsByName(options, {}).token).toBeNull();
});
