// Resuming where a checkpoint is not where it was written: in a pulled copy, or after the output folder moved.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { of, outputDir, run } from './runs.js';

const best = {
  evalStrategy: 'steps',
  evalSteps: 2,
  saveStrategy: 'steps',
  saveSteps: 2,
  loadBestModelAtEnd: true,
} as const;

/** Stops after four updates. */
async function half(): Promise<void> {
  const stop = new AbortController();
  const { trainer } = await run({
    ...best,
    signal: stop.signal,
    onEvent: (event) => event.type === 'save' && event.step === 4 && stop.abort(),
  });
  expect(trainer.state.step).toBe(4);
}

const checkpoint = (step: number, folder = outputDir) => join(folder, `checkpoint-${step}`);

it('a checkpoint may be given by its name in the output folder', async () => {
  await half();
  renameSync(checkpoint(4), join(outputDir, 'last-checkpoint'));
  const { events } = await run({ ...best, resumeFromCheckpoint: 'last-checkpoint' });
  expect(of(events, 'start')[0]).toMatchObject({ step: 4, resumedFrom: join(outputDir, 'last-checkpoint') });
});

it('an output folder with nothing but a pulled copy says how to go on from it', async () => {
  await half();
  renameSync(checkpoint(4), join(outputDir, 'last-checkpoint'));
  rmSync(checkpoint(2), { recursive: true });
  await expect(run(best)).rejects.toThrow(/is not empty .*, or resume_from_checkpoint last-checkpoint$/);
});

it('the best checkpoint is found beside the one that is resumed', async () => {
  const whole = await run({ ...best, overwriteOutputDir: true });
  rmSync(outputDir, { recursive: true });
  await half();
  const moved = join(outputDir, '..', 'moved');
  mkdirSync(moved);
  for (const step of [2, 4]) renameSync(checkpoint(step), checkpoint(step, moved));
  rmSync(outputDir, { recursive: true });
  const { events, native } = await run({ ...best, resumeFromCheckpoint: checkpoint(4, moved) });
  expect(of(events, 'notice').filter(({ message }) => message.includes('best'))).toEqual([]);
  expect(native.weights).toEqual(whole.native.weights);
});

it('a best checkpoint that was left behind is told, and the best is looked for among those that come', async () => {
  await half();
  const pulled = join(outputDir, '..', 'pulled', 'last-checkpoint');
  mkdirSync(join(outputDir, '..', 'pulled'));
  renameSync(checkpoint(4), pulled);
  rmSync(outputDir, { recursive: true });
  const { events, trainer } = await run({ ...best, resumeFromCheckpoint: pulled });
  expect(of(events, 'notice').map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/^the best checkpoint, .*checkpoint-2, is not there/),
  );
  expect(trainer.state.bestStep).toBeGreaterThan(4);
});
