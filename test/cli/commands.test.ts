// transcribe, plan and env on a tiny model, and the command line's own help.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wav } from '../helpers/wav.mjs';
import { makeModel, run, temporaryFolder, tone } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);

beforeAll(async () => {
  await makeModel(at('model'));
});

describe('transcribe', () => {
  it('cuts audio into the windows of the model', async () => {
    writeFileSync(at('long.wav'), wav(tone(2, 2.25)));
    const { code, out } = await run(
      'transcribe',
      at('long.wav'),
      `--model_name_or_path=${at('model')}`,
      '--language=en',
      '--batch_size=2',
      '--json',
    );
    expect(code).toBe(0);
    const { text, segments, duration } = JSON.parse(out);
    expect(duration).toBe(2.25);
    expect(segments.map(({ start, end }: { start: number; end: number }) => [start, end])).toEqual([
      [0, 1],
      [1, 2],
      [2, 2.25],
    ]);
    expect(text).toBe(
      segments
        .map((segment: { text: string }) => segment.text)
        .filter(Boolean)
        .join(' '),
    );
  });

  it('prints the text alone without --json', async () => {
    const { out } = await run(
      'transcribe',
      at('long.wav'),
      `--model_name_or_path=${at('model')}`,
      '--language=en',
    );
    expect(out.endsWith('\n')).toBe(true);
    expect(out).not.toContain('{');
  });
});

describe('plan', () => {
  it('knows the released sizes', async () => {
    const { code, out } = await run('plan', 'tiny', '--json', '--batch_size=1');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ parameters: 37760640, trainable: 37184640 });
    expect(
      JSON.parse((await run('plan', 'openai/whisper-large-v3-turbo', '--inference', '--json')).out),
    ).toMatchObject({
      parameters: 808878080,
    });
  });

  it('and folders, and that checkpointing and freezing save memory', async () => {
    const plan = async (...more: string[]) =>
      JSON.parse((await run('plan', at('model'), '--label_length=16', '--json', ...more)).out);
    const full = await plan();
    expect((await plan('--freeze_encoder')).trainable).toBeLessThan(full.trainable);
    expect((await plan('--gradient_checkpointing')).activations).toBeLessThan(full.activations);
    expect((await plan('--inference')).optimizer).toBe(0);
  });

  it('tells precisions, optimizers and policies apart', async () => {
    const plan = async (...flags: string[]) =>
      JSON.parse((await run('plan', 'small', '--batch_size=4', '--json', ...flags)).out);
    const f32 = await plan();
    const f16 = await plan('--fp16');
    expect(f32.masters).toBe(0);
    // Factors in 2 bytes; the f32 behind them is what it was.
    expect(f16.masters).toBe(f32.weights);
    expect(f16.weights / f32.weights).toBeCloseTo(0.5, 2);
    expect(f16.activations).toBeLessThan(0.7 * f32.activations);
    expect(await plan('--bf16')).toEqual(f16);
    expect(await plan('--precision=f16')).toEqual(f16);
    expect((await plan('--optim=adamw_torch_fused')).optimizer).toBe(f32.optimizer);
    expect((await plan('--checkpointing_policy=encoder')).activations).toBeLessThan(f32.activations);
    expect((await plan('--inference', '--fp16')).masters).toBe(0);
    const shorter = await plan('--label_length=16');
    expect(shorter.peak).toBeLessThan(f32.peak);
    expect(await plan('--label_length=448')).toEqual(f32);
  });

  it('says in words what is what', async () => {
    const { out } = await run('plan', 'tiny', '--fp16');
    expect(out).toMatch(/^parameters +37,760,640\n/);
    expect(out).toMatch(/\nmasters +[\d.]+ MB {2}f32 copies behind weights of 16 bits\n/);
    expect(out).toMatch(/\npeak +[\d.]+ GB {2}all together\n$/);
  });

  it.each([
    [['plan'], /^error: plan needs a model: a folder or one of tiny, tiny\.en, /],
    [['plan', 'gigantic'], /^error: cannot plan gigantic: no such folder, and no released model \(tiny, /],
    [['plan', 'tiny', '--label_length=449'], /at most 448 \(max_target_positions\), got 449/],
  ])('refuses %j', async (args, message) => {
    const { code, err } = await run(...args);
    expect(code).toBeGreaterThan(0);
    expect(err).toMatch(message);
  });
});

describe('env', () => {
  it('says that a model runs', async () => {
    const { code, out } = await run('env', '--json');
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(report.forward.ok).toBe(true);
    expect(report.devices).toContain('cpu');
    expect(report.isas).toContain(report.isa);
    expect(report.decoders).toEqual(expect.arrayContaining(['wav', 'mp3', 'flac', 'webm']));
    expect((await run('env')).out).toMatch(/^forward +works: loss/m);
  });
});

describe('the command line', () => {
  it('helps', async () => {
    expect((await run()).out).toMatch(/Usage: whisper-tune .*train /s);
    expect((await run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    for (const args of [
      ['train', '--help'],
      ['help', 'train'],
      ['train', '--max_steps', '1', '-h'],
    ]) {
      const { code, out } = await run(...args);
      expect(code).toBe(0);
      expect(out).toContain('--eval_strategy, --evaluation_strategy no|steps|epoch');
    }
  });

  it('suggests a command', async () => {
    expect(await run('trian')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean train?'),
    });
  });
});
