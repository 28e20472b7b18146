// The optimizer command: both directions, and what it says of wrong usage.
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { golden, metadataOf, model } from '../train/optimizer-files.js';
import { run, temporaryFolder } from './fixtures.js';

const folder = temporaryFolder();
afterAll(folder.remove);
const at = (...path: string[]) => join(folder.path, ...path);
const convert = (source: string, target: string, ...more: string[]) =>
  run('optimizer', source, target, `--model_name_or_path=${model}`, ...more);

describe('optimizer', () => {
  it('goes to our file and back by what the names end with', async () => {
    const there = await convert(golden('adamw_torch.pt'), at('optimizer.safetensors'), '--bf16');
    expect(there).toMatchObject({ code: 0, err: '' });
    expect(there.out).toBe(
      `${at('optimizer.safetensors')}: adamw_torch after 2 updates\n` +
        'made with --learning_rate=0.001 --weight_decay=0.01 --adam_beta1=0.9 --adam_beta2=0.98 --adam_epsilon=1e-8\n',
    );
    expect(await metadataOf(at('optimizer.safetensors'))).toMatchObject({ precision: 'bf16', step: '2' });

    const back = await convert(
      at('optimizer.safetensors'),
      at('optimizer.pt'),
      '--learning_rate=1e-5',
      '--scheduler',
      '--json',
    );
    expect(back.code).toBe(0);
    expect(JSON.parse(back.out)).toEqual({
      optimizer: 'adamw_torch',
      step: 2,
      trained: 'all',
      dropped: [],
      rates: { learning_rate: 1e-5, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8 },
    });
    expect(existsSync(at('scheduler.pt'))).toBe(true);
  });

  it('says what it left out, and which part is trained', async () => {
    const positions = await convert(golden('adafactor-trained-positions.pt'), at('o.safetensors'));
    expect(positions.out).toMatch(
      /\nleft out: model\.encoder\.embed_positions\.weight, which is not trained here\n$/,
    );
    const frozen = await convert(golden('adafactor-frozen-encoder.pt'), at('o.safetensors'));
    expect(frozen.out).toMatch(/^\S+: adafactor after 2 updates, of the decoder only\n/);
  });

  it.each([
    [[], 2, /needs a SOURCE and a TARGET, one of them \.pt and the other \.safetensors, got none$/],
    [['a.pt', 'b.pt'], 2, /got a\.pt b\.pt$/],
    [['a.pt'], 2, /got a\.pt$/],
    [[golden('sgd.pt'), at('sgd.safetensors')], 2, /sgd\.pt does not say how many updates were made/],
    [[at('none.pt'), at('x.safetensors')], 1, /cannot read \S+none\.pt: no such file or folder$/],
    [
      [golden('command.pt'), at('x.safetensors')],
      1,
      /command\.pt: data\.pkl, byte \d+: it names "posix\.system", /,
    ],
    [
      [golden('adamw_torch.pt'), at('no', 'x.safetensors')],
      1,
      /cannot write \S+x\.safetensors: no such file or folder$/,
    ],
  ])('refuses %j', async (files, code, message) => {
    const { code: came, out, err } = await run('optimizer', ...files, `--model_name_or_path=${model}`);
    expect(err.trimEnd()).toMatch(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect(out).toBe('');
    expect(came).toBe(code);
  });

  it('keeps a target that it cannot replace', async () => {
    writeFileSync(at('kept.safetensors'), 'before');
    cpSync(golden('adamw_torch.pt'), at('cut.pt'));
    writeFileSync(at('cut.pt'), readFileSync(at('cut.pt')).subarray(0, 20_000));
    expect((await convert(at('cut.pt'), at('kept.safetensors'))).code).toBe(1);
    expect(readFileSync(at('kept.safetensors'), 'utf8')).toBe('before');
  });
});
